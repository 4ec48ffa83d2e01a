"""`StoredRows`: rows of a table that stay in a file until a batch needs them."""

from __future__ import annotations

import math
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.tables.schema import TableSchema

if TYPE_CHECKING:
    import tensorflow as tf

    from aae_tf.data.table_store import TableStore

# Rows that follow each other in the file, and how many such blocks are shuffled together.
_BLOCK, _BLOCKS = 1024, 64
# Rows turned into features at a time.
_ROWS = 8192
# Bytes of features above which reading them all at once is warned of.
_LARGEST_WHOLE = 2**30


class StoredRows:
    """Rows of a table whose features are computed as they are read.

    `data.shuffled_batches` and `data.mix_labels` take them like an array; `x[:10]` and `x[rows]`
    are rows as well, and `np.asarray`, and with it `fit(x)`, computes their features, all at once;
    above 1 GiB of them a warning says so.

    Args:
        store: the rows as numbers.
        rows: int64 [n], numbers of the rows.
        schema: the columns.

    Attributes:
        shape: (n, width of the features).
        dtype: float32.
        checksum: of what the rows and their features are.
    """

    def __init__(self, store: TableStore, rows: np.ndarray, schema: TableSchema) -> None:
        self.store = store
        self.rows = rows
        self.schema = schema
        self.dtype = np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of features."""
        return len(self.rows), self.schema.width

    @property
    def checksum(self) -> int:
        """What tells these rows and features from others."""
        text = f"{self.store.key}{self.schema.to_json()}".encode()
        return zlib.crc32(np.ascontiguousarray(self.rows).data, zlib.crc32(text))

    def __getitem__(self, rows: slice | np.ndarray) -> StoredRows:
        return StoredRows(self.store, self.rows[rows], self.schema)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        size = 4 * math.prod(self.shape)
        if size > _LARGEST_WHOLE:
            warnings.warn(
                f"All {len(self)} rows of a streamed table are read into memory, "
                f"{size / 1e9:.1f} GB of features: give `fit` batches of them, "
                "data.shuffled_batches(x, batch_size=1000).",
                UserWarning,
                stacklevel=2,
            )
        features = np.empty(self.shape, np.float32)
        for i in range(0, len(self), _ROWS):
            features[i : i + _ROWS] = self._features(self.store.read(self.rows[i : i + _ROWS]))
        return features if dtype is None else features.astype(dtype)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Draws an order of the rows in which those of a batch are near each other in the file.

        Blocks of 1,024 rows are permuted, and the rows of 64 blocks at a time, so that a batch
        has rows of 64 places of the file. Reading one by one from all over a file that does not fit
        into memory would take longer than a training step.

        Returns:
            int64 [n].
        """
        starts = rng.permutation(np.arange(0, len(self), _BLOCK))
        parts = []
        for i in range(0, len(starts), _BLOCKS):
            chosen = starts[i : i + _BLOCKS, None] + np.arange(_BLOCK)
            parts.append(rng.permutation(chosen[chosen < len(self)]))
        return np.concatenate(parts)

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """Reads rows in a pipeline.

        Args:
            rows: int64 [batch], their places among these.

        Returns:
            float32 [batch, width].
        """
        import tensorflow as tf

        values = tf.numpy_function(
            lambda places: self.store.read(self.rows[places]), [rows], tf.float64, stateful=False
        )
        features = self._features(tf.ensure_shape(values, [None, len(self.store.names)]))
        return tf.ensure_shape(features, [None, self.schema.width])

    def _features(self, values: Any) -> Any:
        from aae_tf.tables.features import stored_features

        return stored_features(self.schema, values, self.store.places, self.store.texts)
