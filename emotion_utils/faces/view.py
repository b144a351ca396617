"""From the camera to the head: how the head is turned and framed, and which point of it each pixel sees.

The head is a stack of elliptical slices: the slice at height v is W(v) wide and D(v) deep. A slice turned by the yaw
angle is still an ellipse, so the point that a pixel sees follows without any search; pitch takes one correction.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.faces.capture import Capture
from emotion_utils.faces.geometry import CENTER_V, Face, Head

AXIS = 0.62  # where the neck turns the head, behind the face as a share of the head's depth
FRONT = 0.8  # how far before the middle of the head nodding turns it, likewise
DOWN = 0.05  # the middle of the face lies this far under that of the picture


@dataclass(frozen=True)
class Pose:
    """How the head is turned and framed, each (N, 1, 1)."""

    sin_yaw: Tensor
    cos_yaw: Tensor
    sin_pitch: Tensor
    cos_pitch: Tensor
    sin_roll: Tensor
    cos_roll: Tensor
    scale: Tensor  # 1 fills the picture
    shift_x: Tensor  # in halves of the picture, as is shift_y
    shift_y: Tensor
    gaze_x: Tensor  # where the eyes look, -1 to 1
    gaze_y: Tensor


@dataclass(frozen=True)
class View:
    """Which point of the head each pixel sees; (N, H, W) unless it says otherwise."""

    x: Tensor  # of the pixel, upright (roll undone) and in face coordinates
    y: Tensor
    axis_x: Tensor  # x counted from the axis on which the head turns
    u: Tensor  # of the point on the head
    v: Tensor
    z: Tensor  # of the point towards where the face looks
    inside: Tensor  # signed distance to the outline of the head, positive inside
    pixel: Tensor  # (N, 1, 1) side of a pixel
    edge: Tensor  # (N, 1, 1) width of a soft edge


@dataclass(frozen=True)
class Slice:
    """The horizontal slice of the head at some height v, as (N, H, W) or (N, 1, 1)."""

    width2: Tensor  # squared half-width as a share of the widest slice: 1 there, 0 at crown and chin, negative beyond
    depth2: Tensor  # squared half-depth likewise; forehead and chin stay further forward than the outline
    steepness: Tensor  # derivative of width2 by v


def head_pose(photo: Capture) -> Pose:
    """Sines, cosines and framing of photographs whose fields are (N, 1, 1)."""
    yaw, pitch, roll = (torch.deg2rad(angle.clamp(-60, 60)) for angle in (photo.yaw, photo.pitch, photo.roll))
    return Pose(
        sin_yaw=torch.sin(yaw),
        cos_yaw=torch.cos(yaw),
        sin_pitch=torch.sin(pitch),
        cos_pitch=torch.cos(pitch),
        sin_roll=torch.sin(roll),
        cos_roll=torch.cos(roll),
        scale=photo.scale,
        shift_x=photo.shift_x,
        shift_y=photo.shift_y,
        gaze_x=photo.gaze_x,
        gaze_y=photo.gaze_y,
    )


def pixel_grid(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return x (1, 1, size) and y (1, size, 1) of the pixel centres, -1 to 1."""
    line = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2 / size) - 1
    return line[None, None, :], line[None, :, None]


def slice_at(v: Tensor, head: Head) -> Slice:
    """Cut the head at height v."""
    below = v - CENTER_V > 0
    per_length = torch.where(below, 1 / head.bottom, -1 / head.top)
    taper = torch.where(below, head.taper, 0.6)
    r = (v - CENTER_V) * per_length  # 0 at the widest slice, 1 at crown and chin
    r2 = r * r
    capped = r2.clamp(max=1.2)
    return Slice(
        width2=1 - r2 * (taper + (1 - taper) * r2),
        depth2=1 - 0.55 * capped * capped,
        steepness=-2 * r * per_length * (taper + 2 * (1 - taper) * r2),
    )


