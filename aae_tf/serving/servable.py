"""A loaded version of a model."""

from dataclasses import dataclass

from aae_tf.export.saved_model_session import SavedModelSession


@dataclass(frozen=True)
class Servable:
    """One version of one model, ready to run.

    Args:
        name: The model's name.
        version: The version's number.
        session: What runs its signatures.
    """

    name: str
    version: int
    session: SavedModelSession
