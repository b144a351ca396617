"""Where to compute: what is there, and what is worth it."""

import pytest
import torch
from torch import nn

from emotion_utils.device import bf16_is_faster, device_of, one_thread, pick_device


def test_a_device_that_is_not_there_is_explained():
    """A GPU that is asked for and absent; a name that is none."""
    assert pick_device("cpu").type == "cpu"
    assert pick_device(torch.device("cpu")).type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ValueError, match="device='cuda:99'"):
        pick_device("cuda:99")
    with pytest.raises(ValueError, match="device='gpu'"):
        pick_device("gpu")


def test_a_model_lies_where_its_weights_lie():
    assert device_of(nn.Linear(2, 2, device="meta")).type == "meta"
    assert device_of(nn.ReLU()).type == "cpu"


@pytest.mark.parametrize(("bf16", "answer"), [(1.0, True), (1.9, False)])
def test_bfloat16_has_to_be_faster_by_measurement(monkeypatch, bf16, answer):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    seconds = {"bf16": bf16, "fp32": 2.0}
    assert bf16_is_faster(torch.device("cpu"), lambda precision: seconds[precision]) is answer
    assert bf16_is_faster(torch.device("mps")) is False


def test_this_processor_gives_an_answer():
    assert bf16_is_faster(torch.device("cpu")) in (True, False)


def test_one_thread_for_a_while():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
