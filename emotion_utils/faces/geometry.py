"""The lengths of a face: what a person's standard scores and action units come to, part by part.

Face coordinates: u to the right and v down the picture, z towards the camera; a face seen from the front fills
u, v = -1..1 as in FER2013 (eyes near v = -0.28, mouth near 0.58). Every length is a tensor (N, 1, 1), which combines
with pixels (N, H, W). What differs between the halves of a face has a first dimension of two, (2, N, 1, 1): the
person's left half (u > 0), then the right half (u < 0).
"""

from collections import namedtuple
from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.faces.action_units import ACTION_UNITS, ActionUnits
from emotion_utils.faces.people import Identity

CENTER_V = -0.2  # the height at which the head is widest

# The intensity of each action unit, by its name: `acting.both.AU12`.
Intensities = namedtuple("Intensities", ACTION_UNITS)


@dataclass(frozen=True)
class Acting:
    """What the face does, its resting face included."""

    halves: Intensities  # each (2, N, 1, 1)
    both: Intensities  # mean of both halves, each (N, 1, 1)


@dataclass(frozen=True)
class Head:
    """A stack of elliptical slices, widest at `CENTER_V`."""

    width: Tensor  # half the width of the widest slice
    depth: Tensor  # half its depth
    top: Tensor  # from the widest slice up to the crown
    bottom: Tensor  # from there down to the chin
    chin_v: Tensor
    taper: Tensor  # how evenly it narrows to the chin: 0.35 a square jaw, 1 an ellipse
    jaw_drop: Tensor  # by how much an open jaw lengthens it


@dataclass(frozen=True)
class Folds:
    """What age and chance have done to the skin, whatever the face does: 0 is not at all, 1 deep folds."""

    old: Tensor  # 0 up to 35 years, 1 from 75
    young: Tensor  # 1 at 4 years, 0 from 18
    nasolabial: Tensor  # from the wings of the nose to the corners of the mouth, at rest
    frown: Tensor  # between the brows, at rest
    bag: Tensor  # under the eyes, at rest
    crease: Tensor  # factor on the folds that action units make


@dataclass(frozen=True)
class Eyes:
    """Both eyes; `u` is counted from the middle of the face."""

    u: Tensor
    v: Tensor
    half_width: Tensor
    tilt: Tensor  # by how much the outer corner is lower than the middle
    upper: Tensor  # (2, N, 1, 1) height of the upper lid over the middle of the eye
    lower: Tensor  # (2, N, 1, 1) depth of the lower lid under it
    skew: Tensor  # (2, N, 1, 1) towards which corner the upper lid is highest: above 0 the inner one
    iris: Tensor  # radius


@dataclass(frozen=True)
class Brows:
    """Each brow is a parabola through three points."""

    inner_u: Tensor  # (2, N, 1, 1)
    outer_u: Tensor
    inner_v: Tensor  # (2, N, 1, 1)
    middle_v: Tensor  # (2, N, 1, 1)
    outer_v: Tensor  # (2, N, 1, 1)
    thickness: Tensor


@dataclass(frozen=True)
class Nose:
    """Bridge, tip and wings."""

    base_v: Tensor
    half_width: Tensor
    height: Tensor  # of the tip over the smooth head
    bridge: Tensor  # height of the bridge
    lift: Tensor  # (2, N, 1, 1) by how much the wings are drawn up


@dataclass(frozen=True)
class Mouth:
    """The line of its middle, its corners, the lips, and how far each lip is from the line."""

    v: Tensor
    half_width: Tensor  # (2, N, 1, 1)
    corner: Tensor  # (2, N, 1, 1) by how much the corner is lower than the middle
    upper_lip: Tensor  # thickness
    lower_lip: Tensor  # thickness
    open_up: Tensor  # (2, N, 1, 1) from the line to the edge of the upper lip
    open_down: Tensor  # from the line to the edge of the lower lip
    roundness: Tensor  # of the gap: 0 a lens, 0.9 nearly round
    squareness: Tensor  # of the gap: 1 where the lips are drawn off the teeth
    press: Tensor  # of the lips against each other


