"""`train_run` called from Python; `tests/cli/test_train.py` has the command."""

import dataclasses

import numpy as np
import pytest

from aae_tf.runs import training
from aae_tf.runs.errors import UserError
from tests.runs.conftest import RECIPE


@pytest.mark.thorough
def test_wide_codes_have_no_manifold(whole):
    assert not (whole / "figures" / "manifold.png").exists()
    assert (whole / "figures" / "latent.png").exists()


def test_data_are_checked_as_fit_checks_them(digits, tmp_path):
    blank = dataclasses.replace(digits, x_train=np.zeros_like(digits.x_train))
    with pytest.raises(UserError, match="Expected `x_train` to have rows that differ"):
        training.train_run(RECIPE, blank, tmp_path / "run", verbose=0)
    assert list(tmp_path.iterdir()) == []
