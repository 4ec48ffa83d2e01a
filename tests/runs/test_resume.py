"""A training that is stopped anywhere and started again gives the run of one that was not."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from aae_tf import data
from aae_tf.runs import backup, training, unfinished_run
from aae_tf.runs.backup import newest_backup
from aae_tf.runs.errors import UserError
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.training_callbacks import trim_logs
from aae_tf.runs.unfinished_run import UnfinishedRun
from tests.runs import killed_training
from tests.runs.conftest import RECIPE

pytestmark = pytest.mark.integration

# Eleven epochs are drawn every second time.
ARGUMENTS = (
    "--model", "label-guided", "--labels", "200", "--units", "16",
    "--discriminator-units", "16", "--code-dim", "2", "--batch-size", "125", "--epochs", "11",
    "--set", "dropout=0.1", "--backup-every", "3", "--deterministic",
)  # fmt: skip


def weights(run):
    """All arrays in the file of the model: of layers, optimizers and random generators."""
    found = {}
    with zipfile.ZipFile(run / "model.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(
            lambda name, each: (
                found.update({name: each[()]}) if isinstance(each, h5py.Dataset) else None
            )
        )
    return found


def events(run):
    """The values of every tag in the order of their steps; images as they are encoded."""
    found = {}
    for path in (run / "logs").rglob("events.out.tfevents.*"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                numbers = tf.make_ndarray(value.tensor).tolist()
                found.setdefault((path.parent.name, value.tag), []).append((event.step, numbers))
    # Names of files that were begun in one second say nothing about their order.
    return {key: sorted(found[key]) for key in sorted(found)}


def check_equal(run, whole):
    """Compares two runs bit for bit, but for the sum that is logged as `loss`.

    TensorFlow adds several tensors in an order that depends on which of them others have read
    already, determinism or not. Gradients are read once, and do not depend on that sum.
    """
    one, other = weights(run), weights(whole)
    assert list(one) == list(other)
    assert len(one) > 20
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
    for name in ("config.json", "figures/latent.png"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    logged, expected = events(run), events(whole)
    assert list(logged) == list(expected)
    assert {"train", "validation", "samples"} <= {folder for folder, _ in logged}
    for key, values in logged.items():
        rounding = {"rel": 1e-6} if key[1] == "epoch_loss" else {"rel": 0, "abs": 0}
        assert [step for step, _ in values] == [step for step, _ in expected[key]], key
        if key[1].startswith("epoch_"):
            numbers = [value for _, value in expected[key]]
            assert [value for _, value in values] == pytest.approx(numbers, **rounding), key
        else:
            assert values == expected[key], key
    check_history(run)
    assert not [path for path in run.parent.iterdir() if "partial" in path.name]


def check_history(run):
    """Compares the history with what TensorBoard was told."""
    logged = events(run)
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, len(rows) + 1))
    for column in set(rows[0]) - {"epoch"}:
        name = column.removeprefix("val_")
        told = logged["train" if name == column else "validation", f"epoch_{name}"]
        assert [step for step, _ in told] == list(range(len(rows))), column
        numbers = np.array([float(row[column]) for row in rows], np.float32)
        np.testing.assert_array_equal([value for _, value in told], numbers, err_msg=column)


def kill(folder, kills, arguments, environment):
    """Trains with kills at `(kind, count)`; gives the last backup after each."""
    command = [sys.executable, killed_training.__file__, folder, json.dumps(kills), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["codes"] == [0, *[-signal.SIGKILL] * len(kills), 0], done.stderr
    *backups, last = told["backups"]
    assert last is None
    return backups


class TestKill:
    @pytest.mark.integration
    def test_a_killed_run_goes_on(self, tmp_path, environment):
        # Ten steps in an epoch, and a backup after every third that does not end it.
        kills = [("step", 13), ("staging", 2), ("two_backups", 1)]
        backups = kill(tmp_path, kills, ARGUMENTS, environment)
        assert backups == [
            "backup-00000001-00000002", "backup-00000001-00000005", "backup-00000001-00000008",
        ]  # fmt: skip
        check_equal(tmp_path / "killed", tmp_path / "whole")

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "options",
        [
            ("--model", "semi-supervised"),
            # Plain batches, and three optimizers.
            ("--model", "aae", "--schedule", "alternating"),
        ],
        ids=str,
    )
    def test_twenty_kills(self, tmp_path, environment, options):
        arguments = [*ARGUMENTS, *options, "--epochs", "100"]
        if "aae" in options:
            at = arguments.index("--labels")
            del arguments[at : at + 2]
        rng = random.Random(6)
        # A thousand steps, of which each start makes at most forty.
        kills = [
            (kind, rng.randrange(1, 41 if kind in ("step", "anywhere") else 13))
            for kind in killed_training.KINDS * 5
        ]
        backups = kill(tmp_path, kills, arguments, environment)
        assert len(set(backups)) > 5
        check_equal(tmp_path / "killed", tmp_path / "whole")

    @pytest.mark.slow
    def test_the_seed_makes_two_processes_equal(self, tmp_path, start):
        arguments = ("train", *ARGUMENTS, "--seed")
        for out, seed in (("one", 5), ("two", 5), ("other", 6)):
            process = start(*arguments, seed, "--out", tmp_path / out)
            process.communicate()
            assert process.returncode == 0
        check_equal(tmp_path / "one", tmp_path / "two")
        assert any(
            not np.array_equal(value, weights(tmp_path / "other")[name])
            for name, value in weights(tmp_path / "one").items()
        )


class Stop(keras.callbacks.Callback):
    """Presses Ctrl-C after a batch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            self.interrupt()

    @staticmethod
    def interrupt(*args):
        raise KeyboardInterrupt


