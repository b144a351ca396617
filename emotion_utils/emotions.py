"""The seven emotions that FER2013 tells apart, in its order, which is the order of labels everywhere here."""

# FER2013's order of classes is the project's: label 0 is angry, label 6 is neutral.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

# What others call them: the columns of FER+, and the class folders of FER2013's exports.
SYNONYMS = {
    "anger": "angry", "disgusted": "disgust", "fearful": "fear", "happiness": "happy", "sadness": "sad",
    "surprised": "surprise",
}  # fmt: skip


def label_of(name: str) -> int | None:
    """Give the label of an emotion by its name or a synonym, in upper or lower case; None if it is not one of ours."""
    name = name.lower()
    name = SYNONYMS.get(name, name)
    return EMOTIONS.index(name) if name in EMOTIONS else None
