"""Several divergences of one code: their sum, their logs, their files, and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp

from aae_tf import divergences, models, networks, priors
from aae_tf.callbacks import BalanceMonitor
from aae_tf.divergences import MMD, Adversarial
from aae_tf.models.weight_seeds import weight_seeds
from tests.models.small import INPUTS, LABELS, NUM_CLASSES, build

pytestmark = pytest.mark.usefixtures("eager_steps")

KERNEL = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=np.float32(2.0))
# All of its samples are alike, so that no seed matters.
POINT_PRIOR = tfp.distributions.VectorDeterministic(np.float32([1.0, -2.0]))


def _adversary(**kwargs) -> Adversarial:
    return Adversarial(networks.mlp_discriminator(2, units=(8,), seed=4), **kwargs)


def _moments(**kwargs) -> MMD:
    return MMD(KERNEL, prior_terms="sampled", **kwargs)


def _aae(divergence, prior=POINT_PRIOR):
    return build(models.AAE, prior=prior, divergence=divergence)


def _change_of_one_step(divergence, schedule: str) -> tuple[list, list]:
    """Gives by how much one step of plain SGD moves the encoder, and the discriminators."""
    model = _aae(divergence)
    discriminators = [v for each in model._divergences.values() for v in each.trainable_variables]
    moved = [*model.encoder.trainable_variables, *model.posterior.trainable_variables]
    before = [[v.numpy() for v in each] for each in (moved, discriminators)]
    model.compile(
        keras.optimizers.SGD(0.1), schedule=schedule, reconstruction_weight=0.0, guard=None
    )
    model.fit(INPUTS, batch_size=len(INPUTS), shuffle=False, verbose=0)
    return tuple(
        [v.numpy() - old for v, old in zip(each, values, strict=True)]
        for each, values in zip((moved, discriminators), before, strict=True)
    )


@pytest.mark.sampled
@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_the_encoder_moves_by_the_sum_and_the_discriminator_as_alone(schedule):
    first, second = {"weight": 0.4}, {"weight": 3.0}
    together = [_moments(**second), _adversary(**first)]
    moved, discriminator = _change_of_one_step(together, schedule)
    by_adversary, alone = _change_of_one_step(_adversary(**first), schedule)
    by_moments, _ = _change_of_one_step(_moments(**second), schedule)
    for change, *parts in zip(moved, by_adversary, by_moments, strict=True):
        np.testing.assert_allclose(change, sum(parts), rtol=1e-3, atol=1e-6)
    # Neither is nothing beside the other.
    assert min(np.abs(parts[0]).max() for parts in (by_adversary, by_moments)) > 1e-4
    for change, other in zip(discriminator, alone, strict=True):
        np.testing.assert_allclose(change, other, rtol=1e-4, atol=1e-7)


@pytest.mark.thorough
def test_logs_and_files_have_each_divergence_under_its_key(tmp_path):
    model = _aae({"adversary": _adversary(weight=0.4), "far": "energy", "near": MMD(weight=2.0)},
                 priors.gaussian(2))  # fmt: skip
    model.compile("adam", log_gradient_norms=True)
    monitor = BalanceMonitor(tmp_path / "balance.png")
    logs = model.fit(INPUTS, verbose=0, callbacks=[monitor]).history
    assert {key for key in logs if key.startswith("latent")} == {
        *("latent_adversary_divergence", "latent_far_divergence", "latent_near_divergence"),
        *("latent_adversary_discriminator_loss", "latent_adversary_discriminator_accuracy"),
        *("latent_adversary_gradient_norm", "latent_far_gradient_norm"),
        "latent_near_gradient_norm",
    }
    assert (tmp_path / "balance.png").stat().st_size > 0
    weights = model.trainer.objective.weights
    assert weights == {"latent_adversary": 0.4, "latent_far": 10.0, "latent_near": 2.0}

    values = model.evaluate(INPUTS, return_dict=True, verbose=0)
    expected = values["reconstruction_loss"] + sum(
        weight * values[f"{key}_divergence"] for key, weight in weights.items()
    )
    np.testing.assert_allclose(values["loss"], expected, rtol=1e-5)

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert list(loaded.divergence) == ["adversary", "far", "near"]
    assert loaded.evaluate(INPUTS, return_dict=True, verbose=0) == pytest.approx(values, rel=1e-5)
    for trained, other in zip(
        model.divergence["adversary"].get_weights(),
        loaded.divergence["adversary"].get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(trained, other)


@pytest.mark.thorough
def test_labels_reach_every_divergence_of_a_code():
    model = build(
        models.LabelGuidedAAE,
        prior=priors.ring_mixture(NUM_CLASSES),
        num_classes=NUM_CLASSES,
        divergence=["adversarial", "mmd"],
    )
    model.compile(balance="adaptive")
    logs = model.fit(INPUTS, LABELS, verbose=0).history
    assert {"latent_adversarial_steepness", "latent_mmd_divergence"} <= set(logs)


def test_further_discriminators_have_weights_of_their_own():
    one, two = (Adversarial((4,)) for _ in range(2))
    code = models.Code(priors.gaussian(2), divergences.get({"one": one, "two": two}))
    code.connect(seed=weight_seeds(0).divergences[0])
    assert one.discriminator.get_weights()[0].shape == (2, 4)
    assert np.abs(one.discriminator.get_weights()[0] - two.discriminator.get_weights()[0]).max() > 0
    alone = Adversarial((4,))
    models.Code(priors.gaussian(2), alone).connect(seed=weight_seeds(0).divergences[0])
    np.testing.assert_array_equal(
        alone.discriminator.get_weights()[0], one.discriminator.get_weights()[0]
    )


def test_a_list_takes_log_keys_from_names_and_classes():
    class OwnDistance(divergences.Divergence):
        """A divergence of one capital more."""

    found = divergences.get(("energy", MMD(), divergences.SlicedWasserstein(), OwnDistance()))
    assert list(found) == ["energy", "mmd", "sliced_wasserstein", "own_distance"]


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ([], ValueError, "`divergence` to hold one divergence or more"),
        ({}, ValueError, "`divergence` to hold one divergence or more"),
        (["mmd", MMD()], ValueError, r"a log key of its own.*Received: \['mmd', 'mmd'\]"),
        (["mmd", "kl"], ValueError, r"`divergence\[1\]` to be one of 'adversarial'"),
        (["mmd", 3], TypeError, r"`divergence\[1\]` to be a name or a Divergence"),
        ({"near by": "mmd"}, ValueError, "keys of `divergence` to be of letters"),
        ({3: "mmd"}, ValueError, "keys of `divergence` to be of letters"),
    ],
)
def test_what_is_no_set_of_divergences_is_refused(identifier, error, message):
    with pytest.raises(error, match=message):
        divergences.get(identifier)


def test_one_instance_under_two_keys_is_refused():
    one = MMD()
    with pytest.raises(ValueError, match="a log key of its own"):
        divergences.get({"near": one, "far": one})


def test_small_batches_are_refused_under_the_key_that_they_are_too_small_for():
    model = _aae(["sliced_wasserstein", "mmd"], priors.gaussian(2))
    model.compile()
    with pytest.raises(ValueError, match=r"at least 2.*MMD behind `latent_mmd_divergence`"):
        model.fit(INPUTS, batch_size=1, verbose=0)
