import json

import keras
import numpy as np
import pytest

from aae_tf import losses

RAMP = keras.optimizers.schedules.PolynomialDecay(0.0, 10, end_learning_rate=2.0)
TERMS = {
    "consistency_loss": losses.VirtualAdversarial(2.0, 3, 0.5, weight=RAMP),
    "information_loss": losses.MutualInformation(2.0, weight=0.3),
    "head_loss": losses.HeadDistance(3.0, weight=RAMP),
    "latent_divergence": losses.KullbackLeibler(weight=4.0),
}


@pytest.mark.parametrize("log_key", TERMS)
def test_term_survives_json_with_its_weight(log_key):
    term = TERMS[log_key]
    assert term.log_key == log_key
    config = keras.saving.serialize_keras_object(term)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is type(term)
    assert keras.saving.serialize_keras_object(again) == config
    assert config["registered_name"] == f"aae_tf>{type(term).__name__}"
    for step in (0, 5):
        weights = [losses.weight_at(each.weight, step) for each in (term, again)]
        np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize("log_key", TERMS)
def test_weights_are_checked(log_key):
    config = {**TERMS[log_key].get_config(), "weight": -1.0}
    with pytest.raises(ValueError, match="`weight` to be a finite number, zero or more"):
        type(TERMS[log_key])(**config)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: losses.VirtualAdversarial(0.0), ValueError, "`radius` to be positive"),
        (lambda: losses.VirtualAdversarial("1"), TypeError, "`radius` to be a number"),
        (
            lambda: losses.VirtualAdversarial(num_power_iterations=0),
            ValueError,
            "`num_power_iterations` to be at least 1",
        ),
        (
            lambda: losses.VirtualAdversarial(num_power_iterations=1.0),
            TypeError,
            "`num_power_iterations` to be an integer",
        ),
        (
            lambda: losses.VirtualAdversarial(finite_difference=-1.0),
            ValueError,
            "`finite_difference` to be positive",
        ),
        (lambda: losses.MutualInformation(-1.0), ValueError, "`marginal_weight` to be a finite"),
        (lambda: losses.HeadDistance(0), ValueError, "`distance` to be positive"),
    ],
)
def test_wrong_arguments_are_named(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_the_base_class_names_what_a_term_lacks():
    with pytest.raises(NotImplementedError, match="LossTerm does not implement `__call__`"):
        losses.LossTerm()(np.zeros(3))
