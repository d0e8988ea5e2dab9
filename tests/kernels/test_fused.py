"""The Triton kernel: in the interpreter where there is no CUDA device, and compiled for GPUs that we lack."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels import presence
from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.kernels.convolve import reference
from portrait_loupe.kernels.convolve.terms import Terms, terms_of_gaussians

pytest.importorskip("triton", reason="Triton is not installed")
if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no CUDA device, and TRITON_INTERPRET is not 1", allow_module_level=True)
from portrait_loupe.kernels.convolve import fused  # Triton asks for TRITON_INTERPRET now

ROOT = Path(__file__).resolve().parents[2]
on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def lopsided(reach: int, channels: int = 3, rank: int = 2) -> Terms:
    """Terms that look different from every side and in every channel, with a DC gain of 1."""
    chance = torch.Generator().manual_seed(reach)
    shape = (channels, rank, 2 * reach + 1)
    columns, rows = (torch.rand(shape, generator=chance, dtype=torch.float64) for _ in range(2))
    columns[:, -1] *= -0.3  # a term that takes away
    bare = Terms(torch.full((channels,), 0.2, dtype=torch.float64), columns, rows)
    scale = 0.8 / (bare.gain - bare.delta)
    return Terms(bare.delta, columns * scale[:, None, None], rows)


def wanted(image, terms):
    """The definition, in float64."""
    return reference.convolve(image.cpu().double(), terms.dense().expand(image.shape[1], -1, -1))


def soft():
    return terms_of_gaussians(0.3, [0.4, 0.3], [1.0, 2.8])  # reach 12


def relens():
    """Source sigma 0.8 px of specs/lens.md, 2.1: what it takes away and gives comes to six."""
    return terms_of_gaussians(2.27, [-3.64, 2.37], [0.68, 0.8])


def test_a_point_of_light_becomes_the_psf(device):
    terms = lopsided(3)
    sky = torch.zeros(1, 3, 33, 29, device=device)
    sky[..., 16, 12] = 1.0
    want = torch.zeros(3, 33, 29, dtype=torch.float64)
    want[:, 13:20, 9:16] = terms.dense()
    # 7e-8 of the tile's range for each unit of the terms' absolute sum, here 2
    assert_close(fused.convolve(sky, terms)[0].cpu().double(), want, atol=5e-7, rtol=0)


@pytest.mark.parametrize("terms", [soft(), lopsided(5), lopsided(12)], ids=["soft", "5", "12"])
@pytest.mark.parametrize("level", [0.003, 0.77, 1.0])
def test_a_flat_field_comes_back_exactly(terms, level, device):
    terms = Terms(terms.delta + 1 - terms.gain, terms.columns, terms.rows)
    gray = torch.full((1, 3, 45, 50), level, device=device)
    assert torch.equal(fused.convolve(gray, terms), gray)
    # decoded and encoded again: two powers in float32, 1.8e-7 is measured
    assert_close(fused.render(gray.movedim(1, -1), terms), gray.movedim(1, -1), atol=3e-7, rtol=0)


@pytest.mark.parametrize(
    ("shape", "reach"),
    [
        ((1, 3, 61, 97), 12), ((2, 3, 40, 41), 7), ((2, 1, 5, 103), 6), ((1, 3, 64, 20), 1),
        ((1, 4, 9, 5), 12), ((3, 2, 13, 2), 4), ((1, 3, 1, 1), 2), ((1, 1, 1, 40), 12), ((1, 3, 7, 9), 0),
    ],
    ids=str,
)  # fmt: skip
def test_fused_agrees_with_the_reference_in_float64(shape, reach, device):
    torch.manual_seed(7)
    image, terms = torch.rand(shape, device=device), lopsided(reach, shape[1])
    # the bound is the one promised; 4e-7 is the most measured
    assert_close(
        fused.convolve(image, terms).cpu().double(), wanted(image, terms), atol=5e-6, rtol=0
    )


@pytest.mark.parametrize("rank", [0, 1, 4, 8])
def test_any_number_of_terms_is_summed(rank, device):
    bare = lopsided(2, rank=max(rank, 1))
    terms = Terms(bare.delta, bare.columns[:, :rank], bare.rows[:, :rank])
    image = torch.rand(1, 3, 23, 31, device=device)
    assert_close(
        fused.convolve(image, terms).cpu().double(), wanted(image, terms), atol=5e-6, rtol=0
    )


def test_one_set_of_terms_serves_all_channels(device):
    image = torch.rand(1, 3, 30, 22, device=device)
    one = lopsided(4, channels=1)
    three = Terms(one.delta.expand(3), one.columns.expand(3, -1, -1), one.rows.expand(3, -1, -1))
    assert torch.equal(fused.convolve(image, one), fused.convolve(image, three))


@pytest.mark.parametrize(("terms", "bound"), [(soft(), 2e-6), (relens(), 5e-6)], ids=["soft", "relens"])  # fmt: skip
def test_a_portrait_is_rendered_as_decode_blur_encode(terms, bound, astronaut, device):
    """The bounds: 0.8e-6 and 3.9e-6 are measured, in the dark, where encoding multiplies by 12.92."""
    picture = astronaut[:, 60:131, 190:281].to(device)
    want = linear_to_srgb(wanted(srgb_to_linear(picture.double()).movedim(-1, 1), terms))
    seen = fused.render(picture, terms)
    assert_close(seen.cpu().double(), want.movedim(1, -1), atol=bound, rtol=0)


def test_the_guard_inside_is_the_guard_outside(astronaut, device):
    terms = relens()
    picture = astronaut[:, 60:131, 190:281].to(device)
    limits = presence.limits_of(picture.movedim(-1, 1))
    free = fused.render(picture, terms)
    want = presence.guard(free.movedim(-1, 1), limits).movedim(1, -1)
    held = fused.render(picture, terms, limits=limits)
    assert_close(held, want, atol=1e-6, rtol=0)  # the rule once more in float32
    assert (held - free).abs().max() > 0.01  # and it did hold something back


def test_half_precision_multiplies_faster_and_errs_as_said(astronaut, device):
    picture = astronaut[:, 60:131, 190:281].to(device)
    error = (fused.render(picture, soft(), full=False) - fused.render(picture, soft())).abs().max()
    assert 1e-5 < error < 0.5 / 255  # a quarter of an 8-bit step is measured


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_pictures_are_calculated_in_float32(dtype, device):
    image = torch.rand(1, 3, 30, 43, device=device).to(dtype)
    seen = fused.convolve(image, lopsided(4))
    assert seen.dtype == dtype
    want = wanted(image.float(), lopsided(4))
    # the last rounding alone, half a step of the dtype at the largest value
    step = torch.finfo(dtype).eps / 2 * max(1.0, float(want.abs().max()))
    assert_close(seen.cpu().double(), want, atol=step + 1e-6, rtol=0)
    assert fused.render(image.movedim(1, -1), lopsided(4)).dtype == dtype


def test_a_view_gives_what_its_copy_gives(device):
    frame = torch.rand(2, 40, 60, 4, device=device)
    view = frame[1:, 3:37:2, ::3, :3]
    before = frame.clone()
    assert torch.equal(fused.render(view, soft()), fused.render(view.contiguous(), soft()))
    planes = view.movedim(-1, 1)
    assert torch.equal(fused.convolve(planes, soft()), fused.convolve(planes.contiguous(), soft()))
    assert torch.equal(frame, before)


def test_pictures_of_a_batch_do_not_touch(device):
    batch = torch.rand(3, 3, 21, 45, device=device)
    together = fused.convolve(batch, soft())
    for index in range(3):
        assert torch.equal(together[index : index + 1], fused.convolve(batch[index : index + 1], soft()))  # fmt: skip


@pytest.mark.parametrize("swing", [1e-42, 1e-30, 1e-12, 1e6], ids=str)
def test_no_contrast_is_too_faint_or_too_strong(swing, device):
    """Scene-linear highlights pass 1; and a quotient by a range of almost nothing must not be NaN."""
    image = torch.rand(1, 1, 20, 20, device=device) * swing
    seen = fused.convolve(image, soft()).cpu().double()
    assert_close(seen, wanted(image, soft()), atol=1e-30 + 5e-6 * swing, rtol=0)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6], ids=str)
def test_terms_of_any_size_keep_their_accuracy(size, device):
    """Half precision ends at 65504 and coarsens below 6e-5; how a term shares its size must not matter."""
    plain = lopsided(3)
    lean = Terms(plain.delta, plain.columns * size, plain.rows / size)
    great = Terms(plain.delta * size, plain.columns * size, plain.rows)
    image = torch.rand(1, 3, 24, 24, device=device)
    assert_close(fused.convolve(image, lean).cpu().double(), wanted(image, plain), atol=1e-6, rtol=0)  # fmt: skip
    seen = fused.convolve(image, great).cpu().double()
    assert_close(seen / size, wanted(image, plain), atol=1e-6, rtol=0)


@pytest.mark.parametrize("reach", range(13))
def test_a_tile_leaves_room_for_the_reach(reach):
    side, step = fused.tile_of(reach)
    assert step >= 20
    assert step + 2 * reach <= side


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fused.convolve(torch.zeros(3, 8, 8), soft()), r"four dimensions .* \(3, 8, 8\)"),
        (lambda: fused.convolve(torch.zeros(0, 3, 8, 8), soft()), "not be empty"),
        (lambda: fused.convolve(torch.zeros(1, 3, 8, 8).double(), soft()), "got torch.float64"),
        (lambda: fused.convolve(torch.zeros(1, 2, 8, 8), lopsided(1)), "1 channel or the 2 of the image, got 3"),
        (lambda: fused.render(torch.zeros(1, 8, 8, 4), lopsided(1)), "the 4 of the picture, got 3"),
        (lambda: fused.convolve(torch.zeros(1, 3, 8, 8), lopsided(13)), "at most 12 px, got 13"),
        (lambda: fused.convolve(torch.empty_strided((1, 1, 2, 2), (0, 0, 2**31, 1), device="meta"), soft()), "Cut it into strips"),
        (lambda: fused.render(torch.zeros(1, 8, 8, 3), soft(), limits=presence.limits_of(torch.zeros(1, 3, 8, 12))), "limits must be those of a picture of 8x8 px"),
    ],
    ids=["shape", "empty", "dtype", "channels", "alpha", "reach", "span", "limits"],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


COMPILE = """
import sys
sys.path.insert(0, sys.argv[1])
import conftest, torch
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from portrait_loupe.kernels.convolve import fused

