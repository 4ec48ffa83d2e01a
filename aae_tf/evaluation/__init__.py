"""What a trained model is worth: numbers as JSON, pictures as Matplotlib figures."""

from aae_tf.evaluation.class_frequency_test import class_frequency_test
from aae_tf.evaluation.classification_scores import classification_scores
from aae_tf.evaluation.cluster_grid import cluster_grid
from aae_tf.evaluation.clustering_scores import clustering_scores
from aae_tf.evaluation.evaluate_model import evaluate_model
from aae_tf.evaluation.latent_panels import latent_panels
from aae_tf.evaluation.latent_scatter import latent_scatter
from aae_tf.evaluation.linear_probe import linear_probe
from aae_tf.evaluation.manifold import manifold
from aae_tf.evaluation.model_latents import model_latents
from aae_tf.evaluation.parzen import parzen
from aae_tf.evaluation.parzen_bandwidth import parzen_bandwidth
from aae_tf.evaluation.parzen_log_likelihood import parzen_log_likelihood
from aae_tf.evaluation.reconstructions import reconstructions
from aae_tf.evaluation.sample_grid import sample_grid
from aae_tf.evaluation.style_grid import style_grid
from aae_tf.evaluation.witness_plot import witness_plot

__all__ = [
    "class_frequency_test",
    "classification_scores",
    "cluster_grid",
    "clustering_scores",
    "evaluate_model",
    "latent_panels",
    "latent_scatter",
    "linear_probe",
    "manifold",
    "model_latents",
    "parzen",
    "parzen_bandwidth",
    "parzen_log_likelihood",
    "reconstructions",
    "sample_grid",
    "style_grid",
    "witness_plot",
]
