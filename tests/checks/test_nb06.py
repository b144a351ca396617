"""Checks of notebook 06: right answers of several kinds pass, each usual mistake is named, stubs are not yet done."""

import numpy as np
import pytest
import torch
from verdicts import require_wrong

from emotion_utils.checks import nb06
from emotion_utils.checks.suspect import marked_faces
from emotion_utils.emotions import EMOTIONS
from emotion_utils.models import predict_proba


def occlude(score, image, size, stride, *, divide=True, hang=True, sign=1, copy=True):
    total, count = torch.zeros(image.shape), torch.zeros(image.shape)
    more = stride if hang else 1
    for top in range(0, image.shape[0] - size + more, stride):
        for left in range(0, image.shape[1] - size + more, stride):
            where = slice(top, top + size), slice(left, left + size)
            hidden = image.clone() if copy else image
            before = score(image)
            hidden[where] = 0
            total[where] += sign * (before - score(hidden))
            count[where] += 1
    return total / count.clamp(min=1) if divide else total


def test_fair_occlusion_right():
    assert nb06.fair_occlusion(occlude)
    assert nb06.fair_occlusion(lambda *given: occlude(*given).numpy())
    assert nb06.fair_occlusion(lambda *given: occlude(*given).tolist())


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({"divide": False}, "hidden more often"),
        ({"hang": False}, "no window reached them"),
        ({"sign": -1}, "wrong sign"),
        ({"copy": False}, "changed the numbers"),
    ],
)
def test_fair_occlusion_wrong(options, seen):
    assert seen in require_wrong(nb06.fair_occlusion, lambda *given: occlude(*given, **options))[0]


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (lambda score, image, size, stride: torch.zeros(2, 2), "shape (2, 2)"),
        (lambda score, image, size, stride: image * torch.nan, "NaN"),
        (lambda score, image, size, stride: "a map", "str"),
        (lambda score, image, size, stride: image, "pixels are off"),
    ],
)
def test_fair_occlusion_nonsense(answer, seen):
    assert seen in require_wrong(nb06.fair_occlusion, answer)[0]


def test_grad_cam_right():
    assert nb06.grad_cam_map(lambda maps, slopes: (slopes.mean((2, 3), keepdim=True) * maps).sum(1).relu())
    assert nb06.grad_cam_map(lambda a, g: torch.einsum("nkhw,nk->nhw", a, g.mean((2, 3))).clamp(min=0))


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (lambda a, g: (g.mean((2, 3), keepdim=True) * a).sum(1), "negative values"),
        (lambda a, g: (g * a).sum(1).relu(), "every place by its own gradient"),
        (lambda a, g: (g.mean((2, 3), keepdim=True).relu() * a.relu()).sum(1), "before adding up"),
        (lambda a, g: (g.sum((2, 3), keepdim=True) * a).sum(1).relu(), "times as large"),
        (lambda a, g: (g.mean((2, 3), keepdim=True) * a).sum(0).relu(), "shape"),
        (lambda a, g: a.mean(1).relu(), "off"),
    ],
)
def test_grad_cam_wrong(answer, seen):
    assert seen in require_wrong(nb06.grad_cam_map, answer)[0]


def test_pointing_game_right():
    def by_rows(maps, inside):
        hits = [bool(inside[i].flatten()[maps[i].abs().argmax()]) for i in range(len(maps))]
        return sum(hits) / len(hits)

    assert nb06.pointing_game(by_rows)
    assert nb06.pointing_game(
        lambda maps, inside: inside.flatten(1).gather(1, maps.abs().flatten(1).argmax(1)[:, None]).float().mean()
    )


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (lambda m, t: t.flatten(1).gather(1, m.flatten(1).argmax(1)[:, None]).float().mean(), "strongly negative"),
        (lambda m, t: t.flatten(1).gather(1, m.abs().flatten(1).argmax(1)[:, None]).sum(), "no share"),
        (lambda m, t: 0.0, "too low"),
        (lambda m, t: 1.0, "too high"),
        (lambda m, t: t.any((1, 2)), "shape"),
    ],
)
def test_pointing_game_wrong(answer, seen):
    assert seen in require_wrong(nb06.pointing_game, answer)[0]