def look(face: Face, pose: Pose, size: int) -> View:
    """Find, for every pixel, the point of the head that it sees."""
    head = face.head
    grid_x, grid_y = pixel_grid(size, head.width.device)
    shifted_x, shifted_y = grid_x - pose.shift_x, grid_y - pose.shift_y - DOWN
    inverse = 1 / pose.scale
    x = (pose.cos_roll * shifted_x + pose.sin_roll * shifted_y) * inverse
    y = (pose.cos_roll * shifted_y - pose.sin_roll * shifted_x) * inverse
    axis_x = x + AXIS * head.depth * pose.sin_yaw
    # A nod moves a point the more, the nearer it is to the camera: guess v, find z there, correct v.
    v = y / pose.cos_pitch
    u, z = _seen_point(axis_x, slice_at(v, head), head, pose)
    toward = z * pose.cos_yaw - u * pose.sin_yaw
    v = (y + (toward - FRONT * head.depth) * pose.sin_pitch) / pose.cos_pitch
    cut = slice_at(v, head)
    u, z = _seen_point(axis_x, cut, head, pose)
    inside = _distance_to_outline(axis_x, cut, head, pose)
    pixel = 2 / (size * pose.scale)
    return View(x=x, y=y, axis_x=axis_x, u=u, v=v, z=z, inside=inside, pixel=pixel, edge=1.3 * pixel)


def _seen_point(axis_x: Tensor, cut: Slice, head: Head, pose: Pose) -> tuple[Tensor, Tensor]:
    """Find u and z of the point of a slice that a pixel sees, (N, H, W) each."""
    # An ellipse with half-axes `width` and `deep`, turned by the yaw angle, looks 2 * radius wide.
    width2 = cut.width2.clamp(min=1e-3)
    radius2 = (head.width * pose.cos_yaw) ** 2 * width2 + (head.depth * pose.sin_yaw) ** 2 * cut.depth2
    inverse = torch.rsqrt(radius2)
    width, deep = head.width * torch.sqrt(width2), head.depth * torch.sqrt(cut.depth2)
    # Seen from the camera, the point lies at the angle arcsin(t); the slice's own angles are shifted by `turn`.
    t = (axis_x * inverse).clamp(-0.995, 0.995)
    c = torch.sqrt(1 - t * t)
    cos_turn, sin_turn = width * pose.cos_yaw * inverse, deep * pose.sin_yaw * inverse
    return width * (t * cos_turn - c * sin_turn), deep * (c * cos_turn + t * sin_turn)


def _distance_to_outline(axis_x: Tensor, cut: Slice, head: Head, pose: Pose) -> Tensor:
    """Measure how far inside the head's outline a pixel is, (N, H, W): a function that is 0 there, by its slope."""
    w2, d2 = (head.width * pose.cos_yaw) ** 2, (head.depth * pose.sin_yaw) ** 2
    inside2 = w2 * cut.width2 + d2 * cut.depth2 * (cut.width2 > 0) - axis_x * axis_x
    return inside2 / torch.sqrt(4 * axis_x * axis_x + (w2 * cut.steepness) ** 2 + 0.02)


def project(u: Tensor, v: Tensor, height: Tensor | float, face: Face, pose: Pose, size: int) -> Tensor:
    """Where a point of the head, raised by `height`, appears: (..., N, 2), x and y in pixels.

    The centre of pixel 0 is 0.

    Args:
        u: (..., N, 1, 1), as are v and height; face coordinates.
        v: likewise.
        height: above the smooth head.
        face: the face it is on.
        pose: how that is turned and framed.
        size: of the picture in pixels.
    """
    head = face.head
    cut = slice_at(v, head)
    width = head.width * torch.sqrt(cut.width2.clamp(min=1e-3))
    deep = head.depth * torch.sqrt(cut.depth2)
    t = (u / width).clamp(-0.995, 0.995)
    z = deep * torch.sqrt(1 - t * t)
    x = u * pose.cos_yaw + z * pose.sin_yaw - AXIS * head.depth * pose.sin_yaw + height * pose.sin_yaw
    toward = z * pose.cos_yaw - u * pose.sin_yaw
    y = v * pose.cos_pitch - (toward - FRONT * head.depth) * pose.sin_pitch - height * pose.sin_pitch * 0.5
    across = (pose.cos_roll * x - pose.sin_roll * y) * pose.scale + pose.shift_x
    down = (pose.sin_roll * x + pose.cos_roll * y) * pose.scale + pose.shift_y + DOWN
    return torch.cat([across[..., 0], down[..., 0]], -1) * (size / 2) + (size / 2 - 0.5)
