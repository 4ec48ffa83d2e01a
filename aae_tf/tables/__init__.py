"""Tables of mixed columns: their schema, inferred from data, and the arrays of their columns."""

from aae_tf.tables.column import Column
from aae_tf.tables.columns import to_columns
from aae_tf.tables.schema import TableSchema

__all__ = ["Column", "TableSchema", "to_columns"]
