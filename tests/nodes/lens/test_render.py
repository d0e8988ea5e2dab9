import pytest
import torch
from torch.nn.functional import max_pool2d
from torch.testing import assert_close

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.kernels.psf import Lens
from portrait_loupe.nodes.lens import plan as planner
from portrait_loupe.nodes.lens import render as renderer
from portrait_loupe.nodes.lens.plan import Settings, pixel_pitch_um

SOFT = Lens("soft", 2.2, focus_um=-100, w040_um=5.0, loca_um=30, residual_sigma_um=3)
# Residual blur alone, the same for every colour but for diffraction, whose rings are 1 um wide.
GREY = Lens("grey", 1.4, residual_sigma_um=25)


def render(image, lens, level, format_mm, *, progress=None, **settings):
    """The pictures, and what was done to the first."""
    wanted = Settings(lens, level, format_mm, **settings)
    seen = renderer.render(image, wanted, progress=progress)
    return seen.picture, seen.renderings[0]


def plan_rendering(lens, level, format_mm, *, width, height, **settings):
    wanted = Settings(lens, level, format_mm, **settings)
    return planner.plan_rendering(wanted, width=width, height=height)


@pytest.fixture
def picture():
    """Noise, hard edges and a catch-light, (2, 23, 31, 3)."""
    torch.manual_seed(3)
    image = torch.rand(2, 23, 31, 3) * 0.5
    image[:, 5:12, 8:20] = 0.9
    image[:, 17, 25] = 1.0
    return image


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_level_0_is_the_picture_bit_for_bit(channels, dtype):
    image = (torch.rand(2, 9, 7, channels) * 1.4 - 0.2).to(dtype)  # VAEs overshoot
    seen, rendering = render(image, SOFT, 0.0, 36)
    assert torch.equal(seen, image)
    assert seen.dtype == image.dtype
    assert rendering.report().startswith("Level 0: the picture is unchanged")


def test_level_0_of_a_gray_picture_is_the_same_gray_in_rgb():
    image = torch.rand(1, 9, 7, 1)
    seen, _ = render(image, SOFT, 0.0, 36)
    assert torch.equal(seen, image.repeat(1, 1, 1, 3))


@pytest.mark.parametrize("level", [-1.0, -0.3])
@pytest.mark.parametrize("value", [0.0, 0.02, 0.5, 1.0])
def test_a_flat_field_stays_flat(level, value):
    flat = torch.full((1, 20, 17, 3), value)
    seen, _ = render(flat, SOFT, level, 0.3 * 20)
    # R2: 1e-6 of light; the code is 12.92 times as steep in the darkest tones
    assert_close(srgb_to_linear(seen), srgb_to_linear(flat), atol=1e-6, rtol=0)


@pytest.mark.parametrize("level", [-1.0, -0.4])
def test_no_edge_overshoots(picture, level):
    """R3: what a lens makes of a point lies between the darkest and brightest it gathers."""
    seen, rendering = render(picture, SOFT, level, 1.0)
    reach = rendering.support_px // 2
    assert reach >= 2
    light = srgb_to_linear(picture).movedim(-1, 1).double()
    after = srgb_to_linear(seen.double()).movedim(-1, 1)
    window = 2 * reach + 1
    highest = max_pool2d(light, window, 1, reach)
    lowest = -max_pool2d(-light, window, 1, reach)
    # rounding of float32 sums, and of the code and back
    assert (after <= highest + 2e-6).all()
    assert (after >= lowest - 2e-6).all()


def test_a_level_between_is_that_much_of_the_lens(picture):
    half, full = (srgb_to_linear(render(picture, SOFT, level, 1.0)[0]) for level in (-0.5, -1.0))
    # float32 in the code and back, 2.4 times steeper near white
    assert_close(half, (full + srgb_to_linear(picture)) / 2, atol=2e-6, rtol=0)


def test_the_kernel_is_light_and_all_of_it():
    for level in (-1.0, -0.55, 0.0):
        psf = plan_rendering(SOFT, level, 6.0, width=400, height=300).psf
        assert psf.min() >= 0
        assert_close(psf.sum((1, 2)), torch.ones(3).double(), atol=1e-6, rtol=0)


