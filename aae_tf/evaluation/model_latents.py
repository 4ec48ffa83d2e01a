"""The latents of a model over what they are drawn to."""

from typing import Any

from matplotlib.figure import Figure

from aae_tf.evaluation.latent_scatter import latent_scatter
from aae_tf.models import BaseAAE, EmbeddingAAE


def model_latents(model: BaseAAE, x: Any, labels: Any | None = None) -> Figure:
    """Draws what a model encodes inputs to, see `latent_scatter`.

    Latents are drawn over the contours of their prior. An embedding, the sum of a head and a style,
    has none of its own: its heads are drawn.

    Args:
        model: model with an encoder.
        x: float [n, ...], inputs.
        labels: integer [n], -1 where unknown; None draws one colour.

    Returns:
        Figure; its first axes show the latents.

    Raises:
        TypeError, ValueError: as `model.encode` and `latent_scatter`.

    Example:

    >>> import numpy as np
    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model_latents(model, np.zeros((3, 4), "float32")).axes[0].get_xlabel()
    'latent 1'
    """
    codes = model.encode(x)
    if isinstance(model, EmbeddingAAE):
        return latent_scatter(codes, labels, heads=model.cluster_heads)
    return latent_scatter(codes, labels, model.latent_prior)
