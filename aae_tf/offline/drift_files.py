"""`drift_files`: tests windows of the rows of files against the prior of an export."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aae_tf import priors
from aae_tf.checks import check_integer
from aae_tf.data.check_arrays import describe_non_finite
from aae_tf.detector.drift_monitor import FEWEST_CODES, DriftMonitor, DriftResult
from aae_tf.export import read_model_card
from aae_tf.offline.encoder import Encoder, open_session
from aae_tf.offline.rows import find_files, open_rows
from aae_tf.offline.tables import TableEncoder, is_table_signature

# The arguments of the variants that are the prior of the latents.
_LATENT_PRIORS = ("prior", "style_prior")

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def drift_files(
    export: str | os.PathLike[str],
    inputs: Paths,
    window: int = 1000,
    reference: Paths | None = None,
) -> Iterator[tuple[int, int, DriftResult]]:
    """Encodes the rows of files, and tests each window of them for drift.

    Args:
        export: path of a SavedModel with the signature `encode`, of a folder of versions, or of a
            root with such a folder "encoder" or "autoencoder". An export of an `AnomalyDetector`
            knows how far held-out codes are from the prior; another needs `reference`.
        inputs: files, or patterns of them, in order of time: .npy or TFRecord files of floats; of
            an export of a table CSV or Parquet files, whose further columns are not read.
        window: rows of a window, at least 50. The last window takes what is left of the rows.
        reference: files of rows without drift that were not trained on, to calibrate with.

    Yields:
        The number of the first row of a window, counted over all files, how many rows it has, and
        the result of its test.

    Raises:
        ValueError: if there is no such export or file, rows do not fit or are not finite, there
            are fewer than 50, or nothing tells how far held-out codes are from the prior.
    """
    check_integer("window", window, minimum=FEWEST_CODES)
    with open_session(export, "encode") as (session, identity):
        card = read_model_card(Path(identity["path"]))
        read: Callable[[Paths], Iterator[tuple[int, np.ndarray]]]
        if is_table_signature(session, "encode"):
            read = functools.partial(_encode_tables, TableEncoder(session, "encode"), window=window)
        else:
            read = functools.partial(_encode, Encoder(session, "encode", identity), window=window)
        if reference is not None:
            monitor = DriftMonitor(_latent_prior(card))
            batches = [codes for _, codes in read(reference)]
            monitor.fit(np.concatenate(batches))
        elif card.get("drift"):
            monitor = DriftMonitor.from_config(card["drift"])
        else:
            raise ValueError(
                "Expected `export` to be that of an AnomalyDetector, or `reference` to name rows "
                f"without drift. Received: export={os.fspath(export)!r}, reference=None."
            )
        for start, codes in read(inputs):
            yield start, len(codes), monitor.test(codes)


def _encode(encoder: Encoder, inputs: Paths, window: int) -> Iterator[tuple[int, np.ndarray]]:
    paths = find_files(inputs)
    rows = open_rows(paths, encoder.row_shape, None)
    count = sum(rows.counts)
    if rows.dtype.kind != "f" or count < FEWEST_CODES:
        raise ValueError(
            f"Expected `inputs` to hold at least {FEWEST_CODES} rows of floats, scaled as those "
            f"that were trained on. Received: {paths[0]} with {count} rows of {rows.dtype}."
        )
    # What is left of the rows, but is no window, belongs to the last one.
    starts = list(range(0, count - window + 1, window)) or [0]
    sizes = np.diff([*starts, count]).tolist()
    for start, batch in zip(starts, rows.batches(0, sizes), strict=True):
        floats = batch.astype(np.float32).reshape(-1, *encoder.row_shape)
        place = describe_non_finite(floats, f"rows {start} and later of {paths[0]}")
        if place is not None:
            raise ValueError(f"Expected `inputs` to have finite values. Received: {place}.")
        yield start, encoder.run(floats)["latents"]


def _encode_tables(
    encoder: TableEncoder, inputs: Paths, window: int
) -> Iterator[tuple[int, np.ndarray]]:
    start, codes = 0, np.zeros([0, 0], np.float32)
    paths = find_files(inputs)
    for answer in encoder.run_files(paths):
        part = answer["latents"]
        codes = np.concatenate([codes, part]) if len(codes) else part
        # What is left of the rows, but is no window, belongs to the last one.
        while len(codes) >= 2 * window:
            yield start, codes[:window]
            start, codes = start + window, codes[window:]
    if len(codes) < FEWEST_CODES:
        raise ValueError(
            f"Expected `inputs` to hold at least {FEWEST_CODES} rows. "
            f"Received: {paths[0]} with {len(codes)} rows."
        )
    yield start, codes


def _latent_prior(card: dict[str, Any]) -> Any:
    name = next(name for name in _LATENT_PRIORS if name in card["priors"])
    return priors.deserialize(card["priors"][name])
