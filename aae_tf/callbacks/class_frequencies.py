"""A callback that tests whether predicted classes are as frequent as the class prior says."""

import math
import warnings
from typing import Any

import keras
import numpy as np

from aae_tf import data
from aae_tf.checks import check_dimension
from aae_tf.data.class_frequencies import frequency_contradiction
from aae_tf.evaluation import class_frequency_test
from aae_tf.models import ClassStyleAAE


class ClassFrequencies(keras.callbacks.Callback):
    """Tests at the end of epochs whether predicted classes are as frequent as the prior says.

    The aggregated posterior q(y), the mean of q(y|x) over held-out inputs, is compared with the
    class prior by `evaluation.class_frequency_test`. The numbers are added to the logs of every
    epoch; they are computed after the first and after every k-th one, and repeated in between.
    They are NaN where a prediction is not finite. Give this callback BEFORE `CSVLogger`,
    `TensorBoard` or `EarlyStopping`, which see logs in the order of `callbacks`.

    The class frequencies of early epochs differ from any prior, so the warning is raised at the
    end of training.

    Args:
        x: float [n, ...], held-out inputs, at least one. With 1,000 inputs and ten classes, chance
            alone gives a distance of 3%.
        every: k, in epochs.

    Attributes:
        x: float32, the inputs.

    Logs:
        `class_total_variation`: sum |q(y) - p(y)| / 2 over the classes, in [0, 1].
        `class_frequency_p_value`: in [0, 1], the probability that a sample of the prior is as far
            from it.

    Raises:
        TypeError: if an argument has the wrong type; from `fit`, if the model has no class prior.
        ValueError: if an argument is out of its domain; from `fit`, if `x` is not of the encoder's
            input shape.

    Warns:
        UserWarning: at the end of training, if the last p-value is below 0.001 and the distance at
            least 1%, as in `data.warn_class_frequencies`.

    Example:

    >>> from aae_tf import ClusteringAAE, networks, priors
    >>> model = ClusteringAAE(
    ...     networks.mlp_encoder((4,), units=(8,), seed=1), networks.mlp_decoder((4,), 4, (8,)),
    ...     style_prior=priors.gaussian(2), num_clusters=2, seed=0)
    >>> model.compile()
    >>> x = np.random.default_rng(0).random((64, 4), "float32")
    >>> callback = ClassFrequencies(x[44:])
    >>> history = model.fit(x[:44], epochs=2, verbose=0, callbacks=[callback]).history
    >>> len(history["class_total_variation"]), len(history["class_frequency_p_value"])
    (2, 2)
    """

    def __init__(self, x: Any, every: int = 1) -> None:
        super().__init__()
        self.every = check_dimension("every", every)
        self.x = data.check_array(x, "x")
        if not len(self.x):
            raise ValueError(
                f"Expected `x` to have at least one row. Received: x.shape={self.x.shape}."
            )
        self._numbers: dict[str, float] = {}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Checks the model."""
        if not isinstance(self.model, ClassStyleAAE):
            raise TypeError(
                "Expected ClassFrequencies to be given to the `fit` of a model of aae_tf with a "
                f"class prior. Received: model={self.model!r}."
            )
        data.check_array(self.x, "x", self.model.encoder.input_shape[1:])
        self._numbers = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Adds the numbers to `logs`."""
        if not self._numbers or (epoch + 1) % self.every == 0:
            distance = p_value = math.nan
            probabilities = self.model.classify(self.x)
            if np.isfinite(probabilities).all():
                test = class_frequency_test(probabilities, self.model.class_prior)
                distance, p_value = test.total_variation, test.p_value
            self._numbers = {"class_total_variation": distance, "class_frequency_p_value": p_value}
        if logs is not None:
            logs.update(self._numbers)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Warns if the class frequencies of the trained model differ from those of its prior."""
        probabilities = self.model.classify(self.x)
        if not np.isfinite(probabilities).all():
            return
        test = class_frequency_test(probabilities, self.model.class_prior)
        contradiction = frequency_contradiction(test.frequencies * len(self.x), test.prior)
        if contradiction:
            warnings.warn(
                f"The {len(self.x)} inputs of ClassFrequencies are given the {contradiction} "
                "Where the data have other frequencies than the prior, pass `class_prior="
                "priors.from_labels(labels, num_classes)` or balance them with "
                "`data.balance_classes`. Where they have not, the class code has not met its "
                "prior: train longer, or give `class_divergence` more weight.",
                UserWarning,
                stacklevel=2,
            )