def train(digits, out, *callbacks, recipe=RECIPE, **options):
    options = {"restart": False, "backup_every": 2, **options}
    training.train_run(recipe, digits, out, callbacks, 0, **options)


class TestInterrupt:
    def test_every_start_goes_on_from_the_last_backup(
        self, digits, whole, tmp_path, capsys, monkeypatch
    ):
        out = tmp_path / "run"

        def interrupt(every, epoch, backup, *callbacks):
            with pytest.raises(UserError) as error:
                train(digits, out, *callbacks, backup_every=every)
            assert error.value.exit_code == 130
            assert str(error.value) == (
                f"Interrupted in epoch {epoch} of 2. The same command continues in epoch "
                f"{backup[0]} after {backup[1]} steps, from {tmp_path / 'run.partial'}."
            )
            assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]

        def continued(epoch, steps):
            text = f"Continuing in epoch {epoch} of 2, after {steps} of 5 steps\n"
            return text in capsys.readouterr().out

        # Five steps in an epoch: an execution of two, two, and one.
        interrupt(2, 1, (1, 2), Stop(0, 3))
        interrupt(2, 2, (1, 4), Stop(1, 1))
        assert continued(1, 2)
        interrupt(None, 2, (2, 0), Stop(1, 3))
        assert continued(1, 4)
        # All epochs are done.
        with monkeypatch.context() as patch:
            patch.setattr(training, "write_report", Stop.interrupt)
            interrupt(1, 3, (3, 0))
        assert continued(2, 0)
        train(digits, out, backup_every=1)
        assert continued(2, 0)
        check_equal(out, whole)

    @pytest.mark.usefixtures("no_figures", "eager_steps")
    def test_rows_that_stay_in_a_file_are_those_of_a_whole_run(self, tmp_path, monkeypatch):
        monkeypatch.setenv("AAE_TF_CACHE", str(tmp_path / "cache"))
        rng = np.random.default_rng(0)
        path = tmp_path / "table.csv"
        pd.DataFrame(rng.normal(size=(90, 3)), columns=list("abc")).to_csv(path, index=False)
        recipe = Recipe(
            data=str(path), units=(8,), discriminator_units=(8,), code_dim=2, batch_size=10,
            epochs=2,
        )  # fmt: skip

        def load():
            return data.load(str(path), validation=20, test=20, stream=True)

        train(load(), tmp_path / "whole", recipe=recipe)
        with pytest.raises(UserError, match="continues in epoch 1 after 2 steps"):
            train(load(), tmp_path / "run", Stop(0, 3), recipe=recipe)
        train(load(), tmp_path / "run", recipe=recipe)
        expected = weights(tmp_path / "whole")
        for name, array in weights(tmp_path / "run").items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-7, err_msg=name)

    @pytest.mark.usefixtures("no_figures", "eager_steps")
    def test_before_the_first_backup_leaves_nothing(self, digits, tmp_path):
        with pytest.raises(UserError, match=r"^Interrupted: nothing is written\.$"):
            train(digits, tmp_path / "run", Stop(0, 1), backup_every=5)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.usefixtures("no_figures", "eager_steps")
    def test_another_recipe_does_not_go_on(self, digits, tmp_path):
        with pytest.raises(UserError, match="Interrupted"):
            train(digits, tmp_path / "run", Stop(1, 1))
        other = Recipe(code_dim=3, units=(8, 16), epochs=2, batch_size=250, divergence="mmd")
        with pytest.raises(UserError, match=r"with which .*run\.partial was begun") as error:
            train(digits, tmp_path / "run", recipe=other)
        for part in ("--restart", "units=[8, 16] instead of [16]", "divergence='mmd' instead of"):
            assert part in str(error.value)
        assert "epochs" not in str(error.value)
        train(digits, tmp_path / "run", recipe=other, restart=True)
        assert json.loads((tmp_path / "run" / "config.json").read_text())["options"]["units"] == [
            8, 16,
        ]  # fmt: skip


