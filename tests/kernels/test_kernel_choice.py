import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from portrait_loupe.kernels.convolve import choice
from portrait_loupe.kernels.convolve.choice import why_not_terms, why_not_triton
from portrait_loupe.kernels.convolve.terms import Terms, terms_of_gaussians

ROOT = Path(__file__).resolve().parents[2]
NARROW = terms_of_gaussians(0.5, [0.5], [1.0])


def on_cuda(dtype=torch.float32, requires_grad=False):
    """What a picture on a GPU says of itself."""
    return SimpleNamespace(device=torch.device("cuda", 0), dtype=dtype, requires_grad=requires_grad)


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU of which only the figures are there."""
    choice.why_not_here.cache_clear()
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    monkeypatch.setattr(choice, "find_spec", lambda name: object())
    monkeypatch.setattr(choice, "_why_it_fails", lambda device: None)
    yield monkeypatch
    choice.why_not_here.cache_clear()


def of_rank(rank):
    taps = torch.ones(1, rank, 3, dtype=torch.float64)
    return Terms(torch.ones(1, dtype=torch.float64), taps, taps)


def test_a_picture_on_the_cpu_stays_there():
    assert why_not_triton(torch.zeros(1, 3, 8, 8), NARROW) == "the image is on cpu, not cuda"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_on_a_gpu_with_triton_nothing_stands_against_it(gpu, dtype):
    assert why_not_triton(on_cuda(dtype), NARROW) is None


def test_double_precision_is_refused(gpu):
    assert "torch.float64, the kernel takes float32" in (why_not_triton(on_cuda(torch.float64), NARROW) or "")  # fmt: skip


def test_gradients_are_refused_where_they_are_recorded(gpu):
    assert "gradients" in (why_not_triton(on_cuda(requires_grad=True), NARROW) or "")
    with torch.no_grad():
        assert why_not_triton(on_cuda(requires_grad=True), NARROW) is None


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (None, "no short sum|not a short sum"),
        (terms_of_gaussians(0, [1.0], [3.0]), None),  # 4 sigma: 12 px
        (terms_of_gaussians(0, [1.0], [3.1]), "reaches 13 px, the kernel at most 12"),
        (of_rank(8), None),
        (of_rank(9), "has 9 separable terms"),
    ],
    ids=["none", "12 px", "13 px", "8 terms", "9 terms"],
)
def test_a_psf_must_be_narrow_and_have_few_terms(gpu, terms, words):
    said = why_not_triton(on_cuda(), terms)
    assert said == why_not_terms(terms)
    if words is None:
        assert said is None
    else:
        assert any(word in (said or "") for word in words.split("|"))


def test_the_kernel_takes_all_that_its_choice_lets_through():
    """The two files must not drift apart."""
    pytest.importorskip("triton", reason="Triton is not installed")
    from portrait_loupe.kernels.convolve import fused

    assert fused.MAX_REACH == choice.MAX_REACH
    side, step = fused.tile_of(choice.MAX_REACH)
    assert step + 2 * choice.MAX_REACH <= side


def test_without_triton_it_says_how_to_get_it(gpu):
    gpu.setattr(choice, "find_spec", lambda name: None)
    assert "pip install triton" in (why_not_triton(on_cuda(), NARROW) or "")


def test_an_old_gpu_is_refused_by_name(gpu):
    gpu.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    words = "Some GPU has compute capability 7.5, the kernel needs 8.0"
    assert why_not_triton(on_cuda(), NARROW) == words


def test_rocm_is_refused(gpu):
    gpu.setattr(torch.version, "hip", "6.2")
    assert "ROCm" in (why_not_triton(on_cuda(), NARROW) or "")


def test_triton_that_fails_is_tried_once_and_its_words_are_told(gpu):
    tried = []

    def fails(device):
        tried.append(device)
        return "Triton fails on this machine: Failed to find C compiler."

    gpu.setattr(choice, "_why_it_fails", fails)
    for _ in range(3):
        assert "Failed to find C compiler" in (why_not_triton(on_cuda(), NARROW) or "")
    assert tried == [torch.device("cuda", 0)]


def test_what_triton_complains_of_is_one_line(monkeypatch):
    fused = pytest.importorskip("portrait_loupe.kernels.convolve.fused", reason="needs Triton")

    def fails(*arguments):
        raise RuntimeError("Failed to find C compiler.\nSet CC.")

    monkeypatch.setattr(fused, "convolve", fails)
    said = choice._why_it_fails(torch.device("cpu"))
    assert said == "Triton fails on this machine: Failed to find C compiler."


def test_the_trial_is_a_calculation_with_a_known_result(monkeypatch):
    fused = pytest.importorskip("portrait_loupe.kernels.convolve.fused", reason="needs Triton")
    if not torch.cuda.is_available():
        assert choice._why_it_fails(torch.device("cpu")) is None  # in the interpreter
    monkeypatch.setattr(fused, "convolve", lambda image, terms: image + 1e-3)
    assert choice._why_it_fails(torch.device("cpu")) == "Triton gives wrong results on this machine"


def test_it_answers_where_triton_cannot_be_imported():
    """Windows and macOS have no Triton of their own."""
    probe = f"""
import sys
sys.modules["triton"] = None
sys.path.insert(0, {str(ROOT / "tests")!r})
import conftest, torch
from portrait_loupe.kernels.convolve import choice, convolve
print(choice.why_not_triton(torch.zeros(1, 3, 8, 8), None))
print(convolve(torch.ones(1, 1, 4, 4), torch.ones(1, 1)).sum().item())
"""
    answer = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=120
    )
    assert answer.stdout.splitlines() == ["the image is on cpu, not cuda", "16.0"]
