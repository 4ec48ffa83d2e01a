"""Vectors of independent scalars under kernels that are products over coordinates.

A rule for a class of scalar distributions takes the last axis of their batch shape as the
coordinates of a vector: `tfd.Normal` of batch shape [d] stands for its product over [d].
"""

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, Kernel
from aae_tf.mmd.fourier_features import FourierFeatures
from aae_tf.mmd.product_kernels import CoordinateProduct
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, embed

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


def _independent(distribution: Distribution, kernel: Kernel) -> MeanEmbedding:
    # Either the coordinates are the base's last batch axis, or the base is a vector already.
    return embed(distribution.distribution, kernel)


def _sample(distribution: Distribution, kernel: Kernel) -> MeanEmbedding:
    base = distribution.distribution
    if base.event_shape.rank == 1:
        return embed(base, kernel)
    shape = distribution.batch_shape + distribution.event_shape
    parameters = {
        name: tf.convert_to_tensor(getattr(base, name))[..., tf.newaxis]
        for name, properties in base.parameter_properties().items()
        if base.parameters[name] is not None
        and properties.is_tensor
        and properties.event_ndims == 0
    }
    coordinates = base.copy(
        **{name: tf.broadcast_to(value, shape) for name, value in parameters.items()}
    )
    if coordinates.batch_shape != shape:
        raise NotImplementedError(
            "Expected the parameters of a scalar distribution to be scalars. "
            f"Received: distribution={distribution!r}."
        )
    return embed(coordinates, kernel)


for _kind in (psd_kernels.ExponentiatedQuadratic, CoordinateProduct, FourierFeatures):
    RegisterMeanEmbedding(tfd.Independent, _kind)(_independent)
    RegisterMeanEmbedding(tfd.Sample, _kind)(_sample)
