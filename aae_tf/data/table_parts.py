"""Tables read part by part: CSV and Parquet files, and TFRecord files of Examples."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from aae_tf.checks import import_extra

# Endings of the names of tables.
TABLES = (".csv", ".parquet", ".tfrecord")
# Rows that are read at a time.
ROWS = 100_000


def read_parts(path: str, texts: Sequence[str] = ()) -> Generator[Any, None, None]:
    """Reads a table part by part, as frames of 100,000 rows.

    Args:
        path: a CSV or Parquet file; or a TFRecord file, not compressed, of `tf.train.Example`s,
            each a row whose features are the columns, with one value or, where it is missing, none.
        texts: names of columns of a CSV file that are text, also where they look like numbers.

    Raises:
        ValueError: if the file cannot be read; the message names it.
    """
    pandas = import_extra("pandas", "data", "data.load of a table")
    try:
        with contextlib.ExitStack() as stack:
            if path.endswith(".csv"):
                reader = pandas.read_csv(
                    path,
                    # A byte order mark, which some programs write first, is not of the header.
                    encoding="utf-8-sig",
                    dtype=dict.fromkeys(texts, str),
                    chunksize=ROWS,
                    low_memory=False,
                )
                parts = stack.enter_context(reader)
            elif path.endswith(".parquet"):
                parquet = import_extra("pyarrow.parquet", "data", "data.load of a table")
                file = stack.enter_context(parquet.ParquetFile(path))
                parts = (batch.to_pandas() for batch in file.iter_batches(batch_size=ROWS))
            else:
                parts = map(pandas.DataFrame, _read_examples(path))
            for frame in parts:
                frame.columns = list(map(str, frame.columns))
                yield frame
    # What is damaged surfaces as an error of the parser, of Arrow, or of the encoding.
    except (ValueError, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(f"Expected {path} to be a table. Received: {reason}.") from error


def _read_examples(path: str) -> Iterator[dict[str, list[Any]]]:
    """Reads Examples as columns; the columns are the features of the first part."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    names: list[str] = []
    first = 0
    records = tf.data.TFRecordDataset(path).as_numpy_iterator()
    try:
        while part := list(itertools.islice(records, ROWS)):
            rows = [
                _read_row(tf.train.Example.FromString(record), first + number)
                for number, record in enumerate(part)
            ]
            names = names or sorted({name for row in rows for name in row})
            for number, row in enumerate(rows):
                if not names or not row.keys() <= set(names):
                    raise ValueError(
                        f"record {first + number} of features {sorted(row)}, beside {names}"
                    )
            yield {name: [row.get(name) for row in rows] for name in names}
            first += len(part)
    except (tf.errors.OpError, DecodeError) as error:
        raise ValueError(f"no TFRecord file of Examples, {error}") from error


def _read_row(example: Any, number: int) -> dict[str, Any]:
    row = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = getattr(feature, kind).value if kind else ()
        if len(values) > 1:
            raise ValueError(f"record {number} with {len(values)} values of feature {name!r}")
        value = values[0] if values else None
        row[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return row
