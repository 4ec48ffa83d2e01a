"""The legend of codes."""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from aae_tf.evaluation.canvas import FONT_SIZE
from aae_tf.evaluation.label_groups import MANY_CLASSES, PALETTE, LabelGroup
from aae_tf.evaluation.latent_view import INK


def add_latent_key(
    figure: Figure,
    axes: Sequence[Axes],
    groups: Sequence[LabelGroup],
    has_prior: bool,
    has_heads: bool = False,
) -> None:
    """Names the colours of codes, in a legend, or where they are many on a colour bar.

    Args:
        figure: of the axes.
        axes: what it is the key of; a legend stands at the right of the first.
        groups: of the codes.
        has_prior: whether there are contours to explain.
        has_heads: whether there are cluster heads.
    """
    shown = [group for group in groups if group.name]
    handles: list[Artist] = []
    if len(shown) > len(PALETTE) + 1:
        classes = [int(group.name) for group in shown if group.name != "unknown"]
        scale = ScalarMappable(Normalize(classes[0], classes[-1]), MANY_CLASSES)
        figure.colorbar(scale, ax=list(axes), shrink=0.8).set_label("class", fontsize=FONT_SIZE)
    else:
        handles += [Patch(color=group.color, label=group.name) for group in shown]
    if has_prior:
        handles.append(Line2D([], [], color=INK, linewidth=1.0, label="prior"))
    if has_heads:
        handles.append(
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                markerfacecolor="white",
                markeredgecolor=INK,
                label="head",
            )
        )
    if handles:
        # Beside the axes and not the figure: the layout then keeps room for the axis labels.
        axes[0].legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize=FONT_SIZE,
            handlelength=1.0,
        )
