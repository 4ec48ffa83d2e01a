"""The legend of a figure of codes: classes, the prior's mass within each contour, heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aae_tf.evaluation.canvas import FONT_SIZE, LINE_COLOR, shorten
from aae_tf.evaluation.class_colors import COLORMAP, PALETTE, LabelGroup

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aae_tf.evaluation.latent_view import LatentView


def add_legend(
    figure: Figure,
    axes: Sequence[Axes],
    groups: Sequence[LabelGroup],
    view: LatentView,
    has_heads: bool = False,
    num_outside: int = 0,
) -> None:
    """Adds the legend of a figure of codes; more than ten classes get a colour bar instead.

    Args:
        figure: of the axes.
        axes: that the legend explains; it stands at the right of the first.
        groups: of the codes.
        view: that drew the codes.
        has_heads: whether the figure shows cluster heads.
        num_outside: number of codes that lie outside the axes.
    """
    handles, texts, headings = _entries(groups, view, has_heads, num_outside)
    classes = [group for group in groups if group.label >= 0]
    if len(classes) > len(PALETTE):
        _add_color_bar(figure, axes, classes)
    if not handles:
        return
    # A legend of the figure would take the space of the axis labels; one of the axes does not.
    legend = axes[0].legend(
        handles=handles,
        labels=["-"] * len(handles),
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        fontsize=FONT_SIZE,
        handlelength=1.0,
        handleheight=0.8,
    )
    # A name may begin with an underscore, which Matplotlib leaves out, or hold dollar signs, which
    # it takes for mathematics.
    for position, (entry, text) in enumerate(zip(legend.get_texts(), texts, strict=True)):
        entry.set_parse_math(False)
        entry.set_text(text)
        if position in headings:
            entry.set_color("0.4")


def _entries(
    groups: Sequence[LabelGroup], view: LatentView, has_heads: bool, num_outside: int
) -> tuple[list[Artist], list[str], set[int]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = []
    texts: list[str] = []
    headings: set[int] = set()

    def add(handle: Artist, text: str) -> None:
        handles.append(handle)
        texts.append(text)

    def add_heading(text: str) -> None:
        headings.add(len(texts))
        add(Line2D([], [], linestyle="none"), text)

    named = [group for group in groups if group.name]
    if sum(group.label >= 0 for group in named) > len(PALETTE):
        named = [group for group in named if group.label < 0]
    if named:
        add_heading("class")
    for group in named:
        add(Patch(color=group.color), shorten(group.name))
    if view.contours:
        add_heading("prior's mass within")
    for contour in reversed(view.contours):
        swatch = Patch(facecolor=contour.fill, edgecolor=contour.line, linewidth=0.8)
        add(swatch, contour.name)
    if view.has_curve:
        add(Line2D([], [], color=LINE_COLOR, linewidth=1.2), "prior")
    if has_heads:
        head = Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            markerfacecolor="white",
            markeredgecolor=LINE_COLOR,
        )
        add(head, "cluster head")
    if num_outside:
        noun = "code" if num_outside == 1 else "codes"
        add_heading(f"{num_outside:,} {noun} outside,")
        add_heading("shown on the frame")
    return handles, texts, headings


def _add_color_bar(figure: Figure, axes: Sequence[Axes], classes: Sequence[LabelGroup]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(classes[0].label, classes[-1].label), COLORMAP)
    bar = figure.colorbar(scale, ax=list(axes), shrink=0.8)
    bar.set_label("class", fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1)
