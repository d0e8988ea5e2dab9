import json
import math
from dataclasses import fields, replace

import pytest
import torch

from portrait_loupe.kernels.resample import resample_area
from portrait_loupe.nodes.comparison.figures import Figures, figures_of, grade_of, lines_of
from portrait_loupe.nodes.framing.faces import OVAL, Box, Face

IOD = 210.0
FACE = Face(((195.0, 300.0), (405.0, 300.0)))
WHOLE = Box(0, 0, 600, 720)


def smooth_noise(sigma_px, seed, height, width):
    torch.manual_seed(seed)
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width))
    plane = torch.fft.ifft2(
        torch.fft.fft2(torch.randn(height, width))
        * torch.exp(-2 * (math.pi * sigma_px * frequency) ** 2)
    ).real
    return plane / plane.std()


def skin(strength=0.02, times=1):
    """A lit field with texture, as much at every place: (1, 720, 600, 3) times as large, sRGB 0..1."""
    size = (720 * times, 600 * times)
    tone = 0.6 + 0.5 * strength * smooth_noise(0.7 * times, 1, *size)
    tone += strength * smooth_noise(3.0 * times, 2, *size)
    return (tone[..., None] * torch.tensor([1.0, 0.85, 0.75]))[None].clamp(0, 1)


def edge(halo=0.0, side=200, angle=6.0):
    """A blurred slanted edge across a square, with a halo of that share of its height: (1, H, W, 1)."""
    turn = math.radians(angle)
    place = torch.arange(side).double() - side / 2
    away = (place - place[:, None] * math.tan(turn)) * math.cos(turn)
    step = 0.5 * (1 + torch.erf(away / 1.2))
    bump = torch.exp(-((away - 4) ** 2) / 4) - torch.exp(-((away + 4) ** 2) / 4)
    return (0.25 + 0.4 * (step + halo * bump))[None, ..., None].float()


def values(figures):
    return [
        value for name in fields(Figures) if isinstance(value := getattr(figures, name.name), float)
    ]


@pytest.fixture(scope="module")
def plain():
    return figures_of(skin(), FACE, WHOLE)


def test_all_figures_are_there_for_a_large_face(plain):
    assert plain.micro_contrast > 0
    assert plain.mid > 0
    assert 0 <= plain.flat_share <= 1
    assert plain.px_per_mm == pytest.approx(IOD / 63)
    assert plain.px_per_mm_from == "pupils"
    assert plain.grade == "line-grade"
    assert plain.face_width_px == pytest.approx(OVAL[0] * IOD)
    assert plain.halo_percent is None
    assert plain.reasons == ("halo: the region shows no straight edge with calm on both sides",)


def test_the_same_face_at_another_size_has_the_same_figures():
    """One skin seen by cameras of more and more pixels: 481, 817 and 1202 px across the face."""
    rough = torch.linspace(0, 2, 1800)[:, None]  # from flat skin to rough
    fine = (skin(0.0, 3) + rough * (skin(times=3) - skin(0.0, 3))).movedim(-1, 1)
    seen = []
    for times in (1, 1.7, 2.5):
        width, height = round(600 * times), round(720 * times)
        image, _ = resample_area(fine, (0, 0, 1800, 2160), (width, height))
        eyes = tuple((x * times, y * times) for x, y in FACE.eyes)
        seen.append(figures_of(image.movedim(1, -1), Face(eyes), Box(0, 0, width, height)))
    for large, times in zip(seen[1:], (1.7, 2.5), strict=True):
        assert large.mid == pytest.approx(seen[0].mid, rel=0.04)
        assert large.micro_contrast == pytest.approx(seen[0].micro_contrast, rel=0.04)
        assert large.flat_share == pytest.approx(seen[0].flat_share, abs=0.03)
        assert large.px_per_mm == pytest.approx(times * seen[0].px_per_mm)


def test_a_beauty_filter_shows_as_flat_skin_and_less_of_the_middle_band(plain):
    smoothed = figures_of(skin(0.003), FACE, WHOLE)
    assert smoothed.mid < 0.25 * plain.mid
    assert smoothed.flat_share > plain.flat_share + 0.3
    assert smoothed.micro_contrast < 0.25 * plain.micro_contrast


