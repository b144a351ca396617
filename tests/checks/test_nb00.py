"""Each check of notebook 00 accepts right answers, however written, and sees through typical wrong ones."""

import pytest
from verdicts import verdict_tests

from emotion_utils.checks import nb00


def fill_diagonal(confusion, classes):
    mistakes = confusion.clone()
    mistakes.fill_diagonal_(0)
    row, column = divmod(int(mistakes.argmax()), len(classes))
    return classes[row], classes[column]


def search(confusion, classes):
    pairs = [(int(confusion[i, j]), i, j) for i in range(7) for j in range(7) if i != j]
    _, i, j = max(pairs)
    return [classes[i], classes[j]]


def in_place(confusion, classes):
    confusion.fill_diagonal_(0)
    row, column = divmod(int(confusion.argmax()), len(classes))
    return classes[row], classes[column]


CASES = {
    "decide": {
        "right": [
            lambda p, classes: [classes[int(i)] for i in p.argmax(1)],
            lambda p, classes: tuple(max(zip(row.tolist(), classes, strict=True))[1] for row in p),
        ],
        "wrong": [
            lambda p, classes: [classes[int(i)] for i in p.argmax(0)],
            lambda p, classes: p.argmax(1),
            lambda p, classes: classes[int(p.argmax())],
            lambda p, classes: [classes[int(i)] for i in p.argmin(1)],
            lambda p, classes: [nb00.EMOTIONS[int(i)] for i in p.argmax(1)],
        ],
        "stub": lambda p, classes: ...,
    },
    "accuracy": {
        "right": [
            lambda p, y: (p == y).float().mean(),
            lambda p, y: sum(int(a == b) for a, b in zip(p, y, strict=True)) / len(y),
        ],
        "wrong": [
            lambda p, y: (p == y).sum(),
            lambda p, y: (p != y).float().mean(),
            lambda p, y: 100 * (p == y).float().mean(),
            lambda p, y: round(float((p == y).float().mean()), 2),
            lambda p, y: (p.sub_(y) == 0).float().mean(),  # of numbers that others need
            lambda p, y: p == y,
            lambda p, y: str((p == y).float().mean().item()),
        ],
        "stub": lambda p, y: ...,
    },
    "most_confused": {
        "right": [fill_diagonal, search],
        "wrong": [
            lambda c, classes: fill_diagonal(c, classes)[::-1],
            lambda c, classes: (classes[divmod(int(c.argmax()), 7)[0]], classes[divmod(int(c.argmax()), 7)[1]]),
            in_place,
            lambda c, classes: divmod(int(c.argmax()), 7),
        ],
        "stub": lambda c, classes: None,
    },
    "frightened": {
        "right": [{"AU1": 1, "AU4": 0.6, "AU5": 0.9, "AU20": 0.8}, {"AU1": 0.9, "AU4": 0.7, "AU20": 0.6, "AU6": 0.0}],
        "wrong": [
            {"AU1": 0.9, "AU2": 1, "AU5": 0.8, "AU26": 0.9},
            {"AU12": 1.0},
            {},
            {"AU1": 1, "AU2": 0.6, "AU4": 0.6, "AU5": 0.9, "AU20": 0.8},
            {"AU20": 1.0},
            {"AU1": 1, "AU4": 1, "AU12": 0.4, "AU20": 1},
            {"AU1": 0.01, "AU4": 0.006, "AU5": 0.009, "AU20": 0.008},
            {"AU99": 1.0},
            {"AU1": 3.0},
            ["AU1", "AU4"],
        ],
        "stub": ...,
    },
}
test_right_answers, test_wrong_answers, test_stubs = verdict_tests(nb00, CASES)


HINTS = {
    "seven results for nine faces": ("decide", lambda p, classes: [classes[0]] * 7, "dimension"),
    "numbers, not names": ("decide", CASES["decide"]["wrong"][1], "`classes`"),
    "a count": ("accuracy", CASES["accuracy"]["wrong"][0], "divided"),
    "the share of mistakes": ("accuracy", CASES["accuracy"]["wrong"][1], "mistakes"),
    "a percentage": ("accuracy", CASES["accuracy"]["wrong"][2], "divided"),
    "turned round": ("most_confused", CASES["most_confused"]["wrong"][0], "Rows are the truth"),
    "the diagonal": ("most_confused", CASES["most_confused"]["wrong"][1], "diagonal"),
    "the matrix was changed": ("most_confused", in_place, "copy"),
}


@pytest.mark.parametrize(("name", "answer", "word"), HINTS.values(), ids=HINTS.keys())
def test_the_hint_follows_the_mistake(name, answer, word):
    getattr(nb00, name)(answer)
    assert word in getattr(nb00, name)(answer).message.split("Hint")[1]
