"""SavedModels that run where they are deployed: signatures, versions, verification."""

from aae_tf.export.errors import ExportError
from aae_tf.export.export_model import export_model
from aae_tf.export.export_servables import export_servables
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.export.verification import verify_saved_model

__all__ = [
    "ExportError",
    "SavedModelSession",
    "export_model",
    "export_servables",
    "verify_saved_model",
]
