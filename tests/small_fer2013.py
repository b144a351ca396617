"""A small stand-in for FER2013 that a network can learn: 140 training images and 14 test images, with FER+'s votes."""

from pathlib import Path

from fer2013_tables import pack, table
from small_faces import small_faces

from emotion_utils.data.ferplus import FERPLUS_COLUMNS

TRAINING, TEST = 140, 14


def write_small_fer2013(folder: Path) -> Path:
    """Write fer2013.csv and fer2013new.csv into a folder.

    Eight of ten people vote for happy and two for sad; every tenth image is no face to any of them.
    """
    faces = small_faces(TRAINING + TEST, size=48)
    usage = ["Training"] * TRAINING + ["PublicTest"] * TEST
    pack("bare", folder, "fer2013.csv", table(faces.images[:, 0].numpy(), faces.labels.tolist(), usage))
    votes = [",".join(["Usage", "Image name", *FERPLUS_COLUMNS])]
    for i, part in enumerate(usage):  # columns: neutral, happiness, surprise, sadness, …, NF
        votes.append(f"{part},fer{i:07d}.png,0,8,0,2,0,0,0,0,0,0" if i % 10 else f"{part},,0,0,0,0,0,0,0,0,0,10")
    (folder / "fer2013new.csv").write_text("\n".join(votes) + "\n")
    return folder
