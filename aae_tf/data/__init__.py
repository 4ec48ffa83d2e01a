"""Data sets with their splits, subsets of labels, and the check that every array passes."""

from aae_tf.data.check_array import check_array
from aae_tf.data.dataset import Dataset
from aae_tf.data.dataset_not_found_error import DatasetNotFoundError
from aae_tf.data.labelled_subset import labelled_subset
from aae_tf.data.load import load
from aae_tf.data.prepared import available

__all__ = [
    "Dataset",
    "DatasetNotFoundError",
    "available",
    "check_array",
    "labelled_subset",
    "load",
]
