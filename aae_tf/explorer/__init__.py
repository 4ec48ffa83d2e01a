"""The explorer: a page in the browser in which codes are dragged and decoded while they move."""

from aae_tf.explorer.explorer import Explorer

__all__ = ["Explorer"]
