"""The models: base classes, a short class for each variant, and baselines."""

from aae_tf.models.aae import AAE
from aae_tf.models.base_aae import BaseAAE
from aae_tf.models.base_model import BaseModel
from aae_tf.models.class_style_aae import ClassStyleAAE
from aae_tf.models.clustering_aae import ClusteringAAE
from aae_tf.models.embedding_aae import EmbeddingAAE
from aae_tf.models.gan import GAN
from aae_tf.models.generative_model import GenerativeModel
from aae_tf.models.gmmn import GMMN
from aae_tf.models.label_guided_aae import LabelGuidedAAE
from aae_tf.models.semi_supervised_aae import SemiSupervisedAAE
from aae_tf.models.supervised_aae import SupervisedAAE
from aae_tf.models.vae import VAE
from aae_tf.training.balance import Balance
from aae_tf.training.guard import Guard
from aae_tf.training.terms import Batch, Code, ExtraTerm

# The name of `GenerativeModel` before version 0.2.
Generator = GenerativeModel

__all__ = [
    "AAE",
    "GAN",
    "GMMN",
    "VAE",
    "Balance",
    "BaseAAE",
    "BaseModel",
    "Batch",
    "ClassStyleAAE",
    "ClusteringAAE",
    "Code",
    "EmbeddingAAE",
    "ExtraTerm",
    "GenerativeModel",
    "Generator",
    "Guard",
    "LabelGuidedAAE",
    "SemiSupervisedAAE",
    "SupervisedAAE",
]