@dataclass(frozen=True)
class Face:
    """Who it is, what it does, and the lengths that follow from both."""

    person: Identity  # each field (N, 1, 1)
    acting: Acting
    head: Head
    folds: Folds
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth


def face_shape(identity: Identity, units: ActionUnits) -> Face:
    """Turn standard scores and action units into lengths."""
    person, acting = identity.for_pixels(), act(identity.rest, units)
    folds = folds_at_rest(person)
    head = head_shape(person, acting, folds.young)
    return Face(
        person=person,
        acting=acting,
        head=head,
        folds=folds,
        eyes=eye_shape(person, acting, folds.young),
        brows=brow_shape(person, acting, folds.young),
        nose=nose_shape(person, acting, folds.young),
        mouth=mouth_shape(person, acting, head.jaw_drop),
    )


def act(rest: Tensor, units: ActionUnits) -> Acting:
    """Add the resting face, (N, K): a unit at rest r and intensity a acts with r + a - r * a."""
    halves = torch.stack([units.left, units.right])  # (2, N, K)
    halves = rest + halves - rest * halves
    both = rest + units.mean - rest * units.mean  # (N, K)
    return Acting(
        halves=Intensities(*(column[..., None, None] for column in halves.unbind(-1))),
        both=Intensities(*(column[..., None, None] for column in both.unbind(-1))),
    )


def folds_at_rest(person: Identity) -> Folds:
    """Fold the skin by age and chance: a face with a deep fold at rest must not come to mean an emotion."""
    young = ((18 - person.age) / 14).clamp(0, 1)
    # `texture` times an odd number, without its whole part, is a random number of its own.
    nasolabial, frown, bag = ((person.texture * k) % 1 * (1 - young) for k in (13.7, 29.3, 17.9))
    return Folds(
        old=((person.age - 35) / 40).clamp(0, 1),
        young=young,
        nasolabial=nasolabial,
        frown=frown,
        bag=bag,
        crease=0.25 + (person.texture * 43.1) % 1,
    )


def head_shape(person: Identity, acting: Acting, young: Tensor) -> Head:
    """Half-widths, and heights above and below the widest slice."""
    jaw_drop = 0.19 * acting.both.AU26 + 0.32 * acting.both.AU27
    width = 0.89 + 0.045 * person.face_width
    bottom = 1.20 + 0.05 * person.face_length + 0.75 * jaw_drop
    return Head(
        width=width,
        depth=0.84 * width,
        top=1.12 + 0.05 * person.face_length + 0.06 * young,
        bottom=bottom,
        chin_v=CENTER_V + bottom,
        taper=(0.72 - 0.13 * person.jaw - 0.05 * person.cheeks).clamp(0.35, 1.05),
        jaw_drop=jaw_drop,
    )


def eye_shape(person: Identity, acting: Acting, young: Tensor) -> Eyes:
    """Lids follow the brows and cheeks; a closing eye brings the upper one down to the lower one."""
    au = acting.halves
    size = 1 + 0.12 * person.eye_size
    upper = size * 0.072 * (1 + 0.80 * au.AU5 - 0.38 * au.AU7 - 0.15 * au.AU6 - 0.22 * au.AU4 - 0.20 * au.AU9)
    lower = size * 0.046 * (1 + 0.22 * au.AU5 - 0.45 * au.AU7 - 0.45 * au.AU6 - 0.25 * au.AU9)
    return Eyes(
        u=0.385 + 0.014 * person.eye_spacing,
        v=-0.255 + 0.06 * young,
        half_width=0.178 + 0.011 * person.eye_size,
        tilt=-0.012 * person.eye_tilt - 0.012,
        upper=upper * (1 - au.AU43) - 0.7 * lower * au.AU43,
        lower=lower,
        skew=0.35 * au.AU1 * (1 - au.AU2) - 0.25 * au.AU4 * (1 - au.AU1),
        iris=0.066 * (1 + 0.04 * person.eye_size + 0.12 * young),
    )


