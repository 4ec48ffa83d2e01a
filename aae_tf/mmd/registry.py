"""Mean embeddings: their interface, the registry of rules that make them, constants of a graph."""

import abc
from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, Kernel, check_distribution, check_kernel

psd_kernels = tfp.math.psd_kernels
tfd = tfp.distributions


class MeanEmbedding(abc.ABC):
    """The mean embedding of a distribution p under a kernel k: mu(z) = E k(z, X), X drawn from p.

    Rules registered with `RegisterMeanEmbedding` return instances. The constructor computes
    everything that does not depend on the points (factorisations, determinants, the norm), in
    float64, so that `evaluate` and `norm` share it and a traced function holds it as constants.

    Batches follow TensorFlow Probability: a sum stacks its Gaussian kernels into one kernel of
    batch shape [m], and the components of a mixture are a distribution of batch shape [K]. A rule
    for use inside sums or mixtures therefore broadcasts over both.
    """

    @abc.abstractmethod
    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at every point.

        Args:
            points: float32 or float64 [n, d].

        Returns:
            Tensor of the dtype of `points` and shape
            [n] + kernel.batch_shape + distribution.batch_shape.
        """

    @abc.abstractmethod
    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y) for independent X and Y, the squared norm of mu.

        Returns:
            float64 tensor of shape
            kernel.batch_shape + distribution.batch_shape + distribution.batch_shape: a scalar
            without batches. In a batch, the first index names the member that X is drawn from, and
            the second that of Y.
        """


_Result = TypeVar("_Result")
Rule = Callable[[Distribution, Kernel], MeanEmbedding]

_RULES: dict[tuple[type, type], Rule] = {}
_NAMES: list[str] = []


class RegisterMeanEmbedding:
    """Decorator that registers a rule: a function of (distribution, kernel) to a `MeanEmbedding`.

    A rule holds for subclasses of both classes too. Of several rules, the one nearest in the two
    method resolution orders is used, and of equally near ones the one nearer to the type of the
    distribution.

    Args:
        distribution_class: subclass of `tfd.Distribution`.
        kernel_class: subclass of `tfp.math.psd_kernels.PositiveSemidefiniteKernel`.

    Raises:
        TypeError: if a class is not such a subclass, or the decorated object is not callable.
        ValueError: if a rule is already registered for the two classes.

    Example:

    >>> class Point(tfd.Deterministic): pass
    >>> class PointEmbedding(MeanEmbedding):
    ...     def __init__(self, distribution, kernel):
    ...         self.loc, self.kernel = distribution.loc, kernel
    ...     def evaluate(self, points):
    ...         return self.kernel.apply(points, self.loc)
    ...     def norm(self):
    ...         return self.kernel.apply(self.loc, self.loc)
    >>> kernel_class = psd_kernels.MaternOneHalf
    >>> RegisterMeanEmbedding(Point, kernel_class)(PointEmbedding) is PointEmbedding
    True

    References:
        `tfd.RegisterKL`, which registers KL divergences in the same way.
    """

    def __init__(
        self,
        distribution_class: type[Distribution],
        kernel_class: type[Kernel],
    ) -> None:
        for name, value, base in (
            ("distribution_class", distribution_class, tfd.Distribution),
            ("kernel_class", kernel_class, psd_kernels.PositiveSemidefiniteKernel),
        ):
            if not isinstance(value, type) or not issubclass(value, base):
                raise TypeError(
                    f"Expected `{name}` to be a subclass of {base.__name__}. "
                    f"Received: {name}={value!r}."
                )
        self._key = instance_class(distribution_class), instance_class(kernel_class)
        self._name = f"({distribution_class.__name__}, {kernel_class.__name__})"

    def __call__(self, rule: Rule) -> Rule:
        """Registers `rule` and returns it."""
        if not callable(rule):
            raise TypeError(f"Expected `rule` to be callable. Received: rule={rule!r}.")
        if self._key in _RULES:
            raise ValueError(
                f"Expected `rule` to be the first for {self._name}. "
                f"Received: rule={rule!r}, after {_RULES[self._key]!r}."
            )
        _RULES[self._key] = rule
        _NAMES.append(self._name)
        return rule


