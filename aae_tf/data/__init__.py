"""Data sets with their splits, subsets and batches of labels, and the checks that arrays pass."""

from aae_tf.data.balance_classes import balance_classes
from aae_tf.data.check_array import check_array
from aae_tf.data.check_labels import check_label_spec, check_labels
from aae_tf.data.dataset import Dataset
from aae_tf.data.dataset_not_found_error import DatasetNotFoundError
from aae_tf.data.labelled_subset import labelled_subset
from aae_tf.data.load import load
from aae_tf.data.mix_labels import mix_labels
from aae_tf.data.prepared import available
from aae_tf.data.shuffled_batches import shuffled_batches
from aae_tf.data.warn_class_frequencies import warn_class_frequencies

__all__ = [
    "Dataset",
    "DatasetNotFoundError",
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
]
