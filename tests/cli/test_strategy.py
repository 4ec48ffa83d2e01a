"""Several devices and workers train what one device does, and go on when a worker was killed."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from aae_tf.cli.backup import Backup
from aae_tf.cli.errors import CommandError
from aae_tf.cli.tf_config import TFConfig
from aae_tf.cli.workers import Workers
from tests.cli import worker_processes
from tests.cli.conftest import TINY
from tests.cli.test_resume import check_history, weights

WORKERS = '"cluster": {"worker": ["a:1", "b:2"]}'
TASK = '"task": {"type": "worker", "index": 0}'


class TestTFConfig:
    def test_workers_are_numbered(self):
        text = f'{{{WORKERS}, "task": {{"type": "worker", "index": 1}}}}'
        config = TFConfig.read({"TF_CONFIG": text})
        assert config == (("a:1", "b:2"), 1)
        assert not config.is_chief

    def test_a_chief_comes_before_workers(self):
        cluster = '"cluster": {"worker": ["a:1", "b:2"], "chief": ["c:3"]}'
        chief = TFConfig.read(
            {"TF_CONFIG": f'{{{cluster}, "task": {{"type": "chief", "index": 0}}}}'}
        )
        worker = TFConfig.read({"TF_CONFIG": f"{{{cluster}, {TASK}}}"})
        assert chief.addresses == worker.addresses == ("c:3", "a:1", "b:2")
        assert (chief.number, worker.number) == (0, 1)
        assert chief.is_chief
        assert not worker.is_chief

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{", "to be JSON, such as"),
            ("[]", "with `cluster`"),
            (f"{{{TASK}}}", "with `cluster`"),
            (f"{{{WORKERS}}}", "with `task`"),
            (f'{{"cluster": {{}}, {TASK}}}', "with a cluster of `worker`"),
            (f'{{"cluster": {{"ps": ["a:1"]}}, {TASK}}}', "with a cluster of `worker`"),
            (f'{{"cluster": {{"worker": []}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": ["a"]}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": ["a:0"]}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": [":1"]}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": "a:1"}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": ["a:1", "a:1"]}}, {TASK}}}', "an address of its own"),
            (f'{{"cluster": {{"chief": ["a:1", "b:1"]}}, {TASK}}}', "at most one `chief`"),
            (f'{{{WORKERS}, "task": {{"type": "worker", "index": 2}}}}', "the `task` of this"),
            (f'{{{WORKERS}, "task": {{"type": "worker", "index": true}}}}', "the `task` of this"),
            (f'{{{WORKERS}, "task": {{"type": "chief", "index": 0}}}}', "the `task` of this"),
        ],
    )
    def test_says_what_is_wrong(self, text, expected):
        with pytest.raises(ValueError, match=r"^Expected TF_CONFIG to be ") as error:
            TFConfig.read({"TF_CONFIG": text})
        assert expected in str(error.value)
        assert str(error.value).endswith(f"Received: TF_CONFIG={text!r}.")

    def test_says_when_it_is_missing(self):
        with pytest.raises(ValueError, match=r"^Expected TF_CONFIG in the environment .*: none\.$"):
            TFConfig.read({})


class TestOption:
    def test_unknown_strategy(self, invoke, tmp_path):
        result = invoke("train", "--out", tmp_path / "run", "--strategy", "two", code=2)
        assert "Expected `strategy` to be one of" in result.output
        assert "Received: strategy='two'" in result.output

    def test_multi_worker_without_a_cluster(self, invoke, tmp_path, monkeypatch):
        monkeypatch.delenv("TF_CONFIG", raising=False)
        result = invoke("train", "--out", tmp_path / "run", "--strategy", "multi-worker", code=2)
        assert "Expected TF_CONFIG in the environment" in result.output
        assert not (tmp_path / "run.partial").exists()

    def test_a_worker_that_comes_late_has_nothing_to_do(self, invoke, trained, monkeypatch):
        monkeypatch.setenv("TF_CONFIG", worker_processes.cluster(2, 1)["TF_CONFIG"])
        arguments = ("train", "--strategy", "multi-worker", "--out", trained)
        assert invoke(*arguments, *TINY).output == f"Trained already: {trained}\n"
        result = invoke(*arguments, *TINY, "--seed", "5", code=2)
        assert "Expected --out to be a new or an empty directory" in result.output


@pytest.fixture
def workers(monkeypatch):
    """Three workers, of which this is one, and what the others say."""
    told = []
    workers = Workers()
    monkeypatch.setattr(Workers, "num_replicas", 3)
    workers.is_chief = False
    workers._is_cluster = True
    workers.sum = lambda values: [
        own + other for own, other in zip(values, told.pop(0), strict=True)
    ]
    workers.told = told
    return workers


class TestWorkers:
    def test_one_process_agrees_with_itself(self):
        workers = Workers()
        workers.wait()
        assert workers.agree(2**31)
        assert workers.is_chief
        assert workers.follow(True)
        assert not workers.follow(False)
        data = tf.data.Dataset.range(3)
        assert workers.share_out(data) is data

    @pytest.mark.parametrize(
        ("sizes", "received"),
        [
            ({"batch_size": 100}, "batch_size=100, replicas=3."),
            (
                {"labelled_batch": 25, "unlabelled_batch": 100},
                "labelled_batch=25, unlabelled_batch=100, replicas=3.",
            ),
        ],
    )
    def test_batches_have_equal_parts(self, workers, sizes, received):
        workers.check_batch({"batch_size": 99})
        workers.check_batch({"labelled_batch": 25, "unlabelled_batch": 101})
        with pytest.raises(ValueError, match="to be divisible by the number of replicas") as error:
            workers.check_batch(sizes)
        assert str(error.value).startswith(f"Expected `{next(iter(sizes))}`")
        assert str(error.value).endswith(f"Received: {received}")

    def test_workers_agree_on_large_numbers(self, workers):
        high, low = divmod(2**31 + 5, 2**12)
        workers.told += [[2.0], [2.0 * high, 2.0 * low], [0.0]]
        assert workers.agree(2**31 + 5)
        workers.told += [[2.0], [2.0 * high, 2.0 * low + 1.0], [0.0]]
        assert not workers.agree(2**31 + 5)

    def test_workers_go_on_from_one_backup(self, workers, tmp_path):
        # Nothing here, a step elsewhere.
        workers.told += [[2.0], [0.0, 1.0], [0.0]]
        with pytest.raises(
            CommandError, match="Expected all workers to see one directory"
        ) as error:
            Backup(tmp_path, 5, workers)
        assert str(tmp_path) in str(error.value)

    def test_workers_end_where_the_chief_cannot_begin(self, workers):
        workers.told += [[1.0], [0.0]]
        with pytest.raises(CommandError, match="Expected the first worker to begin"):
            workers.let_chief(lambda: pytest.fail("This is not the chief."))
        workers.let_chief(lambda: pytest.fail("This is not the chief."))

    def test_the_chief_says_why_it_cannot_begin(self):
        def refuse():
            raise CommandError("No.")

        with pytest.raises(CommandError, match=r"^No\.$"):
            Workers().let_chief(refuse)

    def test_a_lost_worker_is_one_line(self, workers):
        with (
            pytest.raises(CommandError, match="a worker is lost") as error,
            workers.held_together(),
        ):
            raise tf.errors.UnavailableError(None, None, "Socket closed\nand more")
        assert str(error.value).endswith("TensorFlow says: Socket closed")
        assert error.value.exit_code == 75

    def test_who_ends_first_when_all_is_done_is_not_lost(self, workers):
        def lose(values):
            raise tf.errors.UnavailableError(None, None, "Socket closed")

        workers.sum = lose
        workers.part(lambda: True)
        with pytest.raises(tf.errors.UnavailableError):
            workers.part(lambda: False)

    def test_one_process_loses_no_worker(self):
        with pytest.raises(tf.errors.UnavailableError), Workers().held_together():
            raise tf.errors.UnavailableError(None, None, "Something else")


needs_network = pytest.mark.skipif(
    not worker_processes.can_leave_network(),
    reason="TensorFlow's workers listen everywhere, and no network of their own can be made here",
)
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


@needs_network
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


@needs_network
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


@needs_network
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