IDENTITY = {"epochs": 2, "units": (8,)}


@pytest.fixture
def unfinished(tmp_path):
    """The directory of a run with a backup after one epoch and three steps."""
    run = UnfinishedRun(tmp_path / "run")
    with run.lock():
        run.prepare(IDENTITY, restart=False)
    backup = run.backups / "backup-00000001-00000003"
    backup.mkdir(parents=True)
    (backup / "progress.json").write_text('{"epoch": 1, "step": 3, "history": [{"loss": 1.5}]}')
    run.logs.mkdir()
    (run.run / "figures").mkdir()
    return run


class TestUnfinishedRun:
    def test_keeps_backups_and_logs(self, unfinished):
        unfinished.prepare(IDENTITY, restart=False)
        assert newest_backup(unfinished.backups)
        assert [path.name for path in unfinished.run.iterdir()] == ["logs"]

    def test_begins_anew_when_told_to(self, unfinished):
        unfinished.prepare({"epochs": 3}, restart=True)
        assert newest_backup(unfinished.backups) is None
        assert list(unfinished.run.iterdir()) == []

    def test_begins_anew_where_the_run_was_finished(self, unfinished):
        unfinished.run.rename(unfinished.out)
        unfinished.prepare({"epochs": 3}, restart=False)
        assert newest_backup(unfinished.backups) is None

    def test_fields_that_are_newer_had_their_default(self, unfinished):
        unfinished.prepare({**IDENTITY, "momentum": Recipe.momentum}, restart=False)
        with pytest.raises(UserError, match=r"Received: momentum=0.5 instead of 0.9\.$"):
            unfinished.prepare({**IDENTITY, "momentum": 0.5}, restart=False)

    def test_is_for_one_process_at_a_time(self, unfinished, tmp_path):
        with (
            unfinished.lock(),
            pytest.raises(UserError, match=r"Expected one process to train .*/run at a time"),
            UnfinishedRun(tmp_path / "run").lock(),
        ):
            pass
        with unfinished.lock():
            pass

    def test_needs_no_locks(self, unfinished, monkeypatch):
        lock = unfinished_run.lock_directory
        monkeypatch.setattr("aae_tf.files.fcntl", None)
        with unfinished.lock(), lock(unfinished.path) as locked:
            assert not locked

    def test_the_newest_backup_counts(self, unfinished):
        # A process that was killed before it removed the older one leaves two.
        newer = unfinished.backups / "backup-00000002-00000000"
        newer.mkdir()
        (unfinished.backups / "unfinished").mkdir()
        assert newest_backup(unfinished.backups) == newer


def write_events(directory, steps):
    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default():
        for step in steps:
            tf.summary.scalar("loss", float(step), step=step)
    writer.close()


