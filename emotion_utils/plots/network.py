"""A network drawn as blocks: how large its maps are, how many channels they have, what each layer costs."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Polygon
from torch import nn

from emotion_utils.errors import check_whole
from emotion_utils.models.handling import place_of, unwrap
from emotion_utils.models.shapes import Trace, trace_shapes
from emotion_utils.models.wiring import FUNCTION, IMAGE, Step, follow_steps
from emotion_utils.plots.figures import PALETTE, WIDTH, drawing, headline, short, show_figure

MOST_BLOCKS = 24  # beyond, neighbours are drawn as one
IN_A_ROW = 8
LONGEST_LABEL = 18  # characters
COLOURS = {"image": "#BBBBBB", "convolution": PALETTE["sky"], "pooling": PALETTE["orange"],
           "linear": PALETTE["green"], "function": PALETTE["purple"], "other": "#D9D9D9"}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """Neighbouring steps of a network that are drawn as one."""

    name: str  # of its first layer, or what the names of its layers begin with
    kind: str  # "Conv2d", "Conv2d, BatchNorm2d, ReLU", "12 layers"
    sort: str  # "image", "convolution", "pooling", "linear", "function" or "other": its colour
    shape: tuple[int, ...]  # of what it gives for one image: (K, h, w), (K,), …
    parameters: int
    multiply_adds: int  # for one image
    steps: tuple[int, ...]  # numbers of its steps, as `follow_steps` counts them; () for the image
    sources: tuple[int, ...]  # numbers of the blocks that it takes from

    @property
    def side(self) -> float:
        """Side of the drawn face, on a scale of doublings of the map's side (0 for a single number)."""
        area = math.prod(self.shape[1:]) if len(self.shape) > 1 else 1
        return math.log2(1 + math.sqrt(area)) if len(self.shape) > 1 else 0.0

    @property
    def depth(self) -> float:
        """Depth of the drawn block, in doublings of the channels."""
        return math.log2(1 + self.shape[0]) if self.shape else 0.0

    @property
    def label(self) -> str:
        """The last parts of the name, as many as there is room for."""
        parts = self.name.split(".")
        while len(parts) > 1 and len(".".join(parts)) > LONGEST_LABEL:
            parts = parts[1:]
        return short(".".join(parts), LONGEST_LABEL)

    @property
    def size(self) -> str:
        """The shape in words: "16 × 24 × 24"."""
        return " × ".join(map(str, self.shape)) or "1"