def test_what_is_neutral_stays_neutral(picture):
    neutral = picture[..., :1].expand(-1, -1, -1, 3)
    seen, rendering = render(neutral, GREY, -1.0, 1.0)
    assert rendering.blur_px > 1
    spread = seen.amax(-1) - seen.amin(-1)
    # Diffraction alone tells colours apart here: its tail differs by some 1e-3 of the light between red and blue
    assert spread.max() < 2e-3


def test_a_gray_picture_becomes_rgb(picture):
    gray = picture[..., :1]
    seen, _ = render(gray, SOFT, -1.0, 1.0)
    assert seen.shape == (2, 23, 31, 3)
    want, _ = render(gray.repeat(1, 1, 1, 3), SOFT, -1.0, 1.0)
    assert_close(seen, want, atol=1e-6, rtol=0)  # float32, summed in another order


def test_highlights_bloom_as_light_not_as_code():
    """A white line on black leaves as much light as it brought."""
    night = torch.zeros(1, 41, 41, 3)
    night[:, :, 20] = 1.0
    seen, _ = render(night, SOFT, -1.0, 1.0)
    # what falls beyond the picture comes back from its mirror image
    assert_close(
        srgb_to_linear(seen).sum((1, 2)), srgb_to_linear(night).sum((1, 2)), atol=0, rtol=1e-3
    )


def test_a_batch_is_each_picture_alone(picture):
    together, _ = render(picture, SOFT, -1.0, 1.0)
    for index in range(2):
        assert torch.equal(
            together[index : index + 1], render(picture[index : index + 1], SOFT, -1.0, 1.0)[0]
        )


def test_an_opaque_picture_with_alpha_looks_like_one_without(picture):
    opaque = torch.cat([picture, torch.ones(2, 23, 31, 1)], -1)
    seen, _ = render(opaque, SOFT, -1.0, 1.0)
    # light is divided by a blurred 1: float32 rounding, 12.92 times as steep in the darkest code
    assert_close(seen[..., :3], render(picture, SOFT, -1.0, 1.0)[0], atol=2e-5, rtol=0)
    assert_close(seen[..., 3], torch.ones(2, 23, 31), atol=1e-6, rtol=0)


def test_a_white_cut_out_keeps_a_white_rim():
    cut_out = torch.zeros(1, 30, 30, 4)
    cut_out[:, 10:20, 10:20] = 1.0
    seen, _ = render(cut_out, SOFT, -1.0, 1.0)
    rim = (seen[..., 3] > 0.01) & (seen[..., 3] < 0.99)
    assert rim.any()
    # float32 noise of the transform, 1e-7, over an alpha of 0.01
    assert seen[rim][:, :3].min() > 1 - 1e-4


def test_hidden_colours_do_not_leak_and_nothing_is_nan():
    hidden = torch.zeros(1, 24, 24, 4)
    hidden[..., :3] = torch.tensor([1.0, 0.0, 1.0])  # what lies under full transparency
    assert torch.isfinite(render(hidden, SOFT, -1.0, 1.0)[0]).all()
    hidden[:, 8:16, 8:16] = torch.tensor([0.0, 1.0, 0.0, 1.0])
    seen, _ = render(hidden, SOFT, -1.0, 1.0)
    assert torch.isfinite(seen).all()
    shown = seen[seen[..., 3] > 0.01]
    assert shown[:, 0].max() < 5e-4  # noise of 1e-7 over 0.01, 12.92 times as steep in the code
    assert shown[:, 1].min() > 1 - 1e-4


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 40)])
def test_a_psf_wider_than_the_picture_is_no_obstacle(size):
    image = torch.rand(1, *size, 3)
    seen, rendering = render(image, SOFT, -1.0, 1.0)
    assert rendering.support_px > 2 * size[0] or size == (1, 1)
    assert seen.shape == image.shape
    assert torch.isfinite(seen).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_output_is_float32_between_0_and_1(picture, dtype):
    seen, _ = render((picture * 1.5 - 0.2).to(dtype), SOFT, -1.0, 1.0)
    assert seen.dtype == torch.float32
    assert seen.min() >= 0
    assert seen.max() <= 1


