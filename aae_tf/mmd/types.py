"""Short names for annotations."""

from typing import TypeAlias

import tensorflow_probability as tfp

Distribution: TypeAlias = tfp.distributions.Distribution
Kernel: TypeAlias = tfp.math.psd_kernels.PositiveSemidefiniteKernel
GaussianKernel: TypeAlias = tfp.math.psd_kernels.ExponentiatedQuadratic
