"""Models of the server: which there are, their versions, and requests that run on one."""

from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.model_sources import FileSource, FolderSource, ModelSource
from aae_tf.serving.models.model_watcher import ModelWatcher
from aae_tf.serving.models.servable import Servable
from aae_tf.serving.models.version_loader import VersionLoader

__all__ = [
    "FileSource",
    "FolderSource",
    "ModelManager",
    "ModelSource",
    "ModelWatcher",
    "Servable",
    "VersionLoader",
]