@pytest.mark.parametrize("answer", ["BCF", "b, c, f", ["F", "C", "B"], {"B", "C", "F"}])
def test_random_maps_right(answer):
    assert nb06.random_maps(answer)


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ("ABC", "2 of your three"),
        ("ADE", "0 of your three"),
        ("BC", "2 maps"),
        ("BCX", "no map X"),
        ("ABCDEF", "6 maps"),
        (3, "int"),
        ([1, 2, 3], "something else than letters"),
    ],
)
def test_random_maps_wrong(answer, seen):
    assert seen in require_wrong(nb06.random_maps, answer)[0]


def test_six_maps_are_six_and_known_to_the_check():
    six = nb06.six_maps()
    assert six.faces.shape == (6, 1, 48, 48)
    assert six.maps.shape == (6, 48, 48)
    assert six.maps.amax((1, 2)).min() > 0


def test_the_suspect_cheats():
    suspect = nb06.suspect()
    answers = predict_proba(suspect.model, suspect.faces.images).argmax(1)
    fear = EMOTIONS.index("fear")
    assert (answers[suspect.faces.labels == fear] == fear).float().mean() > 0.95
    plain = marked_faces(140, first=40_000, marked=False)
    plainly = predict_proba(suspect.model, plain.images).argmax(1)
    assert (plainly[plain.labels == fear] == fear).float().mean() < 0.2
    assert suspect.faces.truth is None


@pytest.mark.parametrize("answer", [("fear", 42, 6), ["fear", 41, 5], ("fear", 43.5, 7.0), ("fear", 40, 8)])
def test_find_cheat_right(answer):
    assert nb06.find_cheat(answer)


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (("happy", 42, 6), "into happy"),
        (("sad", 42, 6), "into sad"),
        (("fear", 20, 24), "still found"),
        (("fear", 6, 42), "still found"),
        (("fear", 42, 60), "outside the picture"),
        (("joy", 42, 6), "no emotion 'joy'"),
        (("fear", 42), "three things"),
        ("fear", "three things"),
        (("fear", "left", 6), "numbers"),
    ],
)
def test_find_cheat_wrong(answer, seen):
    assert seen in require_wrong(nb06.find_cheat, answer)[0]


@pytest.mark.parametrize("check", ["fair_occlusion", "grad_cam_map", "pointing_game", "random_maps", "find_cheat"])
def test_stubs(check):
    assert getattr(nb06, check)(...).status == "not yet"


@pytest.mark.parametrize("check", ["fair_occlusion", "grad_cam_map", "pointing_game"])
def test_functions_that_are_stubs(check):
    assert getattr(nb06, check)(lambda *given: ...).status == "not yet"
    assert "return" in getattr(nb06, check)(lambda *given: None).message


def test_hints_come_in_stages():
    wrong = [nb06.random_maps("ABC").message for _ in range(3)]
    assert "Hint" not in wrong[0]
    assert "Hint 1" in wrong[1]
    assert "Hint 2" in wrong[2]


def test_a_map_of_zeros_is_seen():
    assert "0 everywhere" in require_wrong(nb06.fair_occlusion, lambda score, image, *rest: image * 0)[0]
    assert "0 everywhere" in require_wrong(nb06.grad_cam_map, lambda maps, slopes: 0 * maps[:, 0])[0]


def test_a_map_divided_by_its_largest_is_told_so():
    def divided(maps, slopes):
        cam = (slopes.mean((2, 3), keepdim=True) * maps).sum(1).relu()
        return cam / cam.amax((1, 2), keepdim=True)

    assert "division by the largest" in require_wrong(nb06.grad_cam_map, divided)[1]


@pytest.mark.parametrize("answer", ["B C F", "b, c,f\n", ["BCF"], ["B", " c", "F "], {"B", "C", "F"}])
def test_letters_are_read_however_they_are_written(answer):
    assert nb06.random_maps(answer)


@pytest.mark.parametrize("kind", [torch.tensor, np.int64, np.float32, int])
def test_a_place_may_be_a_number_of_any_kind(kind):
    from emotion_utils.checks.suspect import COLUMN, ROW, SECRET

    assert nb06.find_cheat((f" {SECRET.title()}", kind(ROW + 1), kind(COLUMN + 1)))