def brow_shape(person: Identity, acting: Acting, young: Tensor) -> Brows:
    """Three points of each brow."""
    au = acting.halves
    v = -0.022 * person.brow_height - 0.445 + 0.05 * young
    arch = person.brow_arch
    return Brows(
        inner_u=0.145 - 0.045 * au.AU4,
        outer_u=0.615 + 0.012 * person.eye_spacing,
        inner_v=v + 0.02 - 0.112 * au.AU1 - 0.02 * au.AU2 + 0.130 * au.AU4 * (1 - 0.95 * au.AU1) + 0.02 * au.AU9,
        middle_v=v - 0.012 - 0.022 * arch - 0.045 * au.AU1 - 0.095 * au.AU2 + 0.066 * au.AU4 + 0.015 * au.AU9,
        outer_v=v + 0.05 + 0.01 * arch - 0.075 * au.AU2 - 0.03 * au.AU4 + 0.025 * au.AU1,
        thickness=(0.036 + 0.010 * person.brow_thickness).clamp(0.014, 0.07),
    )


def nose_shape(person: Identity, acting: Acting, young: Tensor) -> Nose:
    """Children have small flat noses."""
    return Nose(
        base_v=0.215 + 0.035 * person.nose_length,
        half_width=0.156 + 0.016 * person.nose_width,
        height=0.205 + 0.025 * person.nose_length - 0.06 * young,
        bridge=(0.065 + 0.03 * person.nose_bridge).clamp(0.0, 0.18),
        lift=0.045 * acting.halves.AU9 + 0.015 * acting.halves.AU10,
    )


def mouth_shape(person: Identity, acting: Acting, jaw_drop: Tensor) -> Mouth:
    """Most action units of the lower face move the mouth."""
    au, half = acting.both, acting.halves
    half_width = 0.285 + 0.016 * person.mouth_width
    half_width = half_width + 0.110 * half.AU12 + 0.090 * half.AU20 + 0.03 * half.AU14  # drawn out
    half_width = half_width - 0.105 * half.AU18 - 0.070 * half.AU23 - 0.015 * half.AU24  # drawn together
    half_width = half_width - 0.035 * half.AU26 - 0.075 * half.AU27 + 0.012 * half.AU15
    corner = -0.165 * half.AU12 + 0.120 * half.AU15 + 0.045 * half.AU20 - 0.015 * half.AU14 + 0.035 * half.AU17
    lips = (1 + 0.17 * person.lip_fullness).clamp(0.5, 1.5)
    thin = (1 - 0.25 * au.AU12) * (1 - 0.25 * au.AU20) * (1 - 0.45 * au.AU23) * (1 - 0.62 * au.AU24)
    thin = thin * (1 + 0.35 * au.AU18)
    part = au.AU25 * (1 - 0.7 * au.AU24)  # how far the lips part; without that, a dropping jaw moves them half as far
    open_up = 0.35 * jaw_drop + part * (0.02 + 0.04 * half.AU12)
    open_up = open_up + (0.2 + 0.8 * part) * (0.075 * half.AU10 + 0.03 * half.AU9)
    open_down = part * (0.04 + 0.07 * au.AU12 + 0.04 * au.AU20) + (0.4 + 0.6 * part) * 0.10 * au.AU16
    return Mouth(
        v=0.550 + 0.02 * person.mouth_height - 0.025 * au.AU17 - 0.01 * au.AU10 + 0.10 * jaw_drop + 0.02 * au.AU12,
        half_width=half_width,
        corner=corner + 0.12 * jaw_drop,
        upper_lip=0.057 * lips * thin * (1 - 0.15 * au.AU10),
        lower_lip=0.081 * lips * thin * (1 + 0.12 * au.AU17) * (1 - 0.15 * au.AU16),
        open_up=open_up,
        open_down=open_down + jaw_drop * (0.5 + 0.5 * part),
        roundness=(4 * jaw_drop).clamp(0, 0.9),
        squareness=(au.AU10 + au.AU16 + au.AU20).clamp(max=1) * (1 - 0.5 * au.AU12),
        press=au.AU24 + 0.5 * au.AU23,
    )