def test_the_input_is_not_touched(picture):
    before = picture.clone()
    render(picture, SOFT, -0.5, 1.0)
    render(picture, SOFT, 0, 1.0)
    assert torch.equal(picture, before)


def test_the_long_side_is_the_format():
    assert pixel_pitch_um(36, 7680, 4320) == pytest.approx(4.6875)
    assert pixel_pitch_um(36, 1000, 3000) == pytest.approx(12)


def test_the_same_lens_twice_as_fine_is_twice_as_many_pixels():
    small, large = (plan_rendering(SOFT, -1, 6, width=w, height=10) for w in (600, 1200))
    # pixels of their own size add in quadrature to blurs of 8 and 16 px
    assert large.ee80_px == pytest.approx(2 * small.ee80_px, rel=0.03)
    assert large.contrast_at(10) == pytest.approx(small.contrast_at(10), abs=0.03)


def test_the_report_gives_figures_and_marks_what_pixels_cannot_show():
    rendering = plan_rendering(SOFT, -1, 12, width=600, height=400)
    report = rendering.report()
    assert "soft at level -1; 12 mm format, 20 um per pixel" in report
    assert f"spreads over {rendering.support_px} px" in report
    assert "40 lp/mm n/a" in report
    assert "(25 lp/mm)" in report
    assert "invisible" not in report


@pytest.mark.parametrize(
    ("level", "advice"), [(-1, "choose a smaller"), (-0.5, "a level nearer to -1, a smaller")]
)
def test_a_lens_that_does_not_show_is_said_to_be_invisible(level, advice):
    report = plan_rendering(Lens("ideal", 4), level, 36, width=600, height=400).report()
    assert "invisible at this size" in report
    assert f"{advice} format_mm" in report


@pytest.mark.parametrize(
    ("level", "format_mm", "message"),
    [
        (2.1, 36, r"level must be from -1 to 2, got 2.1"),
        (-1.1, 36, "level must be from -1"),
        (float("nan"), 36, "level must be from -1"),
        (-1, 0.5, "format_mm must be from 1 to 300 mm, got 0.5"),
        (-1, float("nan"), "format_mm must be"),
    ],
)
def test_settings_out_of_range_are_refused(picture, level, format_mm, message):
    with pytest.raises(ValueError, match=message):
        render(picture, SOFT, level, format_mm)


def test_a_format_too_small_for_the_picture_is_refused_with_advice():
    with pytest.raises(ValueError, match="Choose a larger format_mm"):
        plan_rendering(SOFT, -1, 1, width=16384, height=10)


def test_a_picture_with_nan_is_refused(picture):
    picture[1, 3, 3, 0] = torch.nan
    with pytest.raises(ValueError, match="image, picture 2 of 2, holds 1 values that are NaN"):
        render(picture, SOFT, 0, 36)


def test_what_the_code_and_back_costs():
    """The floor under every tolerance here that compares light."""
    light = torch.linspace(0, 1, 4097)
    assert_close(srgb_to_linear(linear_to_srgb(light)), light, atol=1e-6, rtol=0)


def test_progress_counts_the_rows_of_all_pictures(picture):
    seen = []

    def progress(total):
        seen.append(f"of {total}")
        return seen.append

    render(picture, SOFT, -1.0, 36, progress=progress)
    height = picture.shape[1]
    assert seen[0] == f"of {2 * height}"
    assert seen[1:] == sorted(seen[1:])
    assert height in seen
    assert seen[-1] == 2 * height


@pytest.mark.parametrize(
    ("format_mm", "blur_px", "invisible"), [(90, 0.55, False), (120, 0.20, True)]
)
def test_half_a_pixel_is_where_a_lens_begins_to_show(format_mm, blur_px, invisible):
    rendering = plan_rendering(SOFT, -1.0, format_mm, width=1024, height=1024)
    assert rendering.blur_px == pytest.approx(blur_px, abs=0.01)
    assert ("invisible at this size" in rendering.report()) is invisible
