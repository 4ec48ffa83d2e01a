"""What `fit` says of data before a step is made, beside the labels."""

import numpy as np
import pytest

from aae_tf import AAE, SupervisedAAE, networks, priors

pytestmark = pytest.mark.usefixtures("eager_steps")

X = np.random.default_rng(0).random((60, 2, 3), dtype="float32")
Y = np.arange(60) % 3


def _model(cls, code_dim, **kwargs):
    return cls(
        networks.mlp_encoder((2, 3), units=(8,), seed=1),
        networks.mlp_decoder((2, 3), code_dim, units=(8,), seed=2),
        prior=priors.gaussian(2),
        divergence="mmd",
        seed=0,
        **kwargs,
    )


@pytest.mark.thorough
def test_fit_looks_at_its_data():
    model = _model(AAE, 2)
    model.compile(reconstruction_loss="bernoulli")
    with pytest.raises(ValueError, match="Expected `x` to have rows that differ"):
        model.fit(np.full_like(X, 0.5), verbose=0)
    with pytest.raises(ValueError, match=r"from 0\.\d+ to 25\d\.\d+\. Scale 8-bit pixels: x / 255"):
        model.fit(255.0 * X, verbose=0)
    with pytest.raises(ValueError, match=r"`x` in \[0, 1\].* to 1\.\d+\.$"):
        model.fit(2.0 * X, verbose=0)
    assert model.optimizer.iterations == 0
    model.evaluate(np.full_like(X, 0.5), verbose=0)
    model.compile()
    with pytest.warns(UserWarning, match="as 8-bit pixels do"):
        model.fit(255.0 * X, verbose=0)
    # Labels that a model does not look at are no labels.
    model.fit(np.concatenate([X, X]), np.arange(120) % 7, verbose=0)


def test_fit_looks_at_labels_that_a_model_learns():
    model = _model(SupervisedAAE, 5, num_classes=3)
    model.compile()
    with pytest.warns(UserWarning, match="^60 labelled rows of `x` equal an earlier row"):
        model.fit(np.concatenate([X, X]), np.concatenate([Y, (Y + 1) % 3]), verbose=0)
