"""The closed forms, one family of distributions or kernels per file."""

from aae_tf.mmd.rules import box, gaussian, kernel_sum, mixture, product

__all__ = ["box", "gaussian", "kernel_sum", "mixture", "product"]
