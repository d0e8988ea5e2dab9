import json

import pytest
import torch

from portrait_loupe.kernels import report
from portrait_loupe.kernels.convolve import BACKENDS, choose

NO_GPU = {
    "torch": "2.13.0", "threads": 2, "cuda": [], "triton": None,
    "why_not_triton": "Triton is not installed",
    "cases": [
        {"device": "cpu", "psf": "soft lens", "reach_px": 12, "picture": size, "backend": backend, "why": why}
        for size, backend, why in (("1080p", "gemm", ["it is narrow"]), ("4K", "gemm", ["it is narrow"]), ("8K", "fft", ["it is large"]))
    ],
}  # fmt: skip


def test_every_case_is_what_convolve_would_choose():
    found = report.look()
    cpu = [case for case in found["cases"] if case["device"] == "cpu"]
    assert len(cpu) == len(report.SIZES) * len(report.psfs())
    for case in cpu:
        width, height = report.SIZES[case["picture"]]
        picture = torch.zeros(1).expand(1, 3, height, width)
        chosen, why = choose(picture, report.psfs()[case["psf"]])
        assert (case["backend"], case["why"]) == (chosen, list(why))
        assert case["backend"] in BACKENDS
        assert case["backend"] != "auto"
        assert case["why"]


def test_what_is_found_is_of_this_machine_and_fits_into_json():
    found = report.look()
    assert json.loads(json.dumps(found)) == found
    assert found["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()
    assert len(found["cuda"]) == torch.cuda.device_count()
    if not found["cuda"]:
        assert found["why_not_triton"]


def test_the_typical_psfs_are_narrow_and_wide_and_keep_the_brightness():
    reaches = {case["psf"]: case["reach_px"] for case in report.look()["cases"]}
    assert min(reaches.values()) <= 6
    assert max(reaches.values()) > 12  # beyond the fused kernel
    for psf in report.psfs().values():
        gain = psf.sum() if isinstance(psf, torch.Tensor) else psf.gain[0]
        assert float(gain) == pytest.approx(1, abs=1e-6)


def test_sizes_that_are_treated_alike_share_a_line():
    assert report.table(NO_GPU) == (
        "torch      2.13.0, 2 threads\n"
        "CUDA       no device that torch can use\n"
        "Triton     none: not used, Triton is not installed\n"
        "\n"
        "cpu, soft lens (reach 12 px), 1080p, 4K: gemm\n"
        "  - it is narrow\n"
        "\n"
        "cpu, soft lens (reach 12 px), 8K: fft\n"
        "  - it is large"
    )


def test_a_gpu_is_told_with_its_memory():
    device = {"name": "Some GPU", "capability": "9.0", "free_gb": 10.0, "total_gb": 24.0}
    found = {**NO_GPU, "cuda": [device], "triton": "3.9.0", "why_not_triton": None}
    said = report.table(found)
    assert "CUDA       Some GPU, compute capability 9.0, 10.0 of 24.0 GB free\n" in said
    assert "Triton     3.9.0\n" in said


def test_triton_wants_a_gpu(monkeypatch):
    monkeypatch.setattr(report.choice, "why_no_triton", lambda: None)
    assert report._why_not_triton(has_cuda=False) == "it needs a CUDA device"
