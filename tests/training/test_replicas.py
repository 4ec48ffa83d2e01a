"""Several replicas train as one device does, whatever their shares of a batch.

Two logical devices of a CPU must be set up before TensorFlow starts, so that the work is done in a
process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("replica_trainings.py")
QUICK = ("alternating game", "batch normalisation", "sampled prior", "few labels", "own classes")
OTHERS = (
    "labels of a game",
    "outputs",
    "posteriors",
    "unmatched classes",
    "graph",
    "alternating game in a graph",
)


def run(cases):
    done = subprocess.run(
        [sys.executable, SCRIPT, *cases],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def trained():
    return run(QUICK)


def check(found):
    """Compares all logs, of steps, epochs and evaluation, and all weights."""
    one, several = found["one"], found["several"]
    assert len(one["history"]) > 2
    for part, logs in one.items():
        assert several[part].keys() == logs.keys()
        for key, value in logs.items():
            # An estimate of MMD^2 is a small difference of large sums.
            assert several[part][key] == pytest.approx(value, rel=2e-5, abs=1e-6), (part, key)
    assert found["weights moved"] > 1e-3
    assert found["weights apart"] < 1e-6
    assert found["states"]
    for alone, first, second in found["states"]:
        assert first == second
        assert first == pytest.approx(alone, rel=2e-5)


@pytest.mark.integration
def test_replicas_train_as_one_device(trained):
    for case in QUICK:
        check(trained[case])
    logs = trained["alternating game"]
    # The norm of the gradient of the whole batch, not of a replica's part.
    assert logs["several"]["last batch"]["latent_gradient_norm"] == pytest.approx(
        logs["one"]["last batch"]["latent_gradient_norm"], rel=1e-5
    )


@pytest.mark.slow
def test_replicas_train_as_one_device_in_further_cases():
    trained = run(OTHERS)
    for case in OTHERS:
        check(trained[case])


@pytest.mark.integration
def test_what_several_replicas_cannot_do_is_refused():
    # Of one process, since each has to set its devices up before TensorFlow starts.
    refusals = run([])["refusals"]
    for argument, rule in (("jit_compile", "False or 'auto'"), ("steps_per_execution", "1")):
        assert f"Expected `{argument}` to be {rule} with several" in refusals[argument]
        assert "replicas=2." in refusals[argument]
    assert "Not finite in the last of these batches: loss" in refusals["not finite"]
