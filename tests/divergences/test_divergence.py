import keras
import numpy as np
import pytest

from aae_tf import divergences, priors


def test_names_stand_for_new_instances():
    assert isinstance(divergences.get("adversarial"), divergences.Adversarial)
    assert isinstance(divergences.get("mmd"), divergences.MMD)
    assert divergences.get("mmd") is not divergences.get("mmd")
    instance = divergences.MMD()
    assert divergences.get(instance) is instance


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("kl", ValueError, "one of 'adversarial', 'mmd', or an instance"),
        (3, TypeError, "`divergence` to be a name"),
    ],
)
def test_unknown_divergences_are_refused(identifier, error, message):
    with pytest.raises(error, match=message):
        divergences.get(identifier)


def test_the_base_class_names_what_a_divergence_lacks():
    with pytest.raises(NotImplementedError, match="Divergence does not implement `compare`"):
        divergences.Divergence().compare(np.zeros((2, 2)), [0, 0])


def test_a_weight_is_a_number_or_a_schedule_and_both_are_saved():
    ramp = keras.optimizers.schedules.PolynomialDecay(0.0, 10, end_learning_rate=2.0)
    for cls in (divergences.Adversarial, divergences.MMD):
        assert cls(weight=3).weight == 3.0
        twin = cls.from_config(cls(weight=ramp).get_config())
        assert twin.weight.get_config() == ramp.get_config()


def test_an_instance_that_was_refused_can_be_given_again():
    divergence = divergences.MMD(standardized=True)
    with pytest.raises(ValueError, match="`standardized` to be False"):
        divergence.connect(priors.ring_mixture(3), seed=0, num_classes=3)
    divergence.connect(priors.gaussian(2), seed=0)
    assert divergence.num_classes is None
