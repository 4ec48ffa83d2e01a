"""The closed forms, one family of distributions or kernels per file."""

from aae_tf.mmd.rules import bits, box, gaussian, kernel_sum, mixture, points, product

__all__ = ["bits", "box", "gaussian", "kernel_sum", "mixture", "points", "product"]
