"""Matching a code to its prior by the squared maximum mean discrepancy."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors
from aae_tf.checks import check_choice
from aae_tf.divergences.divergence import Divergence
from aae_tf.divergences.terms import DivergenceTerms
from aae_tf.losses.weights import Weight


@keras.saving.register_keras_serializable(package="aae_tf")
class MMD(Divergence):
    """Lowers MMD^2 between codes and prior: no discriminator, no inner loop.

    MMD^2 = E_pp k - 2 E_qp k + E_qq k

    The prior's terms are exact where `aae_tf.mmd` has a closed form for the prior and the
    kernel, and estimated from one prior sample per code otherwise.

    Args:
        kernel: kernel of `tfp.math.psd_kernels`; None takes `mmd.default_kernel` of the prior, a
            sum of Gaussian kernels whose widths follow the prior's scale.
        estimator: "unbiased" (mean zero when q = p, so batches may give negative values) or
            "biased" (never negative).
        prior_terms: "closed_form" (sampled where no closed form exists) or "sampled".
        standardized: whether MMD^2 is divided by its standard deviation under q = p for the
            batch at hand, so that a value below 2 is noise whatever the kernel and the prior.
        weight: factor of MMD^2 in the encoder's loss: a number, zero or more, or a Keras schedule
            of the steps made. MMD^2 is at most 2 where k(z, z) = 1, while reconstruction losses
            count nats summed over features: weights of 10 to 1000 are normal.
        name: name of the layer.

    Logs:
        `<code>_divergence`: MMD^2 without unit, or in standard deviations if `standardized`.

    Raises:
        ValueError: if an argument is out of its range.
        TypeError: if `kernel` is not a positive semidefinite kernel of TensorFlow Probability.

    Example:

    >>> from aae_tf import priors
    >>> divergence = MMD(estimator="biased", weight=100.0)
    >>> divergence.connect(priors.gaussian(2), seed=0)
    >>> codes = priors.gaussian(2).sample(64, seed=[0, 1])
    >>> bool(divergence.compare(codes, seed=[0, 2]).encoder_loss < 0.05)
    True

    References:
        Gretton et al. 2012, lemma 6; Rustamov 2019, arXiv:1901.03227; Tolstikhin et al. 2018
        (WAE-MMD).
    """

    def __init__(
        self,
        kernel: tfp.math.psd_kernels.PositiveSemidefiniteKernel | None = None,
        estimator: str = "unbiased",
        prior_terms: str = "closed_form",
        standardized: bool = False,
        weight: Weight = 100.0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight=weight, name=name, **kwargs)
        if kernel is not None and not isinstance(
            kernel, tfp.math.psd_kernels.PositiveSemidefiniteKernel
        ):
            raise TypeError(
                "Expected `kernel` to be a kernel of tfp.math.psd_kernels or None. "
                f"Received: kernel={kernel!r}."
            )
        self.kernel = kernel
        self.estimator = check_choice("estimator", estimator, ("unbiased", "biased"))
        self.prior_terms = check_choice("prior_terms", prior_terms, ("closed_form", "sampled"))
        if not isinstance(standardized, bool):
            raise TypeError(
                f"Expected `standardized` to be a bool. Received: standardized={standardized!r}."
            )
        self.standardized = standardized

    def prepare(self, prior: tfp.distributions.Distribution, seed: int) -> None:
        """Chooses the kernel if none was given, and computes what depends on the prior alone."""
        if self.standardized and self.num_classes is not None:
            raise ValueError(
                "Expected `standardized` to be False where labels guide the codes: the noise is "
                f"known without them only. Received: standardized=True, "
                f"num_classes={self.num_classes}."
            )
        kernel = mmd.default_kernel(prior) if self.kernel is None else self.kernel
        self._closed_form = self.prior_terms == "closed_form" and mmd.has_mean_embedding(
            prior, kernel
        )
        self._null_variance = mmd.null_variance(prior, kernel) if self.standardized else None
        self.kernel = kernel

    def compare(
        self,
        codes: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        training: bool = False,
        labels: tf.Tensor | None = None,
        real: tf.Tensor | None = None,
    ) -> DivergenceTerms:
        """Estimates MMD^2; `seed` matters where the prior is sampled."""
        if real is None and self._closed_form:
            if labels is None:
                value = mmd.squared_mmd(
                    codes, self.prior, self.kernel, self.estimator, weights=sample_weight
                )
            else:
                value = mmd.squared_mmd_given_labels(
                    codes, labels, self.prior, self.kernel, self.estimator, weights=sample_weight
                )
        else:
            # The rows of the batch come first, since the weights are theirs.
            rows, others = (
                (codes, self.sample_prior(codes, seed, labels)) if real is None else (real, codes)
            )
            value = mmd.squared_mmd_two_samples(
                rows, others, self.kernel, self.estimator, x_weights=sample_weight, labels=labels
            )
        if self._null_variance is not None:
            value *= _inverse_noise(codes, sample_weight) / self._null_variance**0.5
        return DivergenceTerms(value)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; the kernel as it is in use."""
        return {
            **super().get_config(),
            "kernel": None if self.kernel is None else priors.serialize(self.kernel),
            "estimator": self.estimator,
            "prior_terms": self.prior_terms,
            "standardized": self.standardized,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Divergence:
        """Builds the divergence from what `get_config` returned."""
        kernel = config["kernel"]
        return super().from_config(
            {**config, "kernel": None if kernel is None else priors.deserialize(kernel)}
        )


def _inverse_noise(codes: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
    """Gives 1 / s, where the unbiased MMD^2 has standard deviation s sqrt(V) under q = p.

    It averages over pairs i != j with mass w_i w_j, so s^2 = 2 sum w_i^2 w_j^2 / (sum w_i w_j)^2.
    """
    weight = tf.ones_like(codes[:, 0]) if sample_weight is None else sample_weight
    first, second, fourth = (tf.reduce_sum(weight**power) for power in (1, 2, 4))
    pairs, squared_pairs = first**2 - second, second**2 - fourth
    return tf.math.divide_no_nan(pairs, tf.sqrt(2.0 * squared_pairs))
