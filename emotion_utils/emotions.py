"""The seven emotions that FER2013 tells apart, in its order, which is the order of labels everywhere here."""

import re
import unicodedata

# FER2013's order of classes is the project's: label 0 is angry, label 6 is neutral.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

# What others call them: the columns of FER+, the class folders of FER2013's exports and of other collections.
SYNONYMS = {
    "anger": "angry", "disgusted": "disgust", "fearful": "fear", "afraid": "fear", "scared": "fear",
    "happiness": "happy", "joy": "happy", "joyful": "happy", "sadness": "sad", "surprised": "surprise",
    "suprise": "surprise", "suprised": "surprise",
}  # fmt: skip


def label_of(name: str) -> int | None:
    """Give the label of an emotion by its name or a synonym, in upper or lower case; None if it is not one of ours.

    A number in front, as in `3_happy` or `03 Happiness`, puts folders in an order and says nothing.
    """
    word = unicodedata.normalize("NFKC", name).strip().lower()
    word = re.sub(r"^\d+[-_. ]+", "", word)
    word = SYNONYMS.get(word, word)
    return EMOTIONS.index(word) if word in EMOTIONS else None
