"""Seeds faults in a copy of a checkout, one at a time, and reports which of them the tests catch.

    python benchmarks/seeded_faults.py CHECKOUT [--only NAME ...] [--markers EXPRESSION]

A fault is a text that occurs once in the package, wherever its file has moved, and its replacement.
The tests of a fault are files of tests/, named without their folder; those that the checkout has
are run together, and the fault is caught if one fails. At the end each set is run without a fault.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple


class Fault(NamedTuple):
    """One fault.

    Attributes:
        name: what is wrong.
        old: texts for the right code; the first that occurs in the package is replaced.
        new: text in its place.
        tests: file names, or parts of them.
    """

    name: str
    old: tuple[str, ...]
    new: str
    tests: tuple[str, ...]


FAULTS = (
    Fault(
        "the encoder's adversarial loss has the wrong sign",
        ("encoder=lambda logits: tf.nn.softplus(-logits),",),
        "encoder=lambda logits: tf.nn.softplus(logits),",
        ("test_adversarial.py",),
    ),
    Fault(
        "the gradient penalty draws towards a norm of 0",
        ("return weighted_mean(tf.square(norm - 1.0), sample_weight)",),
        "return weighted_mean(tf.square(norm), sample_weight)",
        ("test_adversarial.py",),
    ),
    Fault(
        "MMD of two samples counts the cross term once",
        ("estimate = within_x - 2.0 * across + within_y",),
        "estimate = within_x - 1.0 * across + within_y",
        ("test_estimators.py",),
    ),
    Fault(
        "the virtual adversarial loss moves the fixed prediction as well",
        ("tf.nn.log_softmax(tf.stop_gradient(tf.cast(fixed, tf.float32)))",),
        "tf.nn.log_softmax(tf.cast(fixed, tf.float32))",
        ("test_virtual_adversarial.py",),
    ),
    Fault(
        "mutual information lowers the entropy of the marginal",
        ("- self.marginal_weight * marginal_entropy",),
        "+ self.marginal_weight * marginal_entropy",
        ("test_mutual_information.py",),
    ),
    Fault(
        "the encoder's adversarial gradient is dropped",
        ("return DivergenceTerms(encoder_loss, discriminator_loss, accuracy)",),
        "return DivergenceTerms(tf.stop_gradient(encoder_loss), discriminator_loss, accuracy)",
        ("test_adversarial.py", "test_trainer.py"),
    ),
    Fault(
        "the guard never doubles its limit",
        ("limit = self.guard.spike_factor * largest * tf.pow(2.0, spikes)",),
        "limit = self.guard.spike_factor * largest * tf.pow(1.0, spikes)",
        ("test_guard.py",),
    ),
    Fault(
        "steps of momentum are judged as steps without",
        ("return length / max(1.0 - self._momentum, 1e-3)",),
        "return length",
        ("test_guard.py", "test_updater.py"),
    ),
    Fault(
        "probabilities need not sum to 1",
        ("if abs(array.sum() - 1.0) > _TOLERANCE:",),
        "if abs(array.sum() - 1.0) > 1e9:",
        ("test_categorical_prior.py", "test_ring_mixture.py", "test_discrete.py"),
    ),
    Fault(
        "a folded seed is that of the row after it",
        ("before = _steps(int(index) + 1)[-1]",),
        "before = _steps(int(index) + 2)[-1]",
        ("test_counter_based.py",),
    ),
    Fault(
        "labels that are too large are not masked",
        ("return tf.where((labels >= 0) & (labels < count), labels, tf.constant(-1, tf.int64))",),
        "return tf.where(labels >= 0, labels, tf.constant(-1, tf.int64))",
        ("test_labelled_rows.py", "test_conditional.py", "test_sample.py"),
    ),
    Fault(
        "the class 0 is taken for no label",
        ("group = tf.where(labels < 0, tf.constant(groups - 1, tf.int64), labels)",),
        "group = tf.where(labels < 1, tf.constant(groups - 1, tf.int64), labels)",
        ("test_balance_classes.py",),
    ),
    Fault(
        "the last batch is lost",
        ("    steps = -(-n // batch_size)",),
        "    steps = n // batch_size",
        ("test_shuffled_batches.py", "test_batches.py"),
    ),
    Fault(
        "a request that does not fit joins the batch",
        ("if 0 < request.rows <= space:",),
        "if 0 < request.rows <= space + 1:",
        ("test_batching_session.py", "test_batch_thread_pool.py"),
    ),
    Fault(
        "outputs of a wrong number of rows are handed out",
        ("if array.shape[0] != rows:",),
        "if array.shape[0] < 0:",
        ("test_batching_errors.py", "test_batching_session.py"),
    ),
    Fault(
        "a REST client takes a lost connection for the server's mistake",
        ("return ServingError(grpc.StatusCode.UNAVAILABLE, message)",),
        "return ServingError(grpc.StatusCode.INTERNAL, message)",
        ("test_client_retries.py", "test_client.py", "test_dispatcher.py"),
    ),
    Fault(
        "the oldest versions are served",
        ("return set(sorted(there)[-self.num_versions :])",),
        "return set(sorted(there)[: self.num_versions])",
        ("test_version_policy.py", "test_model_config.py"),
    ),
    Fault(
        "an export is written under its final name",
        ("with publish(path) as staging:",),
        "for staging in [path]:",
        ("test_export.py",),
    ),
    Fault(
        "the clients' chunks overlap by a row",
        ("stop = min(start + batch_size, rows)",),
        "stop = min(start + batch_size + 1, rows)",
        ("test_client_chunks.py", "test_dispatcher.py"),
    ),
    Fault(
        "the reconstruction error is not halved",
        ("return 0.5 * tf.math.squared_difference(inputs, outputs)",),
        "return tf.math.squared_difference(inputs, outputs)",
        ("test_reconstruction_loss.py", "test_aae.py"),
    ),
)


def seed_fault(fault: Fault, package: Path) -> tuple[Path, str]:
    """Applies a fault to the package; returns the file and its text of before."""
    files = {path: path.read_text() for path in sorted(package.rglob("*.py"))}
    for old in fault.old:
        places = [path for path, text in files.items() if old in text]
        if len(places) == 1 and files[places[0]].count(old) == 1:
            path, text = places[0], files[places[0]]
            path.write_text(text.replace(old, fault.new))
            return path, text
    raise SystemExit(f"Expected a text of {fault.name!r} to occur once in {package}.")


def run_tests(checkout: Path, names: tuple[str, ...], markers: str) -> tuple[bool, float]:
    """Runs the test files of these names; tells whether they pass, and their seconds."""
    found = [path for path in sorted((checkout / "tests").rglob("test_*.py")) if path.name in names]
    if not found:
        raise SystemExit(f"Expected {checkout} to have one of {', '.join(names)}.")
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", markers]
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run([*command, *found], cwd=checkout, env=environment, capture_output=True)
    if run.returncode not in (0, 1):
        raise SystemExit(run.stdout.decode()[-2000:] + run.stderr.decode()[-2000:])
    return run.returncode == 0, time.monotonic() - start


def main() -> None:
    """Prints a row for every fault."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of faults")
    parser.add_argument("--markers", default="not slow")
    arguments = parser.parse_args()
    faults = [f for f in FAULTS if not arguments.only or any(o in f.name for o in arguments.only)]
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder, "checkout")
        ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache")
        shutil.copytree(arguments.checkout, checkout, ignore=ignored, symlinks=True)
        caught = 0
        print("| fault | file | caught | seconds |\n|---|---|---|---|")
        for fault in faults:
            path, text = seed_fault(fault, checkout / "aae_tf")
            passed, seconds = run_tests(checkout, fault.tests, arguments.markers)
            path.write_text(text)
            caught += not passed
            place = path.relative_to(checkout)
            answer = "no" if passed else "yes"
            print(f"| {fault.name} | {place} | {answer} | {seconds:.0f} |", flush=True)
        for names in sorted({fault.tests for fault in faults}):
            passed, seconds = run_tests(checkout, names, arguments.markers)
            print(f"Without a fault: {', '.join(names)} {'pass' if passed else 'FAIL'}", flush=True)
    print(f"{caught} of {len(faults)} caught")


if __name__ == "__main__":
    main()
