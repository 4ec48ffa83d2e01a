import keras
import numpy as np
import pytest

from aae_tf import divergences, models, networks, priors
from tests.models.small import build


def test_names_stand_for_new_instances():
    assert isinstance(divergences.get("adversarial"), divergences.Adversarial)
    assert isinstance(divergences.get("mmd"), divergences.MMD)
    assert divergences.get("mmd") is not divergences.get("mmd")
    instance = divergences.MMD()
    assert divergences.get(instance) is instance


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        (
            "kl",
            ValueError,
            "one of 'adversarial', 'mmd', 'energy', 'sliced_wasserstein', 'sliced', or an instance",
        ),
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


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("shape", "loss", "factor"),
    [
        ((4,), "half_squared_error", 1.0),
        ((40, 50), "half_squared_error", 2.0),
        # Averaged over features, and not summed.
        ((40, 50), "mse", 1.0),
    ],
)
def test_default_weights_follow_the_features_that_the_loss_is_summed_over(shape, loss, factor):
    for name, base in (("adversarial", 1.0), ("mmd", 100.0), ("energy", 10.0)):
        model = build(models.AAE, shape=shape, prior=priors.gaussian(2), divergence=name)
        model.compile(reconstruction_loss=loss)
        assert model.trainer.objective.weights == {"latent": factor * base}
        # What is not given is not saved as if it were.
        assert model.get_config()["divergence"]["config"]["weight"] is None


def test_a_given_weight_is_what_it_was_whatever_the_features():
    divergence = divergences.MMD(weight=7.0)
    model = build(models.AAE, shape=(40, 50), prior=priors.gaussian(2), divergence=divergence)
    model.compile()
    assert model.trainer.objective.weights == {"latent": 7.0}


def test_what_reconstructs_nothing_keeps_the_base():
    decoder = networks.mlp_decoder((40, 50), 2, units=(8,))
    model = build(models.GMMN, decoder=decoder, prior=priors.gaussian(2))
    model.compile()
    assert model.trainer.objective.weights == {"sample": 100.0}


def test_an_instance_that_was_refused_can_be_given_again():
    divergence = divergences.MMD(standardized=True)
    with pytest.raises(ValueError, match="`standardized` to be False"):
        divergence.connect(priors.ring_mixture(3), seed=0, num_classes=3)
    divergence.connect(priors.gaussian(2), seed=0)
    assert divergence.num_classes is None