def has_mean_embedding(distribution: Distribution, kernel: Kernel) -> bool:
    """Tells whether the mean embedding of `distribution` under `kernel` has a closed form.

    A product, a mixture or a sum has one if all its parts have. Where the answer is no, sample the
    distribution and use `squared_mmd_two_samples`.

    Args:
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].

    Returns:
        True or False.

    Raises:
        TypeError: if an argument is no distribution or no kernel.
        ValueError: if a shape is another, or a parameter of the kernel is not positive.

    Example:

    >>> kernel = psd_kernels.ExponentiatedQuadratic(length_scale=2.0)
    >>> has_mean_embedding(tfd.Sample(tfd.Normal(0.0, 1.0), 8), kernel)
    True
    >>> has_mean_embedding(tfd.Sample(tfd.Cauchy(0.0, 1.0), 8), kernel)
    False
    """
    check_distribution(distribution)
    check_kernel(kernel)
    try:
        embed(distribution, kernel)
    except NotImplementedError:
        return False
    return True


def embed(distribution: Distribution, kernel: Kernel) -> MeanEmbedding:
    """Makes the mean embedding by the registered rule, outside the traced graph where possible.

    Args:
        distribution: `tfd.Distribution`, possibly a batch.
        kernel: kernel of `tfp.math.psd_kernels`, possibly a batch.

    Returns:
        The mean embedding.

    Raises:
        NotImplementedError: if no rule is registered for the two types, or for the types of a part.
    """
    candidates = [
        (depth + kernel_depth, depth, _RULES[distribution_class, kernel_class])
        for depth, distribution_class in enumerate(type(distribution).__mro__)
        for kernel_depth, kernel_class in enumerate(type(kernel).__mro__)
        if (distribution_class, kernel_class) in _RULES
    ]
    if not candidates:
        raise missing_rule(distribution, kernel)
    rule = min(candidates, key=lambda candidate: candidate[:2])[2]
    return lift(lambda: rule(distribution, kernel), distribution, kernel)


def missing_rule(distribution: Distribution, kernel: Kernel) -> NotImplementedError:
    """Returns the error for two types without a rule, which lists those that have one."""
    return NotImplementedError(
        "Expected a mean embedding to be registered for the types of `distribution` and "
        f"`kernel`. Received: {type(distribution).__name__} and {type(kernel).__name__}; "
        f"registered: {', '.join(sorted(_NAMES))}."
    )


def instance_class(cls: type) -> type:
    """Returns the class that every instance made by calling `cls` has among its ancestors.

    `tfd.Independent(...)` and its like are composite tensors only if all their parts are;
    otherwise they are instances of a private parent, `_Independent`, and not of the class called.
    """
    composite, parent = tfp.experimental.AutoCompositeTensor, cls.__bases__[0]
    # Discrete distributions have a mixin there, which has no parameters and no ancestors.
    is_private = issubclass(parent, (tfd.Distribution, psd_kernels.PositiveSemidefiniteKernel))
    is_private = is_private and (
        (issubclass(cls, composite) and not issubclass(parent, composite))
        # `tfd.TransformedDistribution` is composite by a class of its own.
        or parent.__name__ == f"_{cls.__name__}"
    )
    return parent if is_private else cls


def lift(build: Callable[[], _Result], *sources: tf.Module) -> _Result:
    """Runs `build` eagerly, once per trace, if the parameters of `sources` cannot change.

    While a `tf.function` is traced, the result then holds eager tensors, which `constant` writes
    into the graph. If a parameter is a variable or a tensor of that graph, or if nothing is traced,
    `build` runs where it is called, so that gradients reach the parameters.

    Args:
        build: function without arguments.
        sources: distributions and kernels whose parameters `build` reads.

    Returns:
        What `build` returns.
    """
    if tf.executing_eagerly() or any(source.variables for source in sources):
        return build()
    try:
        with tf.init_scope():
            return build()
    except TypeError:
        # TensorFlow raises this for an eager operation on a tensor of the graph.
        return build()


def constant(value: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Casts `value` to `dtype`; in a graph, an eager tensor becomes a constant of that graph.

    Args:
        value: tensor of any floating dtype.
        dtype: dtype of the result.

    Returns:
        Tensor of the shape of `value`.
    """
    known = None if tf.executing_eagerly() else tf.get_static_value(value)
    return tf.cast(value, dtype) if known is None else tf.constant(known, dtype)
