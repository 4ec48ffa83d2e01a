"""What an export, or a run, was made with."""

import platform

import keras
import numpy
import tensorflow
import tensorflow_probability

import aae_tf


def package_versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that decide what a model computes.

    Example:

    >>> sorted(package_versions())
    ['aae_tf', 'keras', 'numpy', 'python', 'tensorflow', 'tensorflow_probability']
    """
    modules = (aae_tf, tensorflow, keras, tensorflow_probability, numpy)
    return {"python": platform.python_version()} | {
        module.__name__: module.__version__ for module in modules
    }
