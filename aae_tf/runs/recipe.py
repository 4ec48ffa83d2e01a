"""The recipe of a training: a frozen dataclass of the model, its data and its training."""

import dataclasses
import functools
from typing import Any

from aae_tf.checks import (
    check_dimension,
    check_integer,
    check_non_negative,
    check_positive,
    check_rate,
    check_sizes,
)
from aae_tf.runs.settings import check_value, setting
from aae_tf.runs.variants import (
    VARIANTS,
    WITH_DIVERGENCE,
    WITH_ENCODER,
    WITH_FEW_LABELS,
    WITH_STYLE,
    WITHOUT_STYLE,
    check_compatible,
)

# Names that arguments of other packages take, repeated so that a wrong one is refused before
# TensorFlow is imported, which takes seconds.
POSTERIORS = ("deterministic", "gaussian", "universal")
DIVERGENCES = ("adversarial", "mmd", "energy", "sliced")
SCHEDULES = ("joint", "alternating")
RECONSTRUCTION_LOSSES = ("half_squared_error", "bernoulli")
PRIORS = ("gaussian", "ring_mixture", "swiss_roll", "uniform")
NETWORKS = ("mlp", "conv", "conv1d", "recurrent")
ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "tanh")
OPTIMIZERS = ("adam", "sgd")
LEARNING_RATE_SCHEDULES = ("constant", "linear", "step")
# Policies by the names that Keras gives them, with "_"; see docs/precision.md.
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

# Headings of `aae-tf train --help`.
DATA, MODEL, TRAINING = "Data", "What to train", "How to train it"

_seed = functools.partial(check_integer, maximum=2**32 - 1)
_clusters = functools.partial(check_integer, minimum=2)


