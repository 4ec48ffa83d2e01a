"""Data sets with their splits, subsets and batches of labels, and the checks that arrays pass."""

from aae_tf.data.balance_classes import balance_classes, labelled_subset
from aae_tf.data.batches import mix_labels, shuffled_batches
from aae_tf.data.check_arrays import check_array
from aae_tf.data.check_labels import check_label_spec, check_labels
from aae_tf.data.class_frequencies import warn_class_frequencies
from aae_tf.data.datasets import Dataset, load
from aae_tf.data.sources import DatasetNotFoundError, available
from aae_tf.data.windows import Windows, windows
from aae_tf.tables.column import Column
from aae_tf.tables.schema import TableSchema

__all__ = [
    "Column",
    "Dataset",
    "DatasetNotFoundError",
    "TableSchema",
    "Windows",
    "available",
    "balance_classes",
    "check_array",
    "check_label_spec",
    "check_labels",
    "labelled_subset",
    "load",
    "mix_labels",
    "shuffled_batches",
    "warn_class_frequencies",
    "windows",
]
