"""Where to compute: what is there, and what is worth it."""

import re

import pytest
import torch
from torch import nn

from emotion_utils.device import bf16_is_faster, choose_bf16, device_of, one_thread, pick_device
from emotion_utils.errors import brief
from emotion_utils.files import user_cache_dir


def test_a_device_that_is_not_there_is_explained():
    """A GPU that is asked for and absent; a name that is none."""
    assert pick_device("cpu").type == "cpu"
    assert pick_device(torch.device("cpu")).type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize(
    "device", ["cuda:99", "gpu", "xpu", "meta", "", "cpu:7", "mps:3", "CPU", 3, None, True, 1.5, b"cpu", ["cpu"]]
)
def test_no_other_device_is_taken(device):
    with pytest.raises(ValueError, match=f"^device={re.escape(brief(device))}: .*choose auto"):
        pick_device(device)


def test_a_model_lies_where_its_weights_lie():
    assert device_of(nn.Linear(2, 2, device="meta")).type == "meta"
    assert device_of(nn.ReLU()).type == "cpu"


CPU = torch.device("cpu")


@pytest.fixture
def bf16_hardware(monkeypatch, tmp_path):
    """A processor that multiplies bfloat16, though not in matrices, and a cache folder of one's own."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return user_cache_dir()


@pytest.mark.parametrize(("bf16", "answer"), [(1.0, True), (1.9, False)])
def test_bfloat16_has_to_be_faster_by_measurement_and_the_answer_stays(bf16_hardware, bf16, answer):
    """Times differ from time to time; on a busy machine the second would say the opposite."""
    seconds = {"bf16": bf16, "fp32": 2.0}
    assert choose_bf16(CPU, lambda precision: seconds[precision]).faster is answer
    again = choose_bf16(CPU, lambda precision: 3.0 - seconds[precision])
    assert again.faster is answer
    assert str(bf16_hardware / "bf16.json") in again.why
    bf16_is_faster.cache_clear()
    assert bf16_is_faster(CPU) is answer
    bf16_is_faster.cache_clear()
    assert not choose_bf16(torch.device("mps")).faster


def test_deleted_or_damaged_it_is_measured_again(bf16_hardware):
    def count(precision):
        asked.append(precision)
        return {"bf16": 1.0, "fp32": 2.0}[precision]

    asked = []
    choose_bf16(CPU, count)
    for content in (None, "{", "[]", '{"x": 1}', "[" * 100_000):
        (bf16_hardware / "bf16.json").unlink() if content is None else (bf16_hardware / "bf16.json").write_text(content)
        asked.clear()
        assert choose_bf16(CPU, count).faster
        assert asked == ["bf16", "fp32"]


def test_where_nothing_can_be_kept_nothing_is_measured(bf16_hardware):
    def measured(precision):
        raise AssertionError("a time would differ from time to time")

    bf16_hardware.write_text("a file where the folder would be")
    choice = choose_bf16(CPU, measured)
    assert not choice.faster
    assert "no measurement" in choice.why


def test_this_processor_gives_an_answer_and_random_numbers_go_on():
    state = torch.get_rng_state()
    assert bf16_is_faster(CPU) in (True, False)
    assert torch.equal(torch.get_rng_state(), state)


def test_one_thread_for_a_while():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
