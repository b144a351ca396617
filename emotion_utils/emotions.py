"""The seven emotions that FER2013 tells apart, in its order, which is the order of labels everywhere here."""

# FER2013's order of classes is the project's: label 0 is angry, label 6 is neutral.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
