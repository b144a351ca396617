"""Draw faces: from who, what and how to a picture, for a whole batch at once.

The steps, each a module: lengths of the face (`geometry`), the point of it that each pixel sees (`view`), coordinates
measured from lids, brows and lips (`features`), bumps and folds (`relief`, `folds`), paint (`paint`), light (`light`),
hair and shoulders (`around`), the photograph (`camera`), and where everything is (`truth`).
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.errors import check_whole
from emotion_utils.faces.action_units import ActionUnits
from emotion_utils.faces.around import add_body, add_clip, add_ears, add_glasses, comb_hair
from emotion_utils.faces.camera import background, develop, occlude
from emotion_utils.faces.capture import Capture
from emotion_utils.faces.features import Features, measure
from emotion_utils.faces.geometry import Face, face_shape
from emotion_utils.faces.light import Light, lamp, shade
from emotion_utils.faces.paint import Skin, paint_brows, paint_eyes, paint_mouth, paint_skin
from emotion_utils.faces.people import Identity
from emotion_utils.faces.relief import make_relief
from emotion_utils.faces.soft import blend, ramp
from emotion_utils.faces.truth import landmarks, region_masks
from emotion_utils.faces.view import Pose, View, head_pose, look

BATCH = 128  # faces drawn at once at 48 pixels; more would leave the processor's cache


@dataclass(frozen=True)
class Drawing:
    """One batch of pictures, and what the truth about them is told from."""

    images: Tensor  # uint8 (N, 1, H, W)
    face: Face
    pose: Pose
    view: View
    features: Features


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
        in `REGIONS`. It is empty where `truth` is False.
    """
    size = _check_drawing(identity, action_units, capture, size)
    _keep_memory()
    step = batch_size(size)
    images, points, masks = [], [], []
    for first in range(0, len(identity), step):
        part = slice(first, first + step)
        drawing = _draw(identity[part], action_units[part], capture[part], size)
        images.append(drawing.images)
        if truth:
            points.append(landmarks(drawing.face, drawing.pose, size))
            masks.append(region_masks(drawing.features, drawing.face, drawing.view))
    known = {}
    if truth:
        known = {"action_units": action_units.mean, "landmarks": torch.cat(points), "masks": torch.cat(masks)}
    return torch.cat(images), known


def batch_size(size: int) -> int:
    """Give how many faces of `size` pixels are best drawn at once."""
    return max(4, BATCH * 48 * 48 // (size * size))


@functools.cache
def _keep_memory() -> None:
    """Let the C library keep up to 64 MB of freed memory for this process, where that library is glibc.

    The steps of a drawing take and free megabytes all the time. By default glibc gives them back to the system, and
    getting them again costs a quarter of the time of a drawing. Freeing one large block teaches it not to: it keeps
    twice the size of the largest block freed so far, counting blocks up to 32 MB.
    """
    torch.empty(31 << 20, dtype=torch.uint8)  # never written to, so it takes no memory itself


def _draw(identity: Identity, units: ActionUnits, capture: Capture, size: int) -> Drawing:
    photo = capture.for_pixels()
    face, pose, light = face_shape(identity, units), head_pose(photo), lamp(photo)
    view = look(face, pose, size)
    features = measure(face, pose, view)
    skin = paint_skin(features, face, size)
    lit = _lit_face(features, skin, face, pose, light, view)

    hair = comb_hair(features, face, pose, light, view, size)
    head = ramp(view.inside, view.edge)  # 1 where the head is
    image = background(photo, light, size)
    image = add_body(image, skin.grain, face, pose, light, view)
    image = blend(image, hair.tone * 0.75, hair.behind)
    image = add_ears(image, face, pose, light, view)
    image = blend(image, lit, head)
    image = blend(image, hair.tone, hair.front)
    image = add_glasses(image, features, face, head, view.edge)
    image = occlude(image, photo, light, face.person.skin_tone)

    meter = blend(image, *_plain_face(skin, face, view))
    image = add_clip(image, photo, view)  # unmetered, or it would change the grey of the whole picture
    return Drawing(images=develop(image, meter, photo), face=face, pose=pose, view=view, features=features)


def _lit_face(features: Features, skin: Skin, face: Face, pose: Pose, light: Light, view: View) -> Tensor:
    """Paint the face and light it, (N, H, W)."""
    albedo = paint_mouth(skin.albedo, features, face, view.edge)
    eyes = paint_eyes(albedo, features, face, pose, light, view.edge)
    albedo = paint_brows(eyes.albedo, features, face, view.edge)
    relief = make_relief(features, face)
    pores = (0.0007 + 0.0010 * face.folds.old) * skin.grain
    z = view.z * pose.cos_yaw - view.u * pose.sin_yaw + relief.height + pores  # towards the camera
    reach = relief.reach * (0.55 + 0.45 * ramp(view.inside - 0.03, 0.08))  # less where the head turns from view
    shading = shade(z, reach, features, face, light, view.pixel)
    lit = albedo * shading.diffuse + 0.22 * shading.gloss * (1 - 0.7 * skin.beard)
    # The height field knows no eyeballs: they take less of its shading.
    return blend(lit, albedo * (0.62 + 0.38 * shading.diffuse), eyes.open)


def _plain_face(skin: Skin, face: Face, view: View) -> tuple[Tensor, Tensor]:
    """Give grey, and mask, of the plain skin that the light meter sees instead of a face, (N, H, W) each."""
    mask = (view.axis_x / (1.1 * face.head.width)) ** 2 + ((view.y - 0.15) / 1.25) ** 2 < 1
    return face.person.skin_tone * (0.7 + 0.22 * skin.grain.sign()), mask.float()


def _check_drawing(identity: Identity, units: ActionUnits, capture: Capture, size: int) -> int:
    """Return the size as a plain number; raise an error unless the three fit together."""
    for name, value, kind, how in (
        ("identity", identity, Identity, "sample_identity(3, seed=1)"),
        ("action_units", units, ActionUnits, "ActionUnits.of(3, AU12=0.8, …)"),
        ("capture", capture, Capture, "sample_capture(3, seed=1)"),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{name} is a {type(value).__name__}: make one with {how}.")
    if not len(identity) == len(units) == len(capture):
        raise ValueError(
            f"identity, action_units and capture hold {len(identity)}, {len(units)} and {len(capture)} faces: "
            "they must agree."
        )
    if not len(identity):
        raise ValueError("identity holds 0 faces: give one or more.")
    return check_whole(24, 192, size=size)
