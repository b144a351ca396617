"""Draw faces: from who, what and how to a picture, for a whole batch at once."""

from types import SimpleNamespace

import torch
from torch import Tensor

from emotion_utils.faces.action_units import ActionUnits
from emotion_utils.faces.camera import background, develop, occlude
from emotion_utils.faces.capture import Capture
from emotion_utils.faces.geometry import face_shape, look, pose
from emotion_utils.faces.paint import blend, body, ears, eyes, glasses, hair_layers, light, mouth, shade, skin
from emotion_utils.faces.people import Identity
from emotion_utils.faces.relief import feature_coordinates, ramp, relief
from emotion_utils.faces.truth import landmarks, region_masks

BATCH = 128  # faces drawn at once at 48 pixels; more would leave the processor's cache


def _draw(identity: Identity, units: ActionUnits, capture: Capture, size: int) -> tuple[Tensor, SimpleNamespace]:
    """Draw one batch; return uint8 images and what is needed to tell where things are."""
    s, p = face_shape(identity, units), pose(capture)
    light(p)
    seen = look(s, p, size)
    px = 2 / (size * p.scale)
    soft = (1.3 * px).expand(-1, 1, 1)
    f = feature_coordinates(s, seen, p, px)
    height, reach = relief(f, s, p)

    albedo = skin(f, s, size)
    albedo = mouth(albedo, f, s, soft)
    albedo, open_eye = eyes(albedo, f, s, p, soft)
    z = seen.z * p.cos_yaw - seen.u * p.sin_yaw + height + (0.0007 + 0.0010 * s.old) * f.grain
    reach = reach * (0.55 + 0.45 * ramp(seen.f - 0.03, 0.08))  # light dies away where the head turns from view
    diffuse, gloss = shade(z, reach, f, s, p)
    face = albedo * diffuse + 0.22 * gloss * (1 - 0.7 * f.beard)
    face = blend(face, albedo * (0.62 + 0.38 * diffuse), open_eye)

    hair = hair_layers(f, s, p, seen, soft, size)
    image = background(p, size)
    image = body(image, f, s, p, seen, soft)
    image = blend(image, hair.tone * 0.75, hair.behind)
    image = ears(image, f, s, p, seen, soft)
    head = ramp(seen.f, soft)
    image = blend(image, face, head)
    image = blend(image, hair.tone, hair.front)
    image = glasses(image, f, s, head, soft)
    image = occlude(image, p, s.i.skin_tone, size)
    plain = ((seen.x0 / (1.1 * s.width)) ** 2 + ((seen.y - 0.15) / 1.25) ** 2 < 1) * 1.0
    meter = blend(image, s.i.skin_tone * (0.7 + 0.22 * f.grain.sign()), plain)
    return develop(image, meter, p, size), SimpleNamespace(s=s, p=p, f=f, seen=seen, soft=soft)


def _check_drawing(identity: Identity, units: ActionUnits, capture: Capture, size: int) -> None:
    if not 24 <= size <= 192:
        raise ValueError(f"size = {size}: faces are drawn at 24 to 192 pixels.")
    if not isinstance(units, ActionUnits):
        raise TypeError(f"action_units is a {type(units).__name__}; make one with ActionUnits.of(AU12=0.8, …).")
    if not len(identity) == len(units) == len(capture):
        raise ValueError(
            f"identity, action_units and capture hold {len(identity)}, {len(units)} and {len(capture)} faces; "
            "they must agree."
        )


def render(identity: Identity, action_units: ActionUnits, capture: Capture, size: int = 48) -> Tensor:
    """Draw faces; a pure function of its arguments, on the device of `identity`.

    Args:
        identity: who, N people.
        action_units: what each face does.
        capture: how each picture is taken.
        size: side of the pictures in pixels, 24 to 192.

    Returns:
        uint8 (N, 1, size, size).

    Raises:
        ValueError: the three differ in length, or the size is out of range.
        TypeError: `action_units` is no `ActionUnits`.
    """
    return render_with_truth(identity, action_units, capture, size, truth=False)[0]


def render_with_truth(
    identity: Identity, action_units: ActionUnits, capture: Capture, size: int = 48, *, truth: bool = True
) -> tuple[Tensor, dict[str, Tensor]]:
    """Draw faces and tell what is where; arguments and errors as for `render`.

    Returns:
        Images uint8 (N, 1, size, size), and a dictionary with "action_units" float32 (N, K) as in `ACTION_UNITS`,
        "landmarks" float32 (N, L, 2), x and y in pixels as in `LANDMARKS`, and "masks" bool (N, R, size, size) as
        in `REGIONS`.
    """
    _check_drawing(identity, action_units, capture, size)
    step = max(4, BATCH * 48 * 48 // (size * size))
    images, marks, masks = [], [], []
    for first in range(0, len(identity), step):
        part = slice(first, first + step)
        image, known = _draw(identity[part], action_units[part], capture[part], size)
        images.append(image)
        if truth:
            marks.append(landmarks(known.s, known.p, size))
            masks.append(region_masks(known.f, known.s, known.seen))
    if not truth:
        return torch.cat(images), {}
    return torch.cat(images), {
        "action_units": action_units.mean,
        "landmarks": torch.cat(marks),
        "masks": torch.cat(masks),
    }