def _share(argument: str, value: Any) -> float:
    """Returns `value` if it lies in (0, 1)."""
    return check_rate(argument, check_positive(argument, value))


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A model, its data and its training.

    Each field below states its meaning, the models that use it, and its domain;
    `aae-tf recipes NAME` prints its meaning beside its value in a named recipe. A term of weight 0
    is left out of the model.

    Raises:
        TypeError, ValueError: if a value is out of its domain, if values do not fit together, or
            if one is set that the model does not use.
    """

    data: str = setting(
        "digits",
        "'digits' (bundled), or a prepared data set of TensorFlow Datasets, such as 'mnist'; "
        "TFDS_DATA_DIR says where they are; or your own: FILE.csv, FILE.parquet, FILE.npy, "
        "FILE.npz, a pattern of tables, or a folder of images",
        panel=DATA,
    )
    label_column: str | None = setting(
        None, "column of a table that holds labels; by default there are none", panel=DATA
    )
    exclude_columns: str | None = setting(
        None, "columns of a table that are left out, with commas between them", panel=DATA
    )
    column_kinds: str | None = setting(
        None,
        "kinds of columns in place of those inferred: port=categorical,age=numeric; others are "
        "count, boolean and date",
        panel=DATA,
    )
    time_column: str | None = setting(
        None,
        "column of times of a table whose rows are the steps of one time series: windows of it are "
        "the inputs, and the splits follow each other",
        models=WITHOUT_STYLE,
        panel=DATA,
    )
    window: int = setting(32, "steps of a window of a time series", check_dimension, panel=DATA)
    stride: int = setting(
        1, "steps from one window to the next, but in validation", check_dimension, panel=DATA
    )
    largest_gap: float | None = setting(
        None,
        "distance of two steps across which no window is cut, in seconds or in the units of the "
        "times; by default 1.5 times the median",
        check_positive,
    )
    validation: float | None = setting(
        None,
        "share of the rows, or of the train split, held out in training; by default a sixth; 0 "
        "trains on all",
        check_rate,
        panel=DATA,
    )
    test: float | None = setting(
        None,
        "share of the rows of files that is the test split; by default a sixth",
        _share,
        panel=DATA,
    )
    labels: int | None = setting(
        None,
        "training labels kept, the same number of each class; by default all",
        check_integer,
        models=WITH_FEW_LABELS,
        panel=DATA,
        none="all",
    )
    labelled_batch: int | None = setting(
        None,
        "labelled images in a step, beside the unlabelled ones, or all where fewer are kept; by "
        "default 100",
        check_dimension,
        models=WITH_FEW_LABELS,
        panel=DATA,
    )
    unlabelled_batch: int | None = setting(
        None,
        "unlabelled images in such a step; by default batch_size",
        check_dimension,
        models=WITH_FEW_LABELS,
        panel=DATA,
    )
    model: str = setting("aae", "the variant of the family", choices=tuple(VARIANTS), panel=MODEL)
    task: str | None = setting(
        None,
        "anomaly: rows of the largest class train, and a detector is calibrated on those of the "
        "validation split",
        choices=("anomaly",),
        models=WITH_ENCODER,
        panel=MODEL,
    )
    false_alarm_rate: float = setting(
        0.01,
        "share of normal rows that the detector of task anomaly may call anomalies, in (0, 1)",
        _share,
        models=WITH_ENCODER,
        panel=MODEL,
    )
    prior: str = setting("gaussian", "what codes are drawn to", choices=PRIORS, panel=MODEL)
    prior_scale: float = setting(
        1.0,
        "standard deviation of gaussian; of ring_mixture along the radius; a sixth of the outer "
        "radius of swiss_roll; half the width of uniform",
        check_positive,
        panel=MODEL,
    )
    ring_radius: float = setting(
        4.0, "radius of ring_mixture, in units of prior_scale", check_positive, panel=MODEL
    )
    code_dim: int = setting(
        8,
        "numbers in a code; in its style where there is a class beside it",
        check_dimension,
        panel=MODEL,
    )
    clusters: int | None = setting(
        None,
        "number of clusters; by default that of the classes",
        _clusters,
        models=("clustering", "embedding"),
        panel=MODEL,
    )
    posterior: str = setting(
        "deterministic",
        "how an input gets its code",
        choices=POSTERIORS,
        models=WITH_ENCODER,
        panel=MODEL,
    )
    normalize_codes: bool = setting(
        False,
        "give codes the prior's mean and deviation, by batch normalisation",
        models=WITH_ENCODER,
        panel=MODEL,
    )
    divergence: str = setting(
        "adversarial",
        "what draws codes to the prior: a discriminator; or the maximum mean discrepancy, the "
        "energy distance, or that of all slices",
        choices=DIVERGENCES,
        models=WITH_DIVERGENCE,
        panel=MODEL,
    )
    divergence_weight: float | None = setting(
        None,
        "its factor in the loss; by default 1 for adversarial, 100 for mmd and sliced, 10 for "
        "energy",
        check_non_negative,
        models=WITH_DIVERGENCE,
        panel=MODEL,
    )
    match_within_classes: bool = setting(
        False,
        "match the codes of each class to the prior, and not only all together",
        models=("supervised",),
        panel=MODEL,
    )
    class_divergence: str = setting(
        "adversarial",
        "the same for the class beside a style; none leaves it unmatched",
        choices=(*DIVERGENCES, "none"),
        models=WITH_STYLE,
        panel=MODEL,
    )
    class_divergence_weight: float | None = setting(
        None, "its factor in the loss, as divergence_weight", check_non_negative, models=WITH_STYLE
    )
    class_divergence_start: float = setting(
        0.0, "share of the training before it counts, in [0, 1)", check_rate, models=WITH_STYLE
    )
    network: str = setting(
        "mlp",
        "kind of encoder and decoder; of a time series conv1d, the default there, or recurrent",
        choices=NETWORKS,
        panel=MODEL,
    )  # fmt: skip
    units: tuple[int, ...] | None = setting(
        None,
        "widths of the encoder's dense layers, which the decoder mirrors; by default 1000,1000 "
        "for mlp, 256 for conv, 64 for a time series",
        check_sizes,
        panel=MODEL,
    )
    discriminator_units: tuple[int, ...] | None = setting(
        None,
        "widths of the discriminators' layers; by default 1000,1000, of a table or a time series "
        "256,256",
        check_sizes,
        models=WITH_DIVERGENCE,
        panel=MODEL,
    )
    activation: str = setting(
        "relu", "of the encoder's hidden layers", choices=ACTIVATIONS, models=WITH_ENCODER
    )
    decoder_activation: str = setting(
        "relu", "of the decoder's hidden layers", choices=ACTIVATIONS
    )  # fmt: skip
    batch_normalization: bool = setting(
        False,
        "normalise the encoder's hidden layers over the batch",
        models=WITH_ENCODER,
        panel=MODEL,
    )
    input_noise: float = setting(
        0.0,
        "standard deviation of the noise on the inputs in training",
        check_non_negative,
        models=WITH_ENCODER,
    )
    dropout: float = setting(
        0.0,
        "share of the inputs set to zero in training, in [0, 1)",
        check_rate,
        models=WITH_ENCODER,
    )
    shift: float = setting(
        0.0,
        "largest shift of images in training, as a share of their sides, in [0, 1); the decoder "
        "reconstructs them as they were",
        check_rate,
        models=WITH_ENCODER,
    )
    rotation: float = setting(
        0.0,
        "largest rotation of images in training, degrees",
        check_non_negative,
        models=WITH_ENCODER,
    )
    decoder_input_noise: float = setting(
        0.0,
        "standard deviation of the noise on the codes that the decoder gets in training",
        check_non_negative,
    )
    classification_weight: float = setting(
        1.0,
        "factor of the cross-entropy where labels are known",
        check_non_negative,
        models=("semi-supervised", "embedding"),
    )
    consistency_weight: float = setting(
        0.0,
        "factor of the virtual adversarial term of q(y|x)",
        check_non_negative,
        models=WITH_STYLE,
    )
    consistency_weight_end: float | None = setting(
        None,
        "that factor at the end of the training, to which it moves in a line; by default it stays",
        check_non_negative,
        models=WITH_STYLE,
    )
    consistency_radius: float = setting(
        1.5,
        "length of the virtual adversarial change, in units of the inputs",
        check_positive,
        models=WITH_STYLE,
    )
    consistency_difference: float = setting(
        1.0, "length of the step that finds its direction", check_positive, models=WITH_STYLE
    )
    consistency_iterations: int = setting(
        1, "number of such steps", check_dimension, models=WITH_STYLE
    )
    information_weight: float = setting(
        0.0, "factor of the information of x about its class", check_non_negative, models=WITH_STYLE
    )
    information_weight_end: float | None = setting(
        None,
        "that factor at the end of the training, to which it moves in a line; by default it stays",
        check_non_negative,
        models=WITH_STYLE,
    )
    information_marginal: float = setting(
        4.0, "weight of the classes' even use within it", check_non_negative, models=WITH_STYLE
    )
    heads_scale: float | None = setting(
        None,
        "fixes the heads of clusters at this factor times the identity; by default they learn",
        check_positive,
        models=("embedding",),
    )
    head_distance: float = setting(
        5.0, "distance below which learned heads repel", check_positive, models=("embedding",)
    )
    head_weight: float = setting(
        1.0, "factor of the shortfall of that distance", check_non_negative, models=("embedding",)
    )
    kl_weight: float = setting(
        1.0, "factor of the KL divergence", check_non_negative, models=("vae",)
    )
    reconstruction_loss: str = setting(
        "half_squared_error",
        "nats, summed over pixels",
        choices=RECONSTRUCTION_LOSSES,
        models=WITH_ENCODER,
        panel=TRAINING,
    )
    reconstruction_weight: float = setting(
        1.0, "its factor in the loss", check_non_negative, models=WITH_ENCODER, panel=TRAINING
    )
    epochs: int = setting(20, "passes over the training images", check_dimension, panel=TRAINING)
    batch_size: int = setting(100, "images in a step", check_dimension, panel=TRAINING)
    starts: int = setting(
        1,
        "short trainings from different weights, of which the one of the lowest training loss "
        "goes on",
        check_dimension,
        panel=TRAINING,
    )
    start_epochs: int = setting(
        2, "epochs of each, the first ones of the training", check_dimension, panel=TRAINING
    )
    decoder_fit_steps: int = setting(
        0,
        "steps after the training that fit the decoder to its own prior samples, by implicit "
        "maximum likelihood",
        check_integer,
        models=("aae", "vae"),
    )
    optimizer: str = setting("adam", "of all networks", choices=OPTIMIZERS, panel=TRAINING)
    learning_rate: float = setting(1e-3, "for encoder and decoder", check_positive, panel=TRAINING)
    momentum: float = setting(0.9, "of sgd; beta_1 of adam", check_rate)
    discriminator_learning_rate: float | None = setting(
        None,
        "for the discriminators; by default a tenth of learning_rate",
        check_positive,
        models=WITH_DIVERGENCE,
        panel=TRAINING,
    )
    discriminator_momentum: float | None = setting(
        None, "for the discriminators; by default momentum", check_rate, models=WITH_DIVERGENCE
    )
    regularization_learning_rate: float | None = setting(
        None,
        "for the encoder's own step of the alternating schedule; by default learning_rate",
        check_positive,
        models=WITH_DIVERGENCE,
    )
    regularization_momentum: float | None = setting(
        None, "for that step; by default momentum", check_rate, models=WITH_DIVERGENCE
    )
    learning_rate_schedule: str = setting(
        "constant",
        "constant, linear to zero over the training, or a tenth after each of learning_rate_steps",
        choices=LEARNING_RATE_SCHEDULES,
        panel=TRAINING,
    )
    learning_rate_steps: tuple[int, ...] | None = setting(
        None, "epochs after which step divides all rates by ten; by default 50,1000", check_sizes
    )
    schedule: str = setting(
        "joint",
        "one update of everything from one encoder pass, or the paper's phases",
        choices=SCHEDULES,
        models=WITH_DIVERGENCE,
        panel=TRAINING,
    )
    steps_per_execution: int = setting(
        1,
        "steps in one call of the compiled function: more is faster for small models",
        check_dimension,
        panel=TRAINING,
    )
    precision: str = setting(
        "float32",
        "what hidden layers compute in; weights, losses, codes and exports stay float32",
        choices=PRECISIONS,
        panel=TRAINING,
    )
    seed: int = setting(0, "fixes everything random", _seed, panel=TRAINING)

    def __post_init__(self) -> None:
        fields, values = dataclasses.fields(self), vars(self)
        for field in fields:
            check_value(field, values[field.name])
        check_compatible(fields, values)

    @classmethod
    def from_json(cls, options: dict[str, Any]) -> "Recipe":
        """Builds a recipe from `dataclasses.asdict` of one, also of one that had fewer fields."""
        # JSON has lists in place of tuples.
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in options.items()
        }
        return cls(**values)
