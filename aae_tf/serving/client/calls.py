"""What can be asked of a server, whatever the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from aae_tf.checks import check_integer

Arrays: TypeAlias = dict[str, np.ndarray]


class Target(NamedTuple):
    """A model, and which of its versions.

    Attributes:
        model: The model's name.
        version: The version's number, or None for the highest that is available.
        label: The version's label, or None.
    """

    model: str
    version: int | None = None
    label: str | None = None


class PredictCall(NamedTuple):
    """Run a signature; answered with arrays by output name.

    Attributes:
        target: The model.
        signature_name: The signature, or "" for the model's default.
        inputs: Arrays by input name.
    """

    target: Target
    signature_name: str
    inputs: Arrays

    @classmethod
    def of(
        cls, target: Target, signature_name: str, inputs: Mapping[str, ArrayLike]
    ) -> PredictCall:
        """Returns a call with inputs of any kind, in the dtype that NumPy gives them."""
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        return cls(target, signature_name, arrays)


class StatusCall(NamedTuple):
    """Ask for the state of each version; answered with states by version number.

    Attributes:
        target: The model.
    """

    target: Target


class MetadataCall(NamedTuple):
    """Ask for the signatures; answered as `signatures.to_python` writes them.

    Attributes:
        target: The model.
    """

    target: Target


Call: TypeAlias = PredictCall | StatusCall | MetadataCall


def make_target(model: str, version: int | None = None, label: str | None = None) -> Target:
    """Returns a target, or says what is wrong with it.

    Args:
        model: The model's name, not empty.
        version: The version's number, at least 0.
        label: The version's label, not empty; exclusive with `version`.

    Raises:
        TypeError: `version` is no integer.
        ValueError: a name is empty, `version` is negative, or both are given.

    Example:

        >>> make_target("encoder", label="stable")
        Target(model='encoder', version=None, label='stable')
    """
    if not model:
        raise ValueError(f"Expected `model` to be a name. Received: model={model!r}.")
    if label is not None and not label:
        raise ValueError(f"Expected `label` to be a name. Received: label={label!r}.")
    if version is not None:
        version = check_integer("version", version)
        if label is not None:
            raise ValueError(
                "Expected either `version` or `label`. "
                f"Received: version={version}, label={label!r}."
            )
    return Target(model, version, label)
