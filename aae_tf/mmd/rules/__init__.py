"""The closed forms, one family of distributions or kernels per file."""

from aae_tf.mmd.rules import (
    bernoulli,
    blocks,
    copies,
    energy,
    gaussian,
    kernels,
    laplace,
    mixture,
    normal,
    points,
    product,
    student_t,
    uniform,
)

__all__ = [
    "bernoulli",
    "blocks",
    "copies",
    "energy",
    "gaussian",
    "kernels",
    "laplace",
    "mixture",
    "normal",
    "points",
    "product",
    "student_t",
    "uniform",
]
