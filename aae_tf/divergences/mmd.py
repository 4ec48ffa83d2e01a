"""The squared maximum mean discrepancy between codes and their prior, as a divergence."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors
from aae_tf.checks import check_bool, check_choice, check_dimension
from aae_tf.divergences.divergence import FEW_FEATURES, Divergence, DivergenceTerms
from aae_tf.losses.weights import Weight
from aae_tf.mmd.arguments import check_widths
from aae_tf.mmd.null_distribution import inverse_noise
from aae_tf.priors.prior_moments import prior_moments

_TERMS = ("closed_form", "sampled")

# Keras loads saved kernels by these names; `aae_tf.mmd` itself does not import Keras.
for _kernel_class in (
    mmd.BlockProduct,
    mmd.CoordinateProduct,
    mmd.Energy,
    mmd.FourierFeatures,
    mmd.SlicedGaussian,
):
    keras.saving.register_keras_serializable(package="aae_tf")(_kernel_class)


@keras.saving.register_keras_serializable(package="aae_tf")
class MMD(Divergence):
    """Minimises MMD^2 between codes and prior, without a discriminator.

        MMD^2 = E_pp k - 2 E_qp k + E_qq k

    The prior's terms are exact where `aae_tf.mmd` has a closed form for the prior and the
    kernel, and estimated from one prior sample per code otherwise. The codes' terms are averages
    over pairs of codes, or exact integrals over the Gaussians that the inputs are encoded to.

    Args:
        kernel: kernel of `tfp.math.psd_kernels`; None takes `mmd.default_kernel` of the prior, a
            sum of Gaussian kernels whose widths follow the prior's scale. `mmd.Energy()` makes
            the energy distance, for codes that start far from the prior.
        estimator: "unbiased" (mean zero when q = p, so that batches may have negative values),
            "biased" (never negative), or "linear" (unbiased, over disjoint pairs of codes alone:
            for very large batches, with more noise).
        prior_terms: "closed_form" (sampled where no closed form exists) or "sampled".
        posterior_terms: "sampled" (from one code per input) or "closed_form", without the noise
            of sampled codes: for models with a `posteriors.Gaussian`, priors that are Gaussians
            or mixtures of them, and Gaussian kernels or sums of them; see
            `mmd.squared_mmd_of_gaussians`, also for the memory it takes. The decoder receives a
            sample in either case.
        standardized: whether MMD^2 is divided by its standard deviation under q = p for the
            size and weights of the batch, so that a value below 2 is noise for any kernel and
            prior. For the unbiased estimator of sampled codes.
        num_features: number of random Fourier features that approximate the kernel, even; None
            takes the kernel itself. For batches of thousands of codes: time and memory become
            linear in the batch. See `mmd.FourierFeatures`; not with labels, nor with
            `posterior_terms="closed_form"`.
        weight: factor of MMD^2 in the encoder's loss: a number, zero or more, or a Keras schedule
            of the number of training steps. MMD^2 is at most 2 where k(z, z) = 1, while
            reconstruction losses are summed over features: None follows their number, see
            `default_weight`.
        name: name of the layer.

    Logs:
        `<code>_divergence`: MMD^2 without unit, or in standard deviations if `standardized`.

    Raises:
        ValueError: if an argument is out of its range, or two contradict each other; by `connect`,
            if prior, kernel, posterior or labels do not support the arguments.
        TypeError: if `kernel` is not a positive semidefinite kernel of TensorFlow Probability.

    Example:

    >>> from aae_tf import priors
    >>> divergence = MMD(estimator="biased", weight=100.0)
    >>> divergence.connect(priors.gaussian(2), seed=0)
    >>> codes = priors.gaussian(2).sample(64, seed=[0, 1])
    >>> bool(divergence.compare(codes, seed=[0, 2]).encoder_loss < 0.05)
    True

    References:
        Gretton et al. 2012, lemmas 6 and 14; Rustamov 2019, arXiv:1901.03227; Tolstikhin et al.
        2018 (WAE-MMD).
    """

    def __init__(
        self,
        kernel: tfp.math.psd_kernels.PositiveSemidefiniteKernel | None = None,
        estimator: str = "unbiased",
        prior_terms: str = "closed_form",
        posterior_terms: str = "sampled",
        standardized: bool = False,
        num_features: int | None = None,
        weight: Weight | None = None,
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
        if kernel is not None:
            check_widths(kernel)
        self.kernel = kernel
        self.estimator = check_choice("estimator", estimator, ("unbiased", "biased", "linear"))
        self.prior_terms = check_choice("prior_terms", prior_terms, _TERMS)
        self.posterior_terms = check_choice("posterior_terms", posterior_terms, _TERMS)
        if prior_terms == "sampled" and posterior_terms == "closed_form":
            raise ValueError(
                "Expected `prior_terms` to be 'closed_form' where the posterior's terms are. "
                "Received: prior_terms='sampled', posterior_terms='closed_form'."
            )
        check_bool("standardized", standardized)
        if standardized and (estimator != "unbiased" or posterior_terms != "sampled"):
            raise ValueError(
                "Expected `standardized` to be False but for the unbiased estimator of sampled "
                "codes, whose noise is known. Received: standardized=True, "
                f"estimator={estimator!r}, posterior_terms={posterior_terms!r}."
            )
        self.standardized = standardized
        if num_features is not None:
            check_dimension("num_features", num_features)
            if posterior_terms == "closed_form":
                raise ValueError(
                    "Expected `num_features` to be None where the posterior's terms are closed "
                    f"forms. Received: num_features={num_features}, posterior_terms='closed_form'."
                )
        self.num_features = num_features

    def default_weight(self, num_features: int) -> float:
        """Gives 100 for up to 1,000 features, and for more a tenth of their number.

        A tenth of this for `mmd.Energy`, whose values are about ten times as large where codes
        differ little from a prior of scale 1, and grow with its scale.
        """
        most = 10.0 if isinstance(self.kernel, mmd.Energy) else 100.0
        return most * max(1.0, num_features / FEW_FEATURES)

    @property
    def uses_posterior(self) -> bool:
        """Whether `posterior_terms` is "closed_form"."""
        return self.posterior_terms == "closed_form"

    @property
    def min_rows(self) -> int:
        """Two, of which the estimator makes a pair; one for the biased estimator."""
        return 1 if self.estimator == "biased" else 2

    def prepare(self, prior: tfp.distributions.Distribution, seed: int) -> None:
        """Chooses the kernel if none was passed, and computes what depends on the prior alone."""
        if self.standardized and self.num_classes is not None:
            raise ValueError(
                "Expected `standardized` to be False where labels guide the codes: the noise is "
                f"known without them only. Received: standardized=True, "
                f"num_classes={self.num_classes}."
            )
        if self.estimator == "linear" and self.num_classes is not None:
            raise ValueError(
                "Expected `estimator` to be 'unbiased' or 'biased' where labels guide the codes. "
                f"Received: estimator='linear', num_classes={self.num_classes}."
            )
        if self.num_features is not None and self.num_classes is not None:
            raise ValueError(
                "Expected `num_features` to be None where labels guide the codes. Received: "
                f"num_features={self.num_features}, num_classes={self.num_classes}."
            )
        kernel = mmd.default_kernel(prior) if self.kernel is None else self.kernel
        if isinstance(kernel, mmd.SlicedGaussian) and kernel.length_scale is None:
            _, deviations = prior_moments(prior)
            kernel = mmd.SlicedGaussian(float(np.mean(deviations**2) ** 0.5))
        if self.uses_posterior:
            self._check_posterior_terms(prior, kernel)
        compared = kernel
        if self.num_features is not None:
            compared = mmd.FourierFeatures(kernel, prior.event_shape[0], self.num_features, seed)
        self._closed_form = self.prior_terms == "closed_form" and mmd.has_mean_embedding(
            prior, compared
        )
        self._null_variance = mmd.null_variance(prior, compared) if self.standardized else None
        self.kernel, self._compared_kernel = kernel, compared

    def _check_posterior_terms(
        self,
        prior: tfp.distributions.Distribution,
        kernel: tfp.math.psd_kernels.PositiveSemidefiniteKernel,
    ) -> None:
        if not self.has_gaussian_posterior:
            raise ValueError(
                "Expected `posterior_terms` to be 'sampled' for a code that is not drawn from a "
                "posteriors.Gaussian. Received: posterior_terms='closed_form'."
            )
        if self.num_classes is not None:
            raise ValueError(
                "Expected `posterior_terms` to be 'sampled' where labels guide the codes. "
                f"Received: posterior_terms='closed_form', num_classes={self.num_classes}."
            )
        two = tf.zeros([2, prior.event_shape[0]])
        try:
            mmd.squared_mmd_of_gaussians(two, two, prior, kernel)
        except NotImplementedError as error:
            raise ValueError(
                "Expected `posterior_terms` to be 'sampled' where prior and kernel have no closed "
                f"form. Received: posterior_terms='closed_form'. {error}"
            ) from error

    def compare(
        self,
        codes: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        training: bool = False,
        labels: tf.Tensor | None = None,
        real: tf.Tensor | None = None,
        posterior: dict[str, tf.Tensor] | None = None,
    ) -> DivergenceTerms:
        """Estimates MMD^2; `seed` fixes the samples of the prior, if it is sampled."""
        if posterior is not None:
            value = mmd.squared_mmd_of_gaussians(
                posterior["mean"],
                tf.exp(posterior["log_variance"]),
                self.prior,
                self.kernel,
                self.estimator,
                weights=sample_weight,
            )
        elif real is None and self._closed_form:
            if labels is None:
                value = mmd.squared_mmd(
                    codes, self.prior, self._compared_kernel, self.estimator, weights=sample_weight
                )
            else:
                value = mmd.squared_mmd_given_labels(
                    codes, labels, self.prior, self.kernel, self.estimator, weights=sample_weight
                )
        else:
            # The weighted rows are the first argument: `real` where that is passed, else codes.
            rows, others = (
                (codes, self.sample_prior(codes, seed, labels)) if real is None else (real, codes)
            )
            value = mmd.squared_mmd_two_samples(
                rows,
                others,
                self._compared_kernel,
                self.estimator,
                x_weights=sample_weight,
                labels=labels,
            )
        if self._null_variance is not None:
            value *= inverse_noise(codes, sample_weight) / self._null_variance**0.5
        return DivergenceTerms(value)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, with the kernel that is in use."""
        return {
            **super().get_config(),
            "kernel": None if self.kernel is None else priors.serialize(self.kernel),
            "estimator": self.estimator,
            "prior_terms": self.prior_terms,
            "posterior_terms": self.posterior_terms,
            "standardized": self.standardized,
            "num_features": self.num_features,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Divergence:
        """Builds the divergence from what `get_config` returned."""
        kernel = config["kernel"]
        return super().from_config(
            {**config, "kernel": None if kernel is None else priors.deserialize(kernel)}
        )
