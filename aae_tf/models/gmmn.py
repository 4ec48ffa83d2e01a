"""The generative moment matching network, a baseline without encoder and adversary."""

from typing import Any

import keras
import tensorflow_probability as tfp

from aae_tf import divergences
from aae_tf.models.gan import GAN


@keras.saving.register_keras_serializable(package="aae_tf")
class GMMN(GAN):
    """A decoder whose samples are matched to the data by the sampled MMD.

    Each step draws z ~ p(z) and lowers weight * MMD^2 between decoder(z) and the batch of data,
    both flattened. A large batch helps: the estimate's noise is the price of having no
    discriminator.

    Args:
        decoder: built Keras model from codes [batch, code_dim] to outputs [batch, ...].
        prior: any tfd.Distribution with event_shape [code_dim] and no batch shape.
        divergence: "mmd", "energy", "sliced", a `divergences.MMD`, or several of these. The prior's
            terms are always those of the data at hand. A default kernel is made for values in
            [0, 1].
        seed: non-negative integer that fixes prior samples; None draws anew.
        name: name of the model.
        **kwargs: `extra_terms`, a list of `losses.LossTerm`, see `BaseModel`; and `dtype`.

    Inputs:
        inputs: float [batch, ...], of the decoder's output shape. Labels beside them are ignored.
        Calling the model decodes codes [batch, code_dim].

    Returns:
        float [batch, ...]: decoded codes.

    Logs:
        `loss`, and `sample_divergence`, MMD^2 without unit.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> from aae_tf import networks, priors
    >>> model = GMMN(networks.mlp_decoder((4,), code_dim=2, units=(16,), seed=2),
    ...              prior=priors.uniform(2, low=-1.0, high=1.0), seed=0)
    >>> model.compile()
    >>> history = model.fit(np.random.default_rng(0).random((60, 4)), verbose=0)
    >>> sorted(history.history)
    ['loss', 'sample_divergence', 'skipped_updates']

    References:
        Li, Swersky and Zemel 2015, *Generative Moment Matching Networks*, section 4. Differs: the
        loss is MMD^2, not its root.
    """

    def __init__(
        self,
        decoder: keras.Model,
        prior: tfp.distributions.Distribution,
        divergence: divergences.Identifier = "mmd",
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        divergence = divergences.get(divergence)
        several = divergence.values() if isinstance(divergence, dict) else [divergence]
        if not all(isinstance(each, divergences.MMD) for each in several):
            raise TypeError(
                "Expected `divergence` to be 'mmd' or another divergences.MMD, or several. "
                f"Received: divergence={divergence!r}."
            )
        super().__init__(decoder, prior, divergence, seed=seed, name=name, **kwargs)
