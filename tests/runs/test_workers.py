"""Several devices and workers train what one device does, and resume when a worker was killed."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.runs import worker_processes
from tests.runs.test_resume import check_history, weights

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True, scope="module")
def needs_network():
    if not worker_processes.can_leave_network():
        pytest.skip("TensorFlow's workers listen everywhere, and no network can be made here")


OPTIONS = ("--code-dim", "2", "--units", "16", "--epochs", "2", "--batch-size", "250")


ALONE = [("one", "one", None), ("mirrored", "mirrored", None)]


def workers_killed_at(*steps):
    return [("workers", "multi-worker", step) for step in steps]


def train(folder, options, *rounds):
    done = subprocess.run(
        [
            sys.executable, worker_processes.__file__,
            folder, json.dumps([*OPTIONS, *options]), json.dumps(rounds),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def history(run):
    with (run / "history.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def check_equal(run, one):
    """Compares logs and all arrays of the model file within rounding."""
    rows = history(one)
    assert len(rows) == 2
    assert "val_loss" in rows[0]
    for row, expected in zip(history(run), rows, strict=True):
        assert row == pytest.approx(expected, rel=1e-4, abs=1e-6)
    found, expected = weights(run), weights(one)
    assert list(found) == list(expected)
    for name, value in found.items():
        if np.issubdtype(value.dtype, np.number):
            np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-4, err_msg=name)
    check_history(run)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What one device, two and two workers have made of one command."""
    folder = tmp_path_factory.mktemp("strategies")
    codes = train(folder, ("--divergence", "mmd"), ALONE, workers_killed_at(None, None))
    assert codes == [[0, 0], [0, 0]]
    return folder


class TestTraining:
    @pytest.mark.parametrize("strategy", ["mirrored", "workers"])
    def test_the_run_is_that_of_one_device(self, folder, strategy):
        check_equal(folder / strategy, folder / "one")
        assert not list(folder.glob("*.partial"))

    def test_only_the_chief_speaks_of_the_run(self, folder):
        chief, worker = ((folder / f"1-{index}.log").read_text() for index in (0, 1))
        for number, text in enumerate((chief, worker)):
            assert f"Worker {number} waits for all of 127.0.0.1:2222, 127.0.0.1:2223\n" in text
            assert "Training on 2 replicas\n" in text
        assert "Trained aae on digits" in chief
        assert "Epoch 2/2" in chief
        assert "Trained" not in worker
        assert "Epoch" not in worker

    def test_mirrored_says_how_many(self, folder):
        assert "Training on 2 replicas\n" in (folder / "0-1.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--discriminator-units", "16", "--schedule", "alternating"),
        (
            "--model", "semi-supervised", "--labels", "100", "--set", "labelled_batch=50",
            "--discriminator-units", "16",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_killed_workers_go_on(tmp_path, options):
    codes = train(
        tmp_path,
        (*options, "--backup-every", "2"),
        ALONE,
        # The chief is killed at its fourth step, and the other worker after two more.
        workers_killed_at(4, None),
        workers_killed_at(None, 2),
        workers_killed_at(None, None),
    )
    assert codes == [[0, 0], [-9, 75], [75, -9], [0, 0]]
    check_equal(tmp_path / "workers", tmp_path / "one")
    for log in ("1-1.log", "2-0.log"):
        text = (tmp_path / log).read_text()
        assert "Error: Expected all workers to stay. Received: a worker is lost." in text
        assert "Traceback" not in text
    assert "Continuing in epoch 1 of 2, after 2 of" in (tmp_path / "2-0.log").read_text()


@pytest.mark.slow
def test_another_number_of_devices_goes_on(tmp_path):
    codes = train(
        tmp_path,
        ("--divergence", "mmd", "--backup-every", "2"),
        [("one", "one", None), ("workers", "mirrored", 4)],
        [("workers", "one", 6)],
        workers_killed_at(None, None),
    )
    assert codes == [[0, -9], [-9], [0, 0]]
    check_equal(tmp_path / "workers", tmp_path / "one")
    assert "Continuing in epoch 1 of 2, after 2 of 5 steps" in (tmp_path / "1-0.log").read_text()
    assert "Continuing in epoch 2 of 2, after 1 of 5 steps" in (tmp_path / "2-0.log").read_text()
