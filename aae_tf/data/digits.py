"""The 8x8 digits that scikit-learn bundles."""

from __future__ import annotations

import numpy as np

from aae_tf.data.source import Source

_TEST_SIZE = 297


def read_digits() -> Source:
    """Read scikit-learn's 1,797 digits; the same 297 of them, stratified, are always the test."""
    # Imported here, since scikit-learn takes a second to import.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        digits.images[..., np.newaxis],
        digits.target.astype(np.int64),
        test_size=_TEST_SIZE,
        random_state=0,
        stratify=digits.target,
    )
    return Source(
        x_train, y_train, x_test, y_test, 16, tuple(str(name) for name in digits.target_names)
    )
