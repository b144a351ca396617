"""Which expression does an exported network see in a picture of a face? `python run_onnx.py model.onnx face.png …`

This needs onnxruntime, numpy and Pillow, and no PyTorch. The picture is to show one face, cut out closely.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def predict(session, path):
    """Return the probabilities (C,) that the network gives for one picture."""
    pixels = session.get_inputs()[0]  # its shape is ("batch", 1, 48, 48)
    picture = ImageOps.exif_transpose(Image.open(path)).convert("L")  # upright, grey
    picture = ImageOps.fit(picture, (pixels.shape[3], pixels.shape[2]), Image.Resampling.BICUBIC)  # the middle square
    kind = np.uint8 if "uint8" in pixels.type else np.float32
    batch = np.asarray(picture, dtype=kind)[None, None]  # (1, 1, 48, 48), 0 black to 255 white
    return session.run(None, {pixels.name: batch})[0][0]


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    names = json.loads(session.get_modelmeta().custom_metadata_map["names"])
    for path in sys.argv[2:]:
        probabilities = predict(session, path)
        best = int(probabilities.argmax())
        print(f"{path}: {names[best] if names else best}, {probabilities[best]:.0%}")
