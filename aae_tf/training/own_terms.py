"""The loss terms that a model is given: which tensors they ask for, and their values on a batch."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from aae_tf.losses import LossTerm
from aae_tf.losses.weights import weighted_mean
from aae_tf.training.terms import Batch, ExtraTerm, Tensors


class OwnTerms:
    """The terms that a model was given as `extra_terms`, called with what they ask for by name.

    Args:
        terms: their log keys differ.

    Attributes:
        use_outputs: whether one of them asks for the decoder's outputs.
    """

    def __init__(self, terms: Sequence[LossTerm]) -> None:
        self._terms = terms
        self.use_outputs = asks_for(terms, "outputs")

    def join(
        self,
        others: Mapping[str, ExtraTerm],
        codes: Tensors,
        batch: Batch,
        outputs: tf.Tensor | None,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, ExtraTerm]:
        """Measures the terms on a batch, and adds them to other terms.

        Args:
            others: terms by log key.
            codes: by name, as the model's `sample_codes` gives them.
            batch: what they are the codes of.
            outputs: the codes decoded; None where no term asks for them.
            seed: integer [2].
            training: whether the batch is trained on.

        Raises:
            ValueError: if a term asks for what there is not, gives no value of a batch, or has
                the log key of another.
        """
        known = {
            **codes,
            "inputs": batch.inputs,
            "targets": batch.compared,
            "outputs": outputs,
            "labels": batch.labels,
            "sample_weight": batch.sample_weight,
            "seed": seed,
            "training": training,
        }
        terms = dict(others)
        for term in self._terms:
            if term.log_key in terms:
                raise ValueError(
                    f"Expected `log_key` of {type(term).__name__} not to be that of a term of the "
                    f"model. Received: log_key={term.log_key!r}."
                )
            value = _mean(term, term(**_arguments(term, known)), batch)
            terms[term.log_key] = ExtraTerm(value, term.weight)
        return terms


def check_terms(terms: Any) -> tuple[LossTerm, ...]:
    """Returns what a model was given as `extra_terms`, as a tuple.

    Raises:
        TypeError: if it is no sequence of `LossTerm`.
        ValueError: if one has no log key, or two have the same.
    """
    if not isinstance(terms, Sequence) or not all(isinstance(term, LossTerm) for term in terms):
        raise TypeError(
            "Expected `extra_terms` to be a sequence of losses.LossTerm. "
            f"Received: extra_terms={terms!r}."
        )
    keys = [getattr(term, "log_key", None) for term in terms]
    if None in keys or len(set(keys)) < len(keys):
        raise ValueError(
            "Expected each of `extra_terms` to have a `log_key` of its own. "
            f"Received: log keys {keys}."
        )
    return tuple(terms)


def asks_for(terms: Sequence[LossTerm], name: str) -> bool:
    """Tells whether the call of one of the terms has a parameter of this name."""
    return any(name in inspect.signature(term.__call__).parameters for term in terms)


def _arguments(term: LossTerm, known: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the arguments of a term's call; those that have a default may be unknown."""
    parameters = inspect.signature(term.__call__).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    missing = [p.name for p in named if p.name not in known and p.default is p.empty]
    if missing:
        raise ValueError(
            f"Expected {type(term).__name__}.__call__ to ask for some of {', '.join(known)}. "
            f"Received: {', '.join(missing)}."
        )
    return {p.name: known[p.name] for p in named if p.name in known}


def _mean(term: LossTerm, value: Any, batch: Batch) -> tf.Tensor:
    value = tf.cast(tf.convert_to_tensor(value), tf.float32)
    if value.shape.rank not in (0, 1):
        raise ValueError(
            f"Expected {type(term).__name__} to return a scalar, or one value for each example "
            f"[batch]. Received: shape={tuple(value.shape)}."
        )
    return value if value.shape.rank == 0 else weighted_mean(value, batch.sample_weight)
