"""The nearest typical row: what a row would look like if it were like the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf.training.terms import Tensors

_MOST_CODES = 256


@dataclasses.dataclass(frozen=True)
class TypicalRows:
    """Codes of held-out rows that are dense under the prior, the nearest of which can be decoded.

    Args:
        codes: float32 [k, width] by name: what the decoder receives.
    """

    codes: dict[str, np.ndarray]

    @classmethod
    def fit(cls, terms: dict[str, Any], names: Sequence[str]) -> TypicalRows:
        """Takes the half of the codes that is densest under the prior, at most 256 of them.

        Args:
            terms: what `BaseAAE.score_terms` gives for held-out rows.
            names: of the codes that the decoder receives.
        """
        codes = {name: np.asarray(terms[name], np.float32) for name in names}
        count = len(codes[names[0]])
        order = np.arange(count)
        if "prior_log_prob" in terms:
            order = np.argsort(-np.asarray(terms["prior_log_prob"]), kind="stable")
            order = order[: (count + 1) // 2]
        # Spread over the half, so that each of its parts is there.
        order = order[:: -(-len(order) // _MOST_CODES)]
        return cls({name: rows[order] for name, rows in codes.items()})

    def nearest(self, codes: Tensors) -> Tensors:
        """Finds the typical code at the smallest Euclidean distance.

        Args:
            codes: [batch, width] by name.

        Returns:
            The same, of typical rows.
        """
        points = tf.concat([codes[name] for name in self.codes], axis=1)
        typical = np.concatenate(list(self.codes.values()), axis=1)
        # |p - t|^2 without |p|^2, which is the same for all t.
        squares = np.square(typical).sum(axis=1)
        index = tf.argmin(squares - 2.0 * tf.matmul(points, typical.T), axis=1)
        return {name: tf.gather(rows, index) for name, rows in self.codes.items()}

    def get_config(self) -> dict[str, Any]:
        """Returns the codes, in JSON types."""
        return {name: rows.tolist() for name, rows in self.codes.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TypicalRows:
        """Makes them from what `get_config` returned."""
        return cls({name: np.array(rows, np.float32) for name, rows in config.items()})
