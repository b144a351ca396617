"""A picture of what was predicted: boxes on the photograph, and beside it a card with bars for each face."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from emotion_utils.data.contents import check_flag
from emotion_utils.errors import brief, check_whole, one_line
from emotion_utils.photos.prediction import Prediction
from emotion_utils.photos.reading import read_photo

BLUE, VERMILION, GREY, INK = "#0072B2", "#D55E00", "#BBBBBB", "#222222"  # Okabe and Ito's, as in all figures
CARD, ROW, GAP = 250, 17, 10  # pixels: a card's width, the height of a bar's row, the space between
SHORTEST = 240  # pixels of the shorter side: smaller pictures are enlarged
MOST_ROWS = 12  # classes on a card


def draw_predictions(
    image: Any, predictions: Sequence[Prediction], *, bars: bool = True, most_pixels: int = 1_500_000
) -> Image.Image:
    """Draw the photograph with a box and a label for each face, and a card of bars for each beside it.

    Boxes of predictions that abstain are dashed, in another colour, and their cards say why. Large photographs are
    scaled down, small ones up.

    Args:
        image: what was predicted from; whatever `read_photo` takes.
        predictions: of `predict_photo`.
        bars: add the cards, as many as there is room for.
        most_pixels: of the photograph in the drawing.

    Returns:
        A Pillow image of mode "RGB".

    Raises:
        TypeError: no predictions.
        ValueError: as `read_photo`; fewer than 10,000 pixels.
    """
    bars, most_pixels = check_flag(bars=bars), check_whole(10_000, most_pixels=most_pixels)
    predictions = [predictions] if isinstance(predictions, Prediction) else list(predictions)
    for each in predictions:
        if not isinstance(each, Prediction):
            raise TypeError(f"predictions: {brief(each)} is no Prediction; give what predict_photo returns.")
    photo = read_photo(image)
    scale = (most_pixels / (photo.width * photo.height)) ** 0.5
    scale = min(scale, max(1.0, SHORTEST / min(photo.width, photo.height)))
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    made = photo.image.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS)
    pen, font = ImageDraw.Draw(made), _font(13)
    for number, prediction in enumerate(predictions, 1):
        _draw_box(pen, prediction, scale, f"{number} " if len(predictions) > 1 else "", font, size)
    return _with_cards(made, predictions, photo.name) if bars and predictions else made


def _draw_box(
    pen: ImageDraw.ImageDraw, prediction: Prediction, scale: float, number: str, font: Any, size: tuple[int, int]
) -> None:
    if prediction.face is None:
        return
    box, colour = prediction.face.box, VERMILION if prediction.abstains else BLUE
    left, top = round(box.left * scale), round(box.top * scale)
    right, bottom = round(box.right * scale), round(box.bottom * scale)
    width = 2 if right - left < 80 else 3
    for shade, wide in (("white", width + 2), (colour, width)):
        _rectangle(pen, (left, top, right, bottom), shade, wide, dashed=prediction.abstains and shade == colour)
    text = number + ("?" if prediction.abstains else one_line(str(prediction.label), 16))
    wide, high = pen.textlength(text, font), 16
    x = min(max(left, 0), max(0, size[0] - wide - 6))
    y = top - high - 2 if top >= high + 2 else min(max(bottom + 2, 0), max(0, size[1] - high))
    pen.rectangle((x, y, x + wide + 6, y + high), fill=colour)
    pen.text((x + 3, y), text, fill="white", font=font)


def _rectangle(
    pen: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], colour: str, width: int, dashed: bool
) -> None:
    left, top, right, bottom = corners
    if not dashed:
        pen.rectangle(corners, outline=colour, width=width)
        return
    dash = max(4, (right - left) // 16)
    for start in range(left, right, 2 * dash):
        for y in (top, bottom):
            pen.line((start, y, min(start + dash, right), y), fill=colour, width=width)
    for start in range(top, bottom, 2 * dash):
        for x in (left, right):
            pen.line((x, start, x, min(start + dash, bottom)), fill=colour, width=width)


def _with_cards(picture: Image.Image, predictions: Sequence[Prediction], name: str | None) -> Image.Image:
    """Put cards to the right of the picture; what there is no room for is counted."""
    heights = [_card_height(each) for each in predictions]
    tall = max(picture.height, heights[0] + 2 * GAP, 200)
    made = Image.new("RGB", (picture.width + CARD + 2 * GAP, tall), "white")
    made.paste(picture, (0, 0))
    pen, y = ImageDraw.Draw(made), GAP
    x = picture.width + GAP
    for number, (prediction, height) in enumerate(zip(predictions, heights, strict=True), 1):
        left = len(predictions) - number
        if y + height + (ROW if left else 0) > tall:
            pen.text((x, min(y, tall - ROW)), f"and {left + 1} more", fill=INK, font=_font(13))
            break
        _draw_card(pen, prediction, x, y, f"{number}  " if len(predictions) > 1 else "")
        y += height + GAP
    return made


def _card_height(prediction: Prediction) -> int:
    if prediction.probabilities is None:
        return 2 * ROW
    return ROW * (min(len(prediction.classes), MOST_ROWS) + 1 + bool(prediction.reasons)) + 6


def _draw_card(pen: ImageDraw.ImageDraw, prediction: Prediction, x: int, y: int, number: str) -> None:
    colour = VERMILION if prediction.abstains else BLUE
    if prediction.probabilities is None:
        pen.text((x, y), number + "no face found", fill=colour, font=_font(14, bold=True))
        return
    title = "no answer" if prediction.abstains else f"{one_line(prediction.label, 18)}, {prediction.confidence:.0%}"
    pen.text((x, y), number + title, fill=colour, font=_font(14, bold=True))
    y += ROW + 2
    if prediction.reasons:
        pen.text((x, y), one_line(", ".join(prediction.reasons), 36), fill=INK, font=_font(12))
        y += ROW
    order = prediction.probabilities.argsort(descending=True)[:MOST_ROWS].tolist()
    shown = range(len(prediction.classes)) if len(prediction.classes) <= MOST_ROWS else order
    for index in shown:
        share = float(prediction.probabilities[index])
        pen.text((x, y), one_line(prediction.classes[index], 11), fill=INK, font=_font(12))
        start, longest = x + 82, CARD - 82 - 44
        pen.rectangle((start, y + 3, start + longest, y + ROW - 4), fill="#EEEEEE")
        if share >= 0.5 / longest:
            fill = colour if index == order[0] else GREY
            pen.rectangle((start, y + 3, start + round(share * longest), y + ROW - 4), fill=fill)
        pen.text((start + longest + 6, y), f"{share:.0%}", fill=INK, font=_font(12))
        y += ROW


def _font(size: int, bold: bool = False) -> Any:
    """Give the letters that matplotlib brings; Pillow's own know no accents."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    try:
        return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
    except OSError:
        return ImageFont.load_default()
