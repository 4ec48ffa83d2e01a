"""`encode_tables`: runs a signature of a model of a table over CSV and Parquet files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf.checks import check_dimension, import_extra
from aae_tf.column_arrays import as_column, strings_of
from aae_tf.data.table_parts import TABLES, read_parts
from aae_tf.data.table_store import parse_numbers
from aae_tf.export import SavedModelSession
from aae_tf.export.exportable import Exportable
from aae_tf.files import PARTIAL, make_directory, rename_and_sync, sync
from aae_tf.offline.encoder import open_session
from aae_tf.offline.rows import find_files

_SUFFIXES = (".csv", ".parquet")


def encode_tables(
    model: Exportable | str | os.PathLike[str],
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    signature: str = "encode",
    batch_size: int = 8192,
    on_progress: Callable[[int], object] | None = None,
) -> int:
    """Encodes tables that need not fit into memory, into one table.

    Files are read in parts of 100,000 rows. The output appears when it is complete; a file that is
    there is replaced.

    Args:
        model: a model with `table`, or an export of one, see `encode_files`.
        inputs: CSV, Parquet or TFRecord files, or patterns of them; columns that the model does
            not take are not read.
        output: a file that ends in .csv or .parquet, with a row for each row of the inputs, in
            their order: the arrays that the signature gives, [rows] as a column of their name,
            [rows, n] as columns "latents_0" and so on, sorted by the names of the arrays.
        signature: name of the signature to run: "encode", "classify", "score", "reconstruct".
        batch_size: rows of one run.
        on_progress: called with the number of rows that are done after each part.

    Returns:
        The number of rows.

    Raises:
        ValueError: if a file cannot be read, lacks a column, or holds a value of another kind; the
            message names file, row and column. Nothing is written then.
        TypeError: if `model` is neither a model nor a path.
        ImportError: if the extra `data` is not installed.
        OSError: if a file cannot be written.
    """
    batch_size = check_dimension("batch_size", batch_size)
    path = Path(output)
    if path.suffix not in _SUFFIXES or path.is_dir():
        raise ValueError(
            f"Expected `output` to be a file that ends in {' or '.join(_SUFFIXES)}. "
            f"Received: output={str(path)!r}."
        )
    paths = find_files(inputs)
    if path.exists() and any(path.samefile(each) for each in paths):
        raise ValueError(
            "Expected `output` to be none of the inputs, which it would replace. "
            f"Received: output={str(path)!r}."
        )
    make_directory(path.parent)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    # A killed process of the same number may have left one, and rows are appended.
    partial.unlink(missing_ok=True)
    rows = 0
    try:
        with (
            open_session(model, signature) as (session, _),
            contextlib.closing(_Writer(partial, path.suffix)) as writer,
        ):
            for answer in TableEncoder(session, signature).run_files(paths, batch_size):
                writer.write(answer)
                rows += len(next(iter(answer.values())))
                if on_progress is not None:
                    on_progress(rows)
        if not rows:
            raise ValueError(f"Expected `inputs` to hold rows. Received: {paths[0]}, empty.")
        sync(partial)
        rename_and_sync(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def is_table_signature(session: SavedModelSession, signature: str) -> bool:
    """Tells whether a signature takes columns: arrays of one value in each row."""
    inputs = session.signatures[signature].inputs.values()
    return all(len(info.tensor_shape.dim) == 1 for info in inputs)


class TableEncoder:
    """A signature that takes the columns of a table, in a session.

    Args:
        session: the session that runs it.
        signature: name of the signature.

    Raises:
        ValueError: if the signature takes anything else.
    """

    def __init__(self, session: SavedModelSession, signature: str) -> None:
        if not is_table_signature(session, signature):
            raise ValueError(
                "Expected `inputs` to be .npy or TFRecord files for a model of arrays. "
                f"Received: tables for {signature!r} of {session.path}."
            )
        self.signature = signature
        self._session = session
        self._is_text = {
            name: info.dtype == tf.string.as_datatype_enum
            for name, info in session.signatures[signature].inputs.items()
        }

    def run_files(
        self, paths: Sequence[Path], batch_size: int = 8192
    ) -> Iterator[dict[str, np.ndarray]]:
        """Runs the signature on the rows of files, part by part.

        Yields:
            Arrays [rows, ...] by name.

        Raises:
            ValueError: if a file is no table, lacks a column, or holds a value of another kind.
        """
        texts = [name for name, is_text in self._is_text.items() if is_text]
        for path in paths:
            if path.suffix not in TABLES:
                raise ValueError(
                    f"Expected `inputs` to be files that end in {', '.join(TABLES)} for a "
                    f"model of a table. Received: {path}."
                )
            first = 0
            for frame in read_parts(str(path), texts):
                columns = self._columns(frame, path, first)
                for start in range(0, len(frame), batch_size):
                    batch = slice(start, start + batch_size)
                    rows = {name: column[batch] for name, column in columns.items()}
                    yield self._session.run(self.signature, rows)
                first += len(frame)

    def _columns(self, frame: Any, path: Path, first_row: int) -> dict[str, np.ndarray]:
        missing = [name for name in self._is_text if name not in frame]
        if missing:
            raise ValueError(
                f"Expected {path} to have the columns of the model: "
                f"{', '.join(map(repr, self._is_text))}. "
                f"Received: no {', '.join(map(repr, missing))}."
            )
        columns = {}
        for name, is_text in self._is_text.items():
            place = f"column {name!r} of {path}"
            column = as_column(frame[name], place)
            if is_text:
                # A part without a value is read as numbers.
                is_empty = column.dtype.kind == "f" and np.isnan(column).all()
                columns[name] = (
                    np.full(len(column), "", object) if is_empty else strings_of(column, place)
                )
            else:
                with np.errstate(over="ignore"):
                    columns[name] = parse_numbers(column, place, first_row).astype(np.float32)
        return columns


class _Writer:
    """Writes arrays as the rows of a CSV or a Parquet file, part by part."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._pandas = import_extra("pandas", "data", "encode_tables")
        self._path = path
        self._is_csv = suffix == ".csv"
        self._parquet: Any = None
        self._is_first = True

    def write(self, arrays: dict[str, np.ndarray]) -> None:
        """Writes rows."""
        columns: dict[str, np.ndarray] = {}
        # A session gives them in any order.
        for name, array in sorted(arrays.items()):
            if array.dtype.kind == "O":
                array = np.array([text.decode("utf-8", "replace") for text in array], object)
            flat = array.reshape(len(array), -1)
            names = [name] if array.ndim == 1 else [f"{name}_{i}" for i in range(flat.shape[1])]
            columns |= dict(zip(names, flat.T, strict=True))
        frame = self._pandas.DataFrame(columns)
        if self._is_csv:
            frame.to_csv(self._path, mode="a", index=False, header=self._is_first)
        else:
            arrow = import_extra("pyarrow", "data", "encode_tables")
            table = arrow.Table.from_pandas(frame, preserve_index=False)
            if self._parquet is None:
                parquet = import_extra("pyarrow.parquet", "data", "encode_tables")
                self._parquet = parquet.ParquetWriter(self._path, table.schema)
            self._parquet.write_table(table)
        self._is_first = False

    def close(self) -> None:
        """Ends the file."""
        if self._parquet is not None:
            self._parquet.close()