@pytest.mark.parametrize("enlarged", [1, 2])
@pytest.mark.parametrize("roll", [0.0, 90.0, 180.0, -90.0])
def test_a_turned_face_is_measured_on_its_own_forehead_and_cheeks(roll, enlarged):
    """Texture on the forehead of the turned face alone; other faces' skin lies elsewhere."""

    def turned(by):
        x, y = (IOD / 2 * part(math.radians(by)) for part in (math.cos, math.sin))
        return Face(((300 - x, 360 - y), (300 + x, 360 + y)))

    x, y = turned(roll).to_image(0.0, -0.62)
    across, down = torch.arange(600) + 0.5 - x, torch.arange(720)[:, None] + 0.5 - y
    image = torch.where((torch.hypot(across, down) < 60)[..., None], skin(0.04), skin(0.0))
    image = image.repeat_interleave(enlarged, 1).repeat_interleave(enlarged, 2)
    mids = {}
    for by in (0.0, 90.0, 180.0, -90.0):
        eyes = tuple((enlarged * x, enlarged * y) for x, y in turned(by).eyes)
        face = Face(eyes)
        mids[by] = figures_of(image, face, Box(0, 0, 600 * enlarged, 720 * enlarged)).mid
    assert mids[roll] > 0.1
    assert max(value for by, value in mids.items() if by != roll) < 0.3 * mids[roll]


def test_only_the_region_counts_for_micro_contrast():
    image = skin(0.0)
    image[:, :, :300] = skin(0.03)[:, :, :300]
    rough = figures_of(image, FACE, Box(0, 0, 250, 720)).micro_contrast
    calm = figures_of(image, FACE, Box(350, 0, 250, 720)).micro_contrast
    assert rough > 0.01
    assert calm < 0.05 * rough


def test_hair_over_the_forehead_is_not_taken_for_texture(plain):
    image = skin()
    for x in range(150, 450, 40):
        image[:, 0:260, x : x + 9] = 0.2
    fringe = figures_of(image, FACE, WHOLE)
    assert fringe.mid == pytest.approx(plain.mid, rel=0.25)


def test_burnt_out_skin_is_left_out_rather_than_flat(plain):
    image = skin()
    image[:, 380:, :300] = 1.0  # one cheek
    assert figures_of(image, FACE, WHOLE).flat_share == pytest.approx(plain.flat_share, abs=0.1)
    image[:] = 1.0
    burnt = figures_of(image, FACE, WHOLE)
    assert burnt.flat_share is None
    assert any("forehead and cheeks" in reason for reason in burnt.reasons)


@pytest.mark.parametrize("halo", [0.0, 0.05, 0.15])
def test_a_halo_of_the_source_is_reported_in_percent(halo):
    found = figures_of(edge(halo), None, Box(0, 0, 200, 200))
    # pixels of 0.5 px and a bump on the foot of the step: a tenth of it, or 0.5 % of noise
    assert found.halo_percent == pytest.approx(100 * halo, abs=max(0.5, 12 * halo))


@pytest.mark.parametrize("kept", [(0.25, 1.0), (0.0, 0.65)], ids=["bright", "dark"])
def test_a_glow_or_shadow_on_one_side_of_an_edge_is_no_halo(kept):
    """Sharpening would have left its mark on both."""
    found = figures_of(edge(0.15).clamp(*kept), None, Box(0, 0, 200, 200))
    assert found.halo_percent == pytest.approx(0, abs=0.5)


def test_texture_beside_an_edge_is_not_told_from_a_halo():
    image = edge() + 0.04 * smooth_noise(2.0, 4, 200, 200)[None, ..., None]
    found = figures_of(image, None, Box(0, 0, 200, 200))
    assert found.halo_percent is None
    assert "halo: the region shows no straight edge with calm on both sides" in found.reasons


def test_an_edge_outside_of_the_region_is_no_halo():
    image = torch.full((1, 400, 400, 1), 0.25)
    image[:, :200, :200] = edge(0.1)
    assert figures_of(image, None, Box(0, 0, 200, 200)).halo_percent > 5
    assert figures_of(image, None, Box(200, 200, 200, 200)).halo_percent is None


def test_a_measured_iris_is_the_better_ruler():
    found = figures_of(skin(), FACE, WHOLE, iris_px=46.8)
    assert found.px_per_mm == pytest.approx(8.0)
    assert found.px_per_mm_from == "iris"
    assert found.grade == "pore-grade"
    assert figures_of(skin(), None, WHOLE, iris_px=46.8).px_per_mm == pytest.approx(8.0)
    for useless in (None, 0.0, math.nan):
        assert figures_of(skin(), FACE, WHOLE, iris_px=useless).px_per_mm_from == "pupils"


def test_a_head_turned_aside_is_wider_than_its_eyes_seem(plain):
    turned = figures_of(skin(), replace(FACE, yaw_deg=60.0), WHOLE)
    assert turned.px_per_mm == pytest.approx(2 * plain.px_per_mm)


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        (12.0, "lash-grade"),
        (11.9, "pore-grade"),
        (6.0, "pore-grade"),
        (5.9, "line-grade"),
        (3.0, "line-grade"),
        (2.9, "shape only"),
    ],
)
def test_grades_begin_where_the_specification_says(value, grade):
    assert grade_of(value) == grade


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_no_pixels_have_no_grade(value):
    with pytest.raises(ValueError, match="px_per_mm"):
        grade_of(value)