def network_blocks(
    model: nn.Module, input_shape: tuple[int, ...] = (1, 1, 48, 48), most_blocks: int = MOST_BLOCKS
) -> tuple[list[Block], Trace]:
    """Follow zeros through a network and gather its steps into blocks: the image first, then at most `most_blocks`.

    A step that keeps the shape and costs little (ReLU, batch norm, dropout) belongs to the block before it. Where that
    leaves too many blocks, those whose names begin alike become one.

    Raises:
        TypeError: not a network.
        ShapeError: a layer cannot take what the layer before it gives.
    """
    most = check_whole(2, most_blocks=most_blocks)
    trace = trace_shapes(model, input_shape)
    device, dtype = place_of(unwrap(model))
    steps = follow_steps(model, torch.zeros(trace.input_shape, device=device, dtype=dtype))
    groups = _few([[number] for number in range(len(steps))], _folds, steps)
    if len(groups) > most:
        groups = _by_name(groups, steps, most)
    if len(groups) > most:
        share = -(-len(groups) // most)
        groups = [[n for group in groups[i : i + share] for n in group] for i in range(0, len(groups), share)]
    home = {number: i + 1 for i, group in enumerate(groups) for number in group} | {IMAGE: 0}
    image = Block("image", "", "image", trace.input_shape[1:], 0, 0, (), ())
    return [image, *(_block(group, steps, home) for group in groups)], trace


def _few(groups: list[list[int]], joins, steps: Sequence[Step]) -> list[list[int]]:
    """Let each group join the one before it where `joins(before, group, steps)` says so."""
    made: list[list[int]] = []
    for group in groups:
        if made and joins(made[-1], group, steps):
            made[-1] = made[-1] + group
        else:
            made.append(list(group))
    return made


def _folds(before: list[int], group: list[int], steps: Sequence[Step]) -> bool:
    last, step = steps[before[-1]], steps[group[0]]
    same = step.output_shape == last.output_shape and step.sources == (before[-1],)
    return same and not step.multiply_adds and step.kind != FUNCTION


def _by_name(groups: list[list[int]], steps: Sequence[Step], most: int) -> list[list[int]]:
    """Join neighbours whose names begin alike, with as many parts of the name as leave few enough blocks."""
    deepest = max(step.name.count(".") for step in steps)
    joined = groups
    for parts in range(deepest, 0, -1):

        def alike(before: list[int], group: list[int], steps: Sequence[Step], parts: int = parts) -> bool:
            names = [steps[number].name.split(".") for number in (before[0], group[0])]
            return min(map(len, names)) > 1 and names[0][:parts] == names[1][:parts]

        joined = _few(groups, alike, steps)
        if len(joined) <= most:
            break
    return joined


def _block(group: list[int], steps: Sequence[Step], home: dict[int, int]) -> Block:
    mine = [steps[number] for number in group]
    sources = {home[source] for step in mine for source in step.sources} - {home[group[0]]}
    names = [step.name.split(".") for step in mine]
    folded = len({step.output_shape for step in mine}) == 1 and len(mine) <= 5
    name, kind = mine[0].name, ", ".join(step.kind for step in mine)
    if not folded:
        shared = 0
        while all(len(n) > shared + 1 and n[shared] == names[0][shared] for n in names):
            shared += 1
        name, kind = ".".join(names[0][: max(shared, 1)]), f"{len(mine)} steps"
    if mine[0].kind == FUNCTION:
        kind = kind.replace(FUNCTION, f"{mine[0].name.rpartition('.')[2]}(…)", 1)
    counted = {step.name: step.parameters for step in mine}  # a layer used twice has its weights once
    return Block(
        name or mine[0].kind, kind, _sort(mine), mine[-1].output_shape[1:], sum(counted.values()),
        sum(step.multiply_adds for step in mine), tuple(group), tuple(sorted(sources)),
    )  # fmt: skip


def _sort(steps: Sequence[Step]) -> str:
    kinds = [step.kind if step.kind != FUNCTION else step.name.rpartition(".")[2] for step in steps]
    for sort, words in {"convolution": ("conv",), "linear": ("linear", "matmul"), "pooling": ("pool", "mean")}.items():
        if any(word in kind.lower() for kind in kinds for word in words):
            return sort
    return "function" if steps[0].kind == FUNCTION else "other"


@drawing
def plot_network(
    model: nn.Module,
    input_shape: tuple[int, ...] = (1, 1, 48, 48),
    title: str | None = None,
    description: str | None = None,
) -> None:
    """Draw a network as blocks, to scale: the side of a map's face grows by the same step each time the map doubles,
    the depth each time its channels double. Arcs are connections that leave blocks out.

    Args:
        model: any network that `trace_shapes` can follow; functions that change a shape or join branches are shown too.
        input_shape: shape of a batch of images, `(N, channels, height, width)`.
        title: the message of the figure; counts the parameters where it is missing.
        description: what the figure shows; a plain one is made up where it is missing.

    Raises:
        TypeError, ShapeError: see `network_blocks`.
    """  # fmt: skip
    blocks, trace = network_blocks(model, input_shape)
    fig = draw_blocks(blocks, title or headline_of(model, trace))
    show_figure(fig, description or describe_network(model, blocks, trace), markup=False)


def headline_of(model: nn.Module, trace: Trace) -> str:
    """Say in a line what a network is called and what it costs."""
    name = short(type(unwrap(model)).__name__)
    return f"{name}: {trace.total_parameters:,} parameters, {trace.total_multiply_adds:,} multiply-adds an image"


def describe_network(model: nn.Module, blocks: Sequence[Block], trace: Trace) -> str:
    """Say in words what the drawing shows: one sentence, and one with the shapes along the way."""
    way = list(dict.fromkeys(block.size for block in blocks))
    shown = way if len(way) <= 9 else [*way[:5], "…", *way[-3:]]
    return (
        f"{headline_of(model, trace)}, drawn as {len(blocks) - 1} blocks to scale. From the image to the output the "
        f"shapes are {', '.join(shown)}."
    )


def draw_blocks(blocks: Sequence[Block], title: str):
    """Draw blocks in rows of eight, each with its name, shape and parameters; returns the figure, still open."""
    rows = [blocks[start : start + IN_A_ROW] for start in range(0, len(blocks), IN_A_ROW)]
    fig, axes = plt.subplots(len(rows), 1, figsize=(WIDTH, 1.75 * len(rows) + 0.5), squeeze=False)
    largest = max(block.side for block in blocks) or 1.0
    for number, (axis, row) in enumerate(zip(axes[:, 0], rows, strict=True)):
        _draw_row(axis, row, number * IN_A_ROW, largest)
    fig.suptitle(headline(title))
    return fig


def _draw_row(axis: Axes, row: Sequence[Block], first: int, largest: float) -> None:
    """Draw a row in a space of 72 units for each block, the middle of the blocks at height 0."""
    axis.set(xlim=(0, 72 * IN_A_ROW), ylim=(-78, 52))
    axis.set_aspect("equal")
    axis.set_axis_off()
    for i, block in enumerate(row):
        middle = 72 * i + 36
        _draw_block(axis, block, middle, largest)
        lines = [block.label, block.size]
        lines += [short(re.sub(r"(?<=[a-z])[123]d\b", "", block.kind), 21)] * bool(block.kind)
        lines += [f"{block.parameters:,} parameters"] * bool(block.parameters)
        for line, text in enumerate(lines):
            weight = "bold" if line == 0 else "normal"
            axis.text(middle, -42 - 9 * line, text, ha="center", va="top", fontsize=6.6, fontweight=weight)
        for source in block.sources:
            _connect(axis, source - first, i)


def _draw_block(axis: Axes, block: Block, middle: float, largest: float) -> None:
    colour = COLOURS[block.sort]
    depth = max(3.0, 3.4 * block.depth)
    if block.side:
        side, slant = 44 * block.side / largest, 0.38
        lean = side * slant
        left, right, low, high = middle - (depth + lean) / 2, middle + (depth - lean) / 2, -side / 2 - 4, side / 2 - 4
        up = lean * 0.6
        faces = (
            ([(left, low), (right, low), (right, high), (left, high)], 1.0),
            ([(left, high), (right, high), (right + lean, high + up), (left + lean, high + up)], 0.55),
            ([(right, low), (right + lean, low + up), (right + lean, high + up), (right, high)], 0.8),
        )
    else:  # a list of numbers: a bar
        half = max(4.0, 3.2 * block.depth)
        faces = (([(middle - 4, -half), (middle + 4, -half), (middle + 4, half), (middle - 4, half)], 1.0),)
    for corners, strength in faces:
        axis.add_patch(Polygon(corners, closed=True, facecolor=_faded(colour, strength), edgecolor="#333333", lw=0.7))


def _faded(colour: str, strength: float) -> tuple[float, ...]:
    return tuple(1 - strength + strength * int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _connect(axis: Axes, source: int, target: int) -> None:
    """Draw the arrow from one block of the row to another; from an earlier row it comes in at the left."""
    end = 72 * target + 36
    if source == target - 1 and source >= 0:
        axis.annotate("", (end - 24, -4), (end - 48 + 2, -4), arrowprops={"arrowstyle": "->", "lw": 0.9})
    elif source >= 0:
        bend = max(-0.35, -0.9 / (target - source))
        arc = FancyArrowPatch(
            (72 * source + 36, 30), (end, 30), connectionstyle=f"arc3,rad={bend}", arrowstyle="->",
            mutation_scale=7, lw=0.9, color=PALETTE["vermilion"], clip_on=False,
        )  # fmt: skip
        axis.add_patch(arc)
    else:
        axis.annotate("", (end - 24, -4), (max(0, end - 40), -4), arrowprops={"arrowstyle": "->", "lw": 0.9, "ls": ":"})
