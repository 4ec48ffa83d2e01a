"""What users import."""

import subprocess
import sys

import pytest

import aae_tf

MODELS = (
    "AAE LabelGuidedAAE SupervisedAAE SemiSupervisedAAE ClusteringAAE EmbeddingAAE VAE GAN GMMN"
)
PUBLIC = {
    "bulk": "RecordDecoder encode_files",
    "callbacks": "BalanceMonitor ClassFrequencies FigureCallback LatentFit LatentScatter "
    "LearningCurves Projector Reconstructions SampleGrid SwapEMAWeights",
    "data": "Column TableSchema Windows Dataset DatasetNotFoundError available balance_classes "
    "check_array check_label_spec check_labels labelled_subset load mix_labels shuffled_batches "
    "warn_class_frequencies windows",
    "detector": "AnomalyDetector DriftMonitor DriftResult",
    "divergences": "Adversarial Divergence DivergenceTerms Identifier MMD SlicedWasserstein get",
    "evaluation": "anomaly_metrics class_frequency_test classification_scores cluster_grid "
    "clustering_scores column_chart dci evaluate_model feature_network interpolate "
    "frechet_distance kid kid_interval confusion_matrix image_rows latent_panels latent_scatter "
    "learning_curves linear_probe manifold model_latents nearest parzen "
    "score_histogram mutual_information_gap parzen_bandwidth parzen_log_likelihood "
    "prdc predictability reconstructions sample_grid sample_scores "
    "style_grid traverse witness_plot",
    "export": "BatchingParameters CApiSession ExportError SavedModelSession export_model "
    "export_servables read_model_card verify_files verify_saved_model",
    "losses": "ColumnLosses HeadDistance KullbackLeibler LossTerm MutualInformation "
    "StandardizedError VirtualAdversarial accuracy check_weight cross_entropy deserialize_weight "
    "gaussian_kl serialize_weight weight_at",
    "mmd": "BlockProduct CoordinateProduct Energy FourierFeatures MMDTestResult MeanEmbedding "
    "RegisterMeanEmbedding SlicedGaussian default_kernel goodness_of_fit "
    "has_mean_embedding mean_embedding "
    "mean_embedding_norm median_kernel null_variance squared_mmd squared_mmd_given_labels "
    "squared_mmd_of_gaussians squared_mmd_two_samples "
    "standardized_mmd two_sample_test witness",
    "models": f"{MODELS} Balance BaseAAE BaseModel Batch ClassStyleAAE Code ExtraTerm "
    "GenerativeModel Generator Guard",
    "offline": "RecordDecoder drift_files encode_files encode_tables",
    "networks": "TableColumns TableFeatures conv1d_decoder conv1d_encoder "
    "conv_decoder conv_encoder mlp_decoder mlp_discriminator mlp_encoder recurrent_decoder "
    "recurrent_encoder tabular_decoder tabular_encoder",
    "posteriors": "Deterministic Gaussian Posterior Universal get",
    "priors": "bernoulli categorical conditional deserialize fit_gaussian fit_mixture fold_rows "
    "from_labels "
    "gaussian num_components ring_mixture row_seeds sample sample_rows serialize sphere swiss_roll "
    "uniform",
    "replicas": "draw_rows whole_batch",
    "serving": "AsyncClient Client LoadReport ModelServer Retries ServerError ServingError "
    "run_load_test",
}


def test_public_names_are_these():
    assert set(aae_tf.__all__) == {*MODELS.split(), "AnomalyDetector", *PUBLIC}
    for name, public in PUBLIC.items():
        module = getattr(aae_tf, name)
        assert set(module.__all__) == set(public.split()), name
        assert all(hasattr(module, member) for member in module.__all__)


def test_unknown_attribute_is_named():
    with pytest.raises(AttributeError, match="module 'aae_tf' has no attribute 'gan'"):
        _ = aae_tf.gan


@pytest.mark.integration
def test_import_brings_nothing_heavy_that_is_not_used():
    code = """
import sys
import aae_tf
print(sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)))
import keras, tensorflow_probability  # Keras looks whether Matplotlib and scikit-learn are there
before = set(sys.modules)
aae_tf.AAE
others = {"matplotlib", "grpc", "starlette", "uvicorn", "tensorflow_datasets", "sklearn", "typer"}
print(sorted(others & (set(sys.modules) - before)))
# No module makes a tensor, after which threads and devices could not be set any more.
for name in aae_tf.__all__:
    getattr(aae_tf, name)
from tensorflow.python.eager import context
print(context.context()._initialized)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:3] == ["[]", "[]", "False"]