def build(capability, side, coded, guarded, dtype):
    values = {"CHANNELS": 3, "TERMS": 3, "SIDE": side, "CODED": coded, "FULL": True, "SWING": 32.0,
              "GUARDED": guarded, "BLOCK": 4, "OPEN": 0.1, "SHUT": 0.25, "TEXTURE": 1.0, "EDGE": 0.01}
    pointers = {"source": dtype, "target": dtype, "down": "fp16", "across": "fp16", "delta": "fp32",
                "gain": "fp32", "back": "fp32", "limit_low": "fp32", "limit_high": "fp32"}
    names = fused._tile.arg_names
    kinds = {n: "constexpr" if n in values else "*" + pointers[n] if n in pointers else "i32" for n in names}
    source = ASTSource(fused._tile, signature=kinds, constexprs={(names.index(n),): v for n, v in values.items()})
    warps = fused.warps_of(side, capability // 10, guarded=guarded)
    made = compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": warps, "num_stages": 1})
    return made.metadata.shared, made.asm["ptx"]

for case in [(80, 64, True, True, "fp32"), (90, 32, False, False, "fp16")]:
    shared, ptx = build(*case)
    print(case[0], shared, "mma" in ptx, flush=True)
"""


def test_the_kernel_compiles_for_gpus_that_are_not_here(tmp_path):
    """What the interpreter lets pass, the compiler need not: it makes PTX and machine code for any GPU."""
    surroundings = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    made = subprocess.run(
        [sys.executable, "-c", COMPILE, str(ROOT / "tests")],
        env=surroundings, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-2000:]
    lines = [line.split() for line in made.stdout.splitlines()]
    assert [line[0] for line in lines] == ["80", "90"]
    for _, shared, multiplies in lines:
        assert (
            int(shared) <= 99 * 1024
        )  # what the smallest of them lends to a program (8.6, 8.9, 12.0)
        assert multiplies == "True"  # on tensor cores


@on_cuda
def test_on_a_gpu_8k_is_as_exact_as_in_the_interpreter():
    torch.manual_seed(7)
    picture = torch.rand(1, 4320, 7680, 3, device="cuda")
    seen = fused.render(picture, soft())
    for rows in (slice(0, 200), slice(2000, 2200), slice(4120, 4320)):
        cut = slice(max(rows.start - 12, 0), min(rows.stop + 12, 4320))
        light = srgb_to_linear(picture[:, cut].double().cpu()).movedim(-1, 1)
        want = linear_to_srgb(wanted(light, soft())).movedim(1, -1)
        inner = slice(rows.start - cut.start, rows.stop - cut.start)
        assert_close(seen[:, rows].cpu().double(), want[:, inner], atol=5e-6, rtol=0)
