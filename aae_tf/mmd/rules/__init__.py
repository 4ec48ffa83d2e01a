"""The closed forms, one family of distributions or kernels per file."""

from aae_tf.mmd.rules import (
    affine,
    bernoulli,
    blocks,
    copies,
    gaussian,
    kernels,
    laplace,
    mixture,
    normal,
    points,
    product,
    quantile,
    radial,
    sphere,
    student_t,
    uniform,
)

__all__ = [
    "affine",
    "bernoulli",
    "blocks",
    "copies",
    "gaussian",
    "kernels",
    "laplace",
    "mixture",
    "normal",
    "points",
    "product",
    "quantile",
    "radial",
    "sphere",
    "student_t",
    "uniform",
]
