"""Which faces were recognised, as text: what is packed reads back, whatever the number of faces."""

import pytest
import torch

from emotion_utils.evaluation.packing import pack, unpack


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000])
def test_what_is_packed_reads_back(count):
    correct = torch.rand(count, generator=torch.Generator().manual_seed(count)) < 0.6
    text = pack(correct)
    assert len(text) == 2 * -(-count // 8)
    assert torch.equal(unpack(text, count), correct)


def test_what_is_no_text_of_bits_is_refused():
    with pytest.raises(ValueError, match="hexadecimal"):
        unpack("xyz0", 16)
