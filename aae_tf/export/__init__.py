"""SavedModels that run where they are deployed: signatures, versions, verification."""

from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.c_api_session import CApiSession
from aae_tf.export.export_model import export_model
from aae_tf.export.export_servables import export_servables
from aae_tf.export.exportable import ExportError
from aae_tf.export.model_card import read_model_card, verify_files
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.export.verification import verify_saved_model

__all__ = [
    "BatchingParameters",
    "CApiSession",
    "ExportError",
    "SavedModelSession",
    "export_model",
    "export_servables",
    "read_model_card",
    "verify_files",
    "verify_saved_model",
]
