"""What to train, and how: the options of `aae-tf train`."""

from dataclasses import dataclass

from aae_tf.checks import (
    check_choice,
    check_dimension,
    check_integer,
    check_non_negative,
    check_positive,
    check_sizes,
)
from aae_tf.cli.build import MODELS, NETWORKS, PRIORS

# The names that the packages of the same name take; they are repeated here, where TensorFlow is
# not yet imported, so that a wrong one costs no seconds.
POSTERIORS = ("deterministic", "gaussian", "universal")
DIVERGENCES = ("adversarial", "mmd")
SCHEDULES = ("joint", "alternating")
RECONSTRUCTION_LOSSES = ("half_squared_error", "bernoulli")


@dataclass(frozen=True)
class Recipe:
    """A model, its data and its training.

    Attributes:
        data: name of a data set, as `aae_tf.data.load` takes it.
        model: key of `MODELS`.
        prior: key of `PRIORS`.
        prior_scale: standard deviation of "gaussian"; that along the radius of "ring_mixture",
            whose radius is four times as large; half the width of "uniform".
        code_dim: width of the code.
        posterior: one of `POSTERIORS`.
        divergence: one of `DIVERGENCES`.
        divergence_weight: factor of the divergence in the loss; None takes the divergence's own.
        network: key of `NETWORKS`.
        units: widths of hidden layers, the decoder's in reverse; None takes the network's own.
        discriminator_units: the same for the discriminator, where there is one.
        schedule: one of `SCHEDULES`.
        reconstruction_loss: one of `RECONSTRUCTION_LOSSES`.
        learning_rate: of Adam, for encoder and decoder.
        discriminator_learning_rate: of Adam; None takes a tenth of `learning_rate`.
        epochs: passes over the training images.
        batch_size: images in a step.
        steps_per_execution: steps in one call of the compiled function.
        seed: non-negative integer that fixes weights, noise, samples, batches and the split.

    Raises:
        TypeError, ValueError: if a value is out of its domain.
    """

    data: str = "digits"
    model: str = "aae"
    prior: str = "gaussian"
    prior_scale: float = 1.0
    code_dim: int = 8
    posterior: str = "deterministic"
    divergence: str = "adversarial"
    divergence_weight: float | None = None
    network: str = "mlp"
    units: tuple[int, ...] | None = None
    discriminator_units: tuple[int, ...] | None = None
    schedule: str = "joint"
    reconstruction_loss: str = "half_squared_error"
    learning_rate: float = 1e-3
    discriminator_learning_rate: float | None = None
    epochs: int = 20
    batch_size: int = 100
    steps_per_execution: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for argument, choices in (
            ("model", MODELS),
            ("prior", PRIORS),
            ("posterior", POSTERIORS),
            ("divergence", DIVERGENCES),
            ("network", NETWORKS),
            ("schedule", SCHEDULES),
            ("reconstruction_loss", RECONSTRUCTION_LOSSES),
        ):
            check_choice(argument, getattr(self, argument), tuple(choices))
        for argument in ("code_dim", "epochs", "batch_size", "steps_per_execution"):
            check_dimension(argument, getattr(self, argument))
        for argument in ("units", "discriminator_units"):
            if getattr(self, argument) is not None:
                check_sizes(argument, getattr(self, argument))
        for argument in ("prior_scale", "learning_rate", "discriminator_learning_rate"):
            if getattr(self, argument) is not None:
                check_positive(argument, getattr(self, argument))
        if self.divergence_weight is not None:
            check_non_negative("divergence_weight", self.divergence_weight)
        check_integer("seed", self.seed, maximum=2**32 - 1)
        for argument in ("discriminator_units", "discriminator_learning_rate"):
            value = getattr(self, argument)
            if value is not None and self.divergence != "adversarial":
                raise ValueError(
                    f"Expected `{argument}` to be left out with divergence={self.divergence!r}, "
                    f"which has no discriminator. Received: {argument}={value!r}."
                )
