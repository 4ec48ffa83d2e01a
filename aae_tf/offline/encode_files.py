"""`encode_files`: runs a signature of a model over files of rows, in shards."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from aae_tf.checks import check_dimension, check_positive
from aae_tf.export.exportable import Exportable
from aae_tf.files import has_locks, lock_directory, make_directory
from aae_tf.offline.encoder import Encoder, open_encoder
from aae_tf.offline.manifest import Manifest, fingerprint
from aae_tf.offline.rows import Rows, find_files, name_row, open_rows
from aae_tf.offline.shards import Shard, ShardWriter, group_consecutive, plan_shards

# A second thread uses the cores while a run waits for memory or for its last rows.
_THREADS = 2

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def encode_files(
    model: Exportable | str | os.PathLike[str],
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    signature: str = "encode",
    batch_size: int = 1024,
    shards: int | None = None,
    divide_by: float | None = None,
    feature: str | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> dict[str, list[Path]]:
    """Encodes files that need not fit into memory, and resumes a job that was stopped.

    The model runs in a session, as TensorFlow Serving runs it. Rows are read in batches, of which
    a handful is in memory at a time, and written to `output` as shards, in the order of the rows:
    `latents-00000-of-00016.npy`, and likewise every other array that the signature gives, such as
    `class_probabilities`. A shard appears when it is complete and on the disk.

    After a kill the same call resumes the job: shards that exist stay, and the others are written,
    bit for bit as without the kill. After a row that was refused has been corrected in its file,
    the same call goes on, too: shards whose rows are the same stay. `manifest.json` in `output`
    names inputs, model and settings; another job is refused there. One process at a time works in
    a folder.

    Args:
        model: a model of this package; or an export: a SavedModel, the folder of its versions, of
            which the highest is taken, or a root that `export_servables` has written.
        inputs: files, or patterns such as "train-*.npy", whose files are sorted by name. Either
            .npy files of numbers [rows, ...], stored row by row, or TFRecord files, compressed
            with gzip or not, see `RecordDecoder`. Rows have the shape of the model's, are flat, or
            have dimensions of one left out or added.
        output: directory; made if it does not exist.
        signature: name of the signature to run: "encode", "classify", or any other that takes one
            float32 array, such as "reconstruct" and "score" of a combined export.
        batch_size: rows of one run.
        shards: number of shards; None for one per 65,536 rows.
        divide_by: divides the numbers, > 0; needed where they are integers: 255 turns 8-bit
            pixels into [0, 1], and 1 leaves them as they are.
        feature: name of the feature, where TFRecord files hold Examples with more than one.
        on_progress: called with the number of rows that are done and the number of all rows:
            first before anything is computed, then after each batch.

    Returns:
        The paths of the shards, in order, by the name of the array.

    Raises:
        ValueError: if an argument is wrong, a file is damaged or its rows do not fit the model,
            or `output` belongs to another job: nothing is written then. Later, if a row is not
            finite or a record is damaged: finished shards stay.
        TypeError: if `model` is neither a model nor a path.
        OSError: if a file cannot be read or written.
        RuntimeError: if the process was forked from one in which TensorFlow had run: it would wait
            for ever.

    Example:

        >>> import tempfile
        >>> import numpy as np
        >>> from aae_tf import AAE, networks, priors
        >>> folder = tempfile.mkdtemp()
        >>> np.save(f"{folder}/x.npy", np.random.default_rng(0).random((10, 4), np.float32))
        >>> encoder = networks.mlp_encoder((4,), units=(8,), seed=1)
        >>> decoder = networks.mlp_decoder((4,), code_dim=2, units=(8,), seed=2)
        >>> model = AAE(encoder, decoder, prior=priors.gaussian(2), seed=0)
        >>> paths = encode_files(model, f"{folder}/x.npy", f"{folder}/codes", shards=3)
        >>> [path.name for path in paths["latents"]][0]
        'latents-00000-of-00003.npy'
        >>> np.concatenate([np.load(path) for path in paths["latents"]]).shape
        (10, 2)
    """
    batch_size = check_dimension("batch_size", batch_size)
    shards = None if shards is None else check_dimension("shards", shards)
    divide_by = None if divide_by is None else check_positive("divide_by", divide_by)
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"Expected `output` to be a directory. Received: output={str(folder)!r}.")
    files = find_files(inputs)
    with open_encoder(model, signature) as encoder:
        rows = open_rows(files, encoder.row_shape, feature)
        _check_divide_by(divide_by, rows)
        plan = plan_shards(sum(rows.counts), shards)
        manifest = Manifest(
            model=encoder.identity,
            signature=signature,
            inputs=[
                {"path": str(path.absolute()), "rows": count, "sha256": fingerprint(path)}
                for path, count in zip(files, rows.counts, strict=True)
            ],
            rows=sum(rows.counts),
            feature=feature,
            divide_by=divide_by,
            shards=len(plan),
            outputs={name: output._asdict() for name, output in encoder.outputs.items()},
            batch_size=batch_size,
        )
        with _lock_output(folder):
            known = manifest.claim_folder(folder)
            digests = dict(known.rows_sha256)
            job = _Job(encoder, rows, folder, batch_size, divide_by, on_progress, digests)
            if known.input_hashes != manifest.input_hashes:
                job.remove_changed(plan)
                manifest.write(folder)
            try:
                job.run(plan)
            except ValueError:
                # The row that stopped the job will be corrected: the digests of the shards before
                # it tell then that their rows are the same.
                dataclasses.replace(manifest, rows_sha256=digests).write(folder)
                raise
            dataclasses.replace(manifest, finished=True).write(folder)
    return {name: [folder / shard.file_name(name) for shard in plan] for name in encoder.outputs}


def map_in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], threads: int
) -> Generator[_Result, None, None]:
    """Applies a function to items in threads, while the caller's thread makes the next items.

    At most `threads + 2` items are in memory: those that the function is applied to, one that
    waits for a thread, and one that is being made. No further item is made until the caller takes
    the next result.

    Args:
        function: the function; it may run in several threads at once.
        items: its arguments, made in the thread of the caller.
        threads: number of threads.

    Yields:
        The results, in the order of the items.
    """
    pending: collections.deque[Future[_Result]] = collections.deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                # So that the item is freed when the function has returned.
                del item
                if len(pending) > threads + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@dataclasses.dataclass(frozen=True)
class _Job:
    encoder: Encoder
    rows: Rows
    folder: Path
    batch_size: int
    divide_by: float | None
    on_progress: Callable[[int, int], object] | None
    digests: dict[str, str]

    def run(self, plan: Sequence[Shard]) -> None:
        """Writes the missing shards."""
        outputs = self.encoder.outputs
        missing = [shard for shard in plan if not shard.is_finished(self.folder, outputs)]
        total = plan[-1].stop
        done = total - sum(shard.stop - shard.start for shard in missing)
        self._report(done, total)
        for group in group_consecutive(missing):
            # The shards of a group share one stream: the first batches of a shard run while the
            # last ones of the shard before are written.
            batches = self._batches(group)
            with contextlib.closing(map_in_order(self._encode, batches, _THREADS)) as answers:
                for shard in group:
                    with ShardWriter(self.folder, shard, outputs) as writer:
                        for size in shard.batch_sizes(self.batch_size):
                            writer.write(next(answers))
                            done += size
                            self._report(done, total)

    def remove_changed(self, plan: Sequence[Shard]) -> None:
        """Removes the shards whose rows differ from those that were read, or may do so."""
        for shard in plan:
            if not shard.is_finished(self.folder, self.encoder.outputs):
                continue
            before = self.digests.pop(str(shard.index), None)
            if before is not None:
                for _ in self._batches([shard]):
                    pass
            if before is None or self.digests[str(shard.index)] != before:
                for name in self.encoder.outputs:
                    (self.folder / shard.file_name(name)).unlink()

    def _batches(self, shards: Sequence[Shard]) -> Iterator[tuple[int, np.ndarray]]:
        """Reads the rows of consecutive shards, each batch with the number of its first row."""
        start = shards[0].start
        sizes = [size for shard in shards for size in shard.batch_sizes(self.batch_size)]
        batches = self.rows.batches(start, sizes)
        for shard in shards:
            digest = hashlib.sha256()
            for _ in shard.batch_sizes(self.batch_size):
                batch = next(batches)
                digest.update(np.ascontiguousarray(batch).view(np.uint8).data)
                yield start, batch
                start += len(batch)
            self.digests[str(shard.index)] = digest.hexdigest()

    def _encode(self, numbered: tuple[int, np.ndarray]) -> dict[str, np.ndarray]:
        start, batch = numbered
        with np.errstate(over="ignore"):  # Numbers that overflow float32 are reported below.
            inputs = batch.astype(np.float32, copy=False)
        if self.divide_by is not None:
            inputs = inputs / np.float32(self.divide_by)
        if not np.isfinite(inputs).all():
            row = start + int(np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1).argmin())
            raise ValueError(
                f"Expected `inputs` to be finite. Received: {name_row(self.rows, row)}, counted "
                "from 0, which holds NaN or infinite values."
            )
        return self.encoder.run(inputs)

    def _report(self, done: int, total: int) -> None:
        if self.on_progress is not None:
            self.on_progress(done, total)


def _check_divide_by(divide_by: float | None, rows: Rows) -> None:
    if divide_by is None and rows.dtype.kind != "f":
        raise ValueError(
            "Expected `divide_by` where `inputs` are integers: 255 turns 8-bit pixels into [0, 1]. "
            f"Received: {rows.paths[0]} of {rows.dtype}, divide_by=None."
        )


@contextlib.contextmanager
def _lock_output(folder: Path) -> Iterator[None]:
    """Makes a directory and locks it for other processes until the end of the block."""
    make_directory(folder)
    with lock_directory(folder, wait=False) as locked:
        if not locked and has_locks(folder):
            raise ValueError(
                f"Expected one process to write `output` at a time. Received: {folder}, in which "
                "another is at work."
            )
        yield
