"""One export of a tiny model, that many tests look at."""

from pathlib import Path

import pytest

from aae_tf import AAE, export, networks, priors
from aae_tf.export.batching_parameters import BatchingParameters


@pytest.fixture(autouse=True, scope="package")
def _as_for_users(rewritten_graphs: None) -> None:
    """Runs sessions as a server does, rewriting included."""


@pytest.fixture(scope="session")
def batching() -> BatchingParameters:
    """Two sizes of batches, and a timeout that is not the default."""
    return BatchingParameters(
        max_batch_size=8, allowed_batch_sizes=(1, 8), batch_timeout_micros=500
    )


@pytest.fixture(scope="session")
def model() -> AAE:
    return AAE(
        networks.mlp_encoder((4,), units=(4,), seed=0),
        networks.mlp_decoder((4,), code_dim=2, units=(4,), seed=1),
        prior=priors.gaussian(2),
        seed=5,
    )


@pytest.fixture(scope="session")
def exported(model, batching, tmp_path_factory) -> Path:
    """A root with one version, not to be changed."""
    root = tmp_path_factory.mktemp("exported")
    export.export_servables(
        model,
        root,
        batching=batching,
        data={"name": "made up"},
        metrics={"error": 0.25, "by": [None]},
    )
    return root