class TestTrimLogs:
    def test_keeps_the_first_epochs(self, tmp_path):
        run = tmp_path / "run" / "logs" / "train"
        write_events(run, range(3))
        (file,) = run.iterdir()
        trim_logs(tmp_path / "run" / "logs", 2)
        assert [path.name for path in run.iterdir()] == [file.name]
        assert [step for step, _ in events(tmp_path / "run")["train", "loss"]] == [0, 1]

    def test_a_record_that_was_being_written_is_left_out(self, tmp_path):
        run = tmp_path / "run" / "logs" / "train"
        write_events(run, range(3))
        (file,) = run.iterdir()
        os.truncate(file, file.stat().st_size - 5)
        trim_logs(tmp_path / "run" / "logs", 3)
        assert [step for step, _ in events(tmp_path / "run")["train", "loss"]] == [0, 1]

    def test_no_logs_are_fine(self, tmp_path):
        trim_logs(tmp_path / "none", 1)
        assert not (tmp_path / "none").exists()


class Backups(keras.callbacks.Callback):
    """Remembers what is backed up after every step."""

    def __init__(self, out):
        super().__init__()
        self.directory = UnfinishedRun(out).backups
        self.seen = []

    def note(self):
        found = sorted(path.name for path in self.directory.glob("*"))
        if found not in self.seen[-1:]:
            self.seen.append(found)

    def on_train_batch_begin(self, batch, logs=None):
        self.note()

    def on_train_end(self, logs=None):
        self.note()


@pytest.mark.usefixtures("no_figures", "eager_steps")
class TestBackup:
    def test_there_is_one_after_so_many_steps(self, digits, tmp_path):
        seen = Backups(tmp_path / "run")
        train(digits, tmp_path / "run", seen, backup_every=3)
        # Executions end after steps 2, 4 and 5; the end of an epoch waits for its logs.
        assert seen.seen == [
            [], ["backup-00000000-00000004"], ["backup-00000001-00000002"],
            ["backup-00000002-00000000"],
        ]  # fmt: skip

    def test_one_of_an_earlier_version_is_refused(self, digits, tmp_path):
        with pytest.raises(UserError, match="Interrupted"):
            train(digits, tmp_path / "run", Stop(0, 3))
        backup = newest_backup(UnfinishedRun(tmp_path / "run").backups)
        # Version 0.1.0 wrote the metrics without their names.
        np.savez(backup / "metrics.npz", np.float32(0.0))
        with pytest.raises(UserError, match="to be a backup by this version of aae_tf") as error:
            train(digits, tmp_path / "run")
        assert str(backup) in str(error.value) and "--restart" in str(error.value)

    def test_by_default_they_take_little_time(self, digits, tmp_path, monkeypatch):
        # A clock that only a backup moves, by a second: the next one is due after fifty.
        now = [0.0]
        monkeypatch.setattr(backup, "time", SimpleNamespace(monotonic=lambda: now[0]))
        serialize = backup.serialize_model

        def serialize_slowly(model):
            now[0] += 1.0
            return serialize(model)

        class Clock(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                now[0] += 20.0

        monkeypatch.setattr(backup, "serialize_model", serialize_slowly)
        seen = Backups(tmp_path / "run")
        recipe = Recipe(units=(8,), divergence="mmd", epochs=5, batch_size=625)
        train(digits, tmp_path / "run", seen, Clock(), recipe=recipe, backup_every=None)
        assert seen.seen == [[], ["backup-00000001-00000000"], ["backup-00000004-00000000"]]

    def test_there_is_none_of_what_is_not_finite(self, digits, tmp_path):
        class Break(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 2:
                    self.model.decoder.set_weights(
                        [np.full_like(w, np.nan) for w in self.model.decoder.get_weights()]
                    )

        seen = Backups(tmp_path / "run")
        recipe = Recipe(units=(8,), divergence="mmd", epochs=2, batch_size=250)
        with pytest.raises(UserError, match=r"loss became nan in epoch 1\. Nothing") as error:
            train(digits, tmp_path / "run", Break(), seen, recipe=recipe, backup_every=1)
        assert error.value.exit_code == 1
        assert seen.seen[:3] == [
            [], ["backup-00000000-00000001"], ["backup-00000000-00000002"],
        ]  # fmt: skip
        assert list(tmp_path.iterdir()) == []
