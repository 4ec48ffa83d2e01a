"""TensorFlow's fused kernels for the updates of Adam, AdamW and SGD."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf


@contextlib.contextmanager
def fused_updates(
    optimizer: keras.optimizers.Optimizer, rate: tf.Tensor | None = None
) -> Iterator[None]:
    """Makes `optimizer.apply` update each variable by one fused kernel, within this context.

    Keras composes an update of operations that each read and write whole arrays: ten passes and
    more for Adam. TensorFlow's own kernels for Adam, AdamW and SGD do the same arithmetic in one
    pass. All else that `apply` does (clipping, decay, accumulation, averages, replicas) stays with
    Keras; so do other optimizers, subclasses, AMSGrad and sparse gradients.

    Args:
        optimizer: built; no wrapper of another one.
        rate: float32 scalar that multiplies its learning rate, or one for each of its variables,
            [n]; None is 1.

    Yields:
        None.
    """
    kernel = None if getattr(optimizer, "amsgrad", False) else _KERNELS.get(type(optimizer))
    if kernel is None and rate is None:
        yield
        return
    own = type(optimizer).update_step.__get__(optimizer)

    def update_step(gradient: Any, variable: tf.Variable, learning_rate: Any) -> None:
        if rate is not None:
            own_rate = rate[optimizer._get_variable_index(variable)] if rate.shape.rank else rate
            learning_rate = tf.cast(own_rate, learning_rate.dtype) * learning_rate
        if kernel is None or isinstance(gradient, tf.IndexedSlices):
            own(gradient, variable, learning_rate)
        else:
            dtype = variable.dtype
            kernel(optimizer, tf.cast(gradient, dtype), variable, tf.cast(learning_rate, dtype))

    # The threads of replicas enter and leave in turns; each sets it anew before its `apply`.
    vars(optimizer)["update_step"] = update_step
    try:
        yield
    finally:
        vars(optimizer).pop("update_step", None)


Kernel = Callable[[Any, tf.Tensor, tf.Variable, tf.Tensor], None]


def _adam(optimizer: Any, gradient: tf.Tensor, variable: tf.Variable, rate: tf.Tensor) -> None:
    index = optimizer._get_variable_index(variable)
    step = tf.cast(tf.convert_to_tensor(optimizer.iterations) + 1, variable.dtype)
    beta_1, beta_2 = (tf.cast(b, variable.dtype) for b in (optimizer.beta_1, optimizer.beta_2))
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=optimizer._momentums[index].value.handle,
        v=optimizer._velocities[index].value.handle,
        beta1_power=tf.pow(beta_1, step),
        beta2_power=tf.pow(beta_2, step),
        lr=rate,
        beta1=beta_1,
        beta2=beta_2,
        epsilon=tf.cast(optimizer.epsilon, variable.dtype),
        grad=gradient,
    )


def _sgd(optimizer: Any, gradient: tf.Tensor, variable: tf.Variable, rate: tf.Tensor) -> None:
    if optimizer.momentum == 0:
        tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
        return
    index = optimizer._get_variable_index(variable)
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle,
        accum=optimizer.momentums[index].value.handle,
        lr=rate,
        grad=gradient,
        momentum=tf.cast(optimizer.momentum, variable.dtype),
        use_nesterov=optimizer.nesterov,
    )


_KERNELS: dict[type, Kernel] = {
    keras.optimizers.Adam: _adam,
    keras.optimizers.AdamW: _adam,
    keras.optimizers.SGD: _sgd,
}
