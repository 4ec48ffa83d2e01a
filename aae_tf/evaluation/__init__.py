"""Numbers and figures of a trained model: dictionaries ready for JSON, and Matplotlib figures.

Figures need Matplotlib (`pip install "aae_tf[figures]"`), `clustering_scores`, `dci` and
`linear_probe` need scikit-learn (`pip install "aae_tf[data]"`); each is imported when it is called
for.
"""

from aae_tf.evaluation.anomaly_metrics import anomaly_metrics, column_chart
from aae_tf.evaluation.class_scores import (
    class_frequency_test,
    classification_scores,
    clustering_scores,
)
from aae_tf.evaluation.code_measures import dci, mutual_information_gap, predictability
from aae_tf.evaluation.confusion_matrix import confusion_matrix
from aae_tf.evaluation.evaluate_model import evaluate_model
from aae_tf.evaluation.image_grids import (
    cluster_grid,
    image_rows,
    reconstructions,
    sample_grid,
    style_grid,
)
from aae_tf.evaluation.latent_paths import interpolate, nearest, traverse
from aae_tf.evaluation.latent_scatter import latent_panels, latent_scatter, model_latents
from aae_tf.evaluation.learning_curves import learning_curves
from aae_tf.evaluation.linear_probe import linear_probe
from aae_tf.evaluation.manifold import manifold
from aae_tf.evaluation.parzen import parzen, parzen_bandwidth, parzen_log_likelihood
from aae_tf.evaluation.sample_quality import frechet_distance, kid, kid_interval, prdc
from aae_tf.evaluation.sample_scores import feature_network, sample_scores
from aae_tf.evaluation.score_histogram import score_histogram
from aae_tf.evaluation.witness_plot import witness_plot

__all__ = [
    "anomaly_metrics",
    "class_frequency_test",
    "classification_scores",
    "cluster_grid",
    "clustering_scores",
    "column_chart",
    "confusion_matrix",
    "dci",
    "evaluate_model",
    "feature_network",
    "frechet_distance",
    "image_rows",
    "interpolate",
    "kid",
    "kid_interval",
    "latent_panels",
    "latent_scatter",
    "learning_curves",
    "linear_probe",
    "manifold",
    "model_latents",
    "mutual_information_gap",
    "nearest",
    "parzen",
    "parzen_bandwidth",
    "parzen_log_likelihood",
    "prdc",
    "predictability",
    "reconstructions",
    "sample_grid",
    "sample_scores",
    "score_histogram",
    "style_grid",
    "traverse",
    "witness_plot",
]