def test_a_small_face_has_no_skin_figures_and_says_why():
    small = figures_of(skin(), Face(((250.0, 300.0), (350.0, 300.0))), WHOLE)
    assert small.mid is None
    assert small.flat_share is None
    assert small.micro_contrast is not None  # 229 px: half of 440 will do
    assert "skin: the face is 229 px wide, 440 are needed" in small.reasons
    tiny = figures_of(skin(), Face(((290.0, 300.0), (310.0, 300.0))), WHOLE)
    assert tiny.micro_contrast is None
    assert any("micro-contrast: the face is 46 px wide" in reason for reason in tiny.reasons)


def test_without_a_face_there_is_no_ruler():
    found = figures_of(skin(), None, WHOLE)
    assert found.px_per_mm is None
    assert found.grade is None
    assert found.face_width_px is None
    assert found.mid is None
    assert found.micro_contrast > 0
    assert "skin: there is no face" in found.reasons


@pytest.mark.parametrize(
    "box",
    [
        Box(-50, -80, 200, 200),
        Box(590, 700, 300, 300),
        Box(599.5, 719.5, 40, 40),
        Box(10.2, 10.2, 0.3, 0.3),
        Box(900, 900, 50, 50),
        Box(-1e9, -1e9, 4e9, 4e9),
        Box(0, 0, 0, 0),
        Box(math.nan, 0, 10, 10),
    ],
    ids=str,
)
def test_no_box_breaks_it(box):
    found = figures_of(skin(), FACE, box)
    assert all(map(math.isfinite, values(found)))
    json.dumps(found.as_json(), allow_nan=False)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("tone", [0.0, 0.5, 1.0])
def test_no_blank_picture_breaks_it(channels, tone):
    found = figures_of(torch.full((1, 720, 600, channels), tone), FACE, WHOLE)
    assert all(map(math.isfinite, values(found)))
    assert found.micro_contrast == pytest.approx(0, abs=1e-5)
    assert found.halo_percent is None
    json.dumps(found.as_json(), allow_nan=False)


def test_a_face_outside_of_the_picture_has_no_skin():
    away = Face(((2000.0, 2000.0), (2210.0, 2000.0)))
    found = figures_of(skin(), away, WHOLE)
    assert found.mid is None
    assert "skin: forehead and cheeks lie outside the picture" in found.reasons


def test_gray_and_transparent_pictures_are_measured_as_they_are_shown(plain):
    gray = skin()[..., :1]
    assert (
        figures_of(gray, FACE, WHOLE).mid == figures_of(gray.expand(-1, -1, -1, 3), FACE, WHOLE).mid
    )
    opaque = torch.cat([skin(), torch.ones(1, 720, 600, 1)], -1)
    assert figures_of(opaque, FACE, WHOLE).mid == pytest.approx(plain.mid, rel=1e-4)
    hidden = torch.cat([skin(), torch.zeros(1, 720, 600, 1)], -1)
    assert figures_of(hidden, FACE, WHOLE).mid == pytest.approx(0, abs=1e-3)


def test_nan_is_refused():
    image = skin()
    image[0, 300, 300, 0] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        figures_of(image, FACE, WHOLE)


def test_panels_tell_the_figures_that_all_of_them_have():
    whole = Figures(0.05, 0.412, 0.021, 9.8, "iris", 0.31, "pore-grade", 900.0)
    soft = replace(whole, mid=0.2, halo_percent=7.6)
    sharp = replace(whole, halo_percent=None)
    far = replace(whole, mid=None, flat_share=None)
    nothing = Figures(None, None, None, None, None, None, None, None, ("why",))
    assert lines_of([whole]) == ["mid 0.41  flat 2 %  halo 0.3 %"]
    assert lines_of([sharp, soft]) == ["mid 0.41  flat 2 %", "mid 0.20  flat 2 %"]
    assert lines_of([whole, far]) == ["micro 0.050  halo 0.3 %"] * 2
    assert lines_of([whole, nothing]) == ["", ""]


def test_json_is_rounded_and_null_where_nothing_is_known():
    whole = Figures(0.123456, 0.41237, 0.02155, 9.8149, "iris", 0.3149, "pore-grade", 900.04)
    assert whole.as_json() == {
        "micro_contrast": 0.1235,
        "mid_band_l": 0.412,
        "flat_skin_share": 0.022,
        "px_per_mm": 9.81,
        "px_per_mm_from": "iris",
        "halo_percent": 0.31,
        "grade": "pore-grade",
        "face_width_px": 900.0,
        "reasons": [],
    }
    nothing = Figures(None, math.nan, None, None, None, None, None, None, ("why",)).as_json()
    assert nothing["mid_band_l"] is None
    assert nothing["reasons"] == ["why"]
