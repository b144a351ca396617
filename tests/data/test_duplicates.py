"""Images that occur more than once, and images that show nothing."""

import pytest
from small_faces import small_faces

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.duplicates import find_blank, find_duplicates, identical


def test_find_duplicates_within_and_across_with_conflicting_labels():
    a, b = small_faces(20, seed=1), small_faces(10, seed=2)
    a.images[5] = a.images[3]  # labels 5 and 3: a conflict
    b.images[2] = a.images[9]  # labels 2 and 2
    b.images[4] = b.images[0]
    found = find_duplicates(a, b)
    assert [group.tolist() for group in found.groups] == [[[0, 3], [0, 5]], [[0, 9], [1, 2]], [[1, 0], [1, 4]]]
    assert [group.tolist() for group in found.across] == [[[0, 9], [1, 2]]]
    assert [group.tolist() for group in found.conflicting] == [[[0, 3], [0, 5]], [[1, 0], [1, 4]]]
    numbers = [int(word) for word in str(found).replace("(", "").split() if word.isdigit()]
    assert numbers == [3, 6, 1, 2]  # groups, images in them, across, conflicting
    assert not find_duplicates(small_faces(5)).groups


def test_identical_says_which_images_are_among_others():
    images = small_faces(6).images
    assert identical(images, images[[4, 1]]).tolist() == [False, True, False, False, True, False]


def test_find_blank():
    images = small_faces(6).images
    images[2], images[4] = 0, 128
    images[5] = 7
    images[5, 0, 0, 0] = 9
    assert find_blank(images).tolist() == [2, 4]
    assert find_blank(images, tolerance=2).tolist() == [2, 4, 5]


def test_data_sets_that_cannot_be_compared():
    with pytest.raises(ValueError, match=r"datasets=faces \(16, 16\), faces \(8, 8\)"):
        find_duplicates(small_faces(5), small_faces(5, size=8))
    with pytest.raises(TypeError, match="FaceDataset"):
        find_duplicates(small_faces(5).images)
    with pytest.raises(ValueError, match="tolerance=-1"):
        find_blank(small_faces(5).images, -1)


def test_labels_are_compared_by_name():
    """Of the same faces with another order, or another writing, of the classes, no label conflicts."""
    faces = small_faces(14)
    turned = faces.with_labels(6 - faces.labels, faces.classes[::-1])
    written = faces.with_labels(faces.labels, [name.title() for name in faces.classes])
    for other in (turned, written):
        found = find_duplicates(faces, other)
        assert (len(found.across), len(found.conflicting)) == (14, 0)
    assert len(find_duplicates(faces, turned.with_labels(turned.labels, faces.classes)).conflicting) == 12
    more = faces.with_labels(faces.labels, (*faces.classes, "joy"))  # a second word for one of them
    assert find_duplicates(faces, more).conflicting == ()


def test_colours_beside_grey_are_told():
    grey = small_faces(4)
    with pytest.raises(ValueError, match=r"\(1, 16, 16\).*\(3, 16, 16\).*channels"):
        find_duplicates(grey, FaceDataset(grey.images.repeat(1, 3, 1, 1), grey.labels, grey.classes))
