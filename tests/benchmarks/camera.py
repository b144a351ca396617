"""What the kernel does with one frame of a camera, in milliseconds: reading, finding, predicting, Grad-CAM.

    python tests/benchmarks/camera.py [fer2013 ferplus synthetic]

Frames are those of the drawn film, 320 × 240 pixels, as JPEG, as the browser sends them; one thread. The median and the
fastest of all frames are printed, and the frames a second that the median leaves room for. Grad-CAM is computed five
times a second, whatever the rate of frames, so its share of a frame is smaller.
"""

import io
import statistics
import sys

from PIL import Image

from emotion_utils.photos import finders
from emotion_utils.widgets import drawn_film
from emotion_utils.widgets.camera import HEAT_EVERY
from emotion_utils.widgets.frames import FrameReader

SIZE = (320, 240)
ROUNDS = 4


def as_sent(frame) -> bytes:
    """Encode a frame as the browser does."""
    file = io.BytesIO()
    Image.fromarray(frame.numpy()).resize(SIZE, Image.Resampling.BILINEAR).convert("RGB").save(
        file, format="jpeg", quality=80
    )
    return file.getvalue()


def main(models: list[str]) -> None:
    """Print a line for each network."""
    frames = [as_sent(frame) for frame in drawn_film()]
    print(f"finder: {', '.join(finders()[:1]) or 'none'}; a frame has {statistics.mean(map(len, frames)):,.0f} bytes")
    parts = ("read", "find", "predict", "explain")
    print(f"{'network':10}  " + "  ".join(f"{part:>15}" for part in parts) + "  frames/s  with Grad-CAM")
    for model in models:
        reader = FrameReader(model, overlay=True)
        seen = [reader.read(frame, number / 10) for number, frame in enumerate(frames * ROUNDS)]
        spent = {part: [answer.milliseconds[part] for answer in seen] for part in parts}
        middle = {part: statistics.median(values) for part, values in spent.items()}
        cells = "  ".join(f"{middle[part]:6.1f} ({min(spent[part]):6.1f})" for part in parts)
        plain = sum(middle[part] for part in parts[:3])
        both = (1000 - middle["explain"] / HEAT_EVERY) / plain
        print(f"{model:10}  {cells}  {1000 / plain:8.1f}  {both:13.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["fer2013", "synthetic"])
