import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.comparison.design import Settings, Shown, plan_design
from portrait_loupe.nodes.comparison.panels import Panel
from portrait_loupe.nodes.comparison.plate import AMBER, GROUND, INK, QUIET, cut_panel, make_plate
from portrait_loupe.nodes.comparison.regions import PLATE_REGIONS
from portrait_loupe.nodes.framing.faces import Box, Face
from portrait_loupe.nodes.framing.regions import SHOTS

SIZE = (800, 700)


def portrait(seed=0, width=400, height=500, iod=100.0, centre=(200.0, 200.0)):
    image = torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(seed))
    (x, y) = centre
    return Panel(image, Face(eyes=((x - iod / 2, y), (x + iod / 2, y))), f"seed {seed}")


def designed(panels, region="eyes", size=SIZE, **settings):
    return plan_design(panels, Settings(region, size, **settings)).slides[0]


def test_equal_entries_give_panels_equal_to_the_byte():
    panels = make_plate([portrait()] * 4, "eyes", SIZE).panels
    assert all(torch.equal(panels[0], panel) for panel in panels[1:])


def test_the_panels_stand_on_the_plate_pixel_for_pixel():
    entries = [portrait(seed) for seed in range(3)]
    plate = make_plate(entries, "lips", SIZE)
    layout = plate.design.slides[0].layout
    for panel, (x, y) in zip(plate.panels, layout.origins, strict=True):
        shown = plate.picture[0, y : y + layout.panel[1], x : x + layout.panel[0]]
        assert torch.equal(shown, panel)


def test_the_same_face_at_another_size_and_place_gives_the_same_panel():
    """A smooth face drawn twice: the lock brings both to the same pixels."""

    def drawn(scale, shift_x, shift_y):
        rows, columns = torch.arange(600.0)[:, None] + 0.5, torch.arange(600.0) + 0.5
        u, v = (columns - shift_x) / (60 * scale), (rows - shift_y) / (60 * scale)
        wave = 0.5 + 0.4 * torch.sin(4 * u) * torch.cos(3 * v)
        iod = 60 * scale
        face = Face(eyes=((shift_x - iod / 2, shift_y), (shift_x + iod / 2, shift_y)))
        return Panel(wave[None, ..., None].expand(-1, -1, -1, 3), face, "")

    small, large = make_plate([drawn(1.0, 300, 300), drawn(1.7, 290.4, 310.7)], "eyes", SIZE).panels
    # a step of the smaller source is 1/60 IOD, where the wave moves by 4/60 * 0.4: half of that
    assert (small - large).abs().max() < 0.5 * 4 / 60
    assert (small - large).abs().mean() < 0.01


def test_a_panel_shows_its_region_at_one_zoom():
    slide = designed([portrait()] * 2)
    shown, (width, height) = slide.panels[0], slide.layout.panel
    assert shown.zoom == pytest.approx(width / (1.9 * 100))
    assert shown.box.width == pytest.approx(190)
    assert shown.box.height == pytest.approx(height / shown.zoom)
    assert shown.box.centre == pytest.approx((200, 195))
    assert shown.complete


def test_at_a_whole_zoom_on_whole_pixels_a_panel_is_its_source():
    entry = portrait()
    shown = Shown(0, "", "", Box(105, 160, 190, 80), 3.0)
    picture = cut_panel(entry.image, shown, (570, 240))
    source = entry.image[0, 160:240, 105:295]
    assert_close(picture, source.repeat_interleave(3, 0).repeat_interleave(3, 1), atol=1e-6, rtol=0)


def test_what_the_picture_does_not_show_is_hatched_and_said():
    entry = portrait(centre=(60.0, 200.0))
    slide = designed([entry, entry])
    shown, size = slide.panels[0], slide.layout.panel
    assert not shown.complete
    beyond = cut_panel(entry.image, shown, size)[
        :, : int(0.17 * size[0])
    ]  # the box begins at -35 px
    assert beyond.min() >= 0.31
    assert beyond.max() <= 0.39
    assert "hatched: beyond the picture" in make_plate([entry, entry], "eyes", SIZE).report


def test_a_region_wholly_outside_is_refused_by_the_panels_name():
    with pytest.raises(ValueError, match=r"seed 0: this region lies wholly outside"):
        make_plate([portrait(centre=(200.0, 490.0))] * 2, "lips", SIZE)


def test_an_enlarged_panel_says_that_it_shows_resolution():
    entries = [portrait(iod=20.0), portrait(iod=200.0)]
    lines = make_plate(entries, "eyes", SIZE).report.splitlines()
    assert "\u25b2; enlarged more than 4x: shows resolution, not the model" in lines[1]
    assert "\u25b2" not in lines[2]


def test_a_plate_is_the_same_every_time():
    entries = [portrait(seed) for seed in range(2)]
    assert torch.equal(
        make_plate(entries, "face", SIZE).picture, make_plate(entries, "face", SIZE).picture
    )


def test_transparency_shows_gray_and_gray_pictures_have_colour_channels():
    clear = Panel(torch.zeros(1, 500, 400, 4), portrait().face, "clear")
    gray = Panel(torch.full((1, 500, 400, 1), 0.5), portrait().face, "gray")
    panels = make_plate([clear, gray], "eyes", SIZE).panels
    assert_close(panels[0], panels[1], atol=1e-6, rtol=0)


def test_the_plate_is_rgb_in_range_of_the_asked_size():
    plate = make_plate([portrait()] * 2, "nose", SIZE).picture
    assert plate.shape == (1, 700, 800, 3)
    assert 0 <= plate.min() <= plate.max() <= 1


@pytest.mark.parametrize(
    "label",
    [
        "",
        "x" * 300,
        "<script>alert(1)</script>",
        "\u03a9ß×",
        "two\nlines",
        "\x00\ud800",
        "\u202eturned",
        "\u9762 \U0001f441 \u0639\u064a\u0646",
    ],
)
def test_no_label_leaves_its_band(label):
    entries = [Panel(entry.image, entry.face, label) for entry in (portrait(), portrait(1))]
    made = make_plate(entries, "left eye", SIZE)
    layout = made.design.slides[0].layout
    plate = (made.picture[0] * 255).round()
    written = (plate - torch.tensor(GROUND)).abs().amax(-1) > 8
    (x0, y0), (w, h) = layout.origins[0], layout.panel
    gap = layout.origins[1][0] - x0 - w
    band = written[y0 + h : y0 + h + layout.label]
    assert gap > 0
    assert not band[:, x0 + w + 1 : x0 + w + gap - 1].any()


@pytest.mark.parametrize("ink", [INK, QUIET, AMBER])
def test_everything_written_stands_out_from_the_ground(ink):
    """WCAG contrast of 4.5:1 and more."""

    def light(colour):
        coded = torch.tensor(colour, dtype=torch.float64) / 255
        linear = torch.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
        return float(linear @ torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64))

    assert (light(ink) + 0.05) / (light(GROUND) + 0.05) >= 4.5


def test_an_unknown_region_is_refused():
    with pytest.raises(ValueError, match="region must be one of face, upper face, eyes"):
        make_plate([portrait()] * 2, "elbow", SIZE)


def test_letters_that_the_font_lacks_are_named():
    unassigned = "\U000e1234"  # no font has it
    entries = [
        Panel(entry.image, entry.face, f"{unassigned} ok") for entry in (portrait(), portrait(1))
    ]
    assert f"letters for {unassigned}" in make_plate(entries, "eyes", SIZE).report
    assert "letters for" not in make_plate([portrait()] * 2, "eyes", SIZE).report


@pytest.mark.parametrize(("zoom", "warns"), [(3.99, False), (4.01, True)])
def test_four_times_is_where_resolution_begins_to_show(zoom, warns):
    assert bool(Shown(0, "", "", Box(0, 0, 10, 10), zoom).warnings) is warns


def ink_rows(picture, x, y, width, height):
    """How many rows of a part of a plate something is written in."""
    part = (picture[y : y + height, x : x + width] * 255).round()
    return int(((part - torch.tensor(GROUND)).abs().amax(-1) > 60).any(1).sum())


@pytest.mark.parametrize("size", [(800, 700), (2048, 2048)])
def test_one_long_name_does_not_make_the_others_small(size):
    entries = [portrait(), portrait(1)]
    entries = [
        Panel(entry.image, entry.face, label)
        for entry, label in zip(entries, ["H", "a name " * 30], strict=True)
    ]
    made = make_plate(entries, "left eye", size)
    layout = made.design.slides[0].layout
    (x, y), (width, height) = layout.origins[0], layout.panel
    rows = ink_rows(made.picture[0], x, y + height, width, round(1.6 * layout.text))
    assert rows >= 0.7 * layout.text  # capitals of DejaVu Sans are 0.73 of the letter size


def test_what_the_mark_means_stands_at_the_foot():
    calm = make_plate([portrait(iod=200.0)] * 2, "eyes", SIZE)
    warned = make_plate([portrait(iod=20.0)] * 2, "eyes", SIZE).picture[0]
    layout = calm.design.slides[0].layout
    top = SIZE[1] - layout.margin - layout.foot
    found = [ink_rows(one, 0, top, SIZE[0], layout.foot) for one in (warned, calm.picture[0])]
    assert found[0] > found[1]


def test_a_warning_is_written_in_amber():
    made = make_plate([portrait(iod=20.0)] * 2, "eyes", SIZE)
    plate = (made.picture[0] * 255).round()
    calm = (make_plate([portrait(iod=200.0)] * 2, "eyes", SIZE).picture[0] * 255).round()
    layout = made.design.slides[0].layout
    (x, y), (width, height) = layout.origins[0], layout.panel

    def amber(picture):
        band = picture[y + height : y + height + layout.label, x : x + width]
        return bool((band == torch.tensor(AMBER)).all(-1).any())

    assert amber(plate)
    assert not amber(calm)


@pytest.mark.parametrize(
    ("name", "shot"),
    [
        ("left eye", "ECU eye left"),
        ("right eye", "ECU eye right"),
        ("eyes", "ECU eyes"),
        ("nose", "ECU nose"),
        ("lips", "ECU lips"),
        ("face", "BCU big close-up"),
    ],
)
def test_a_region_is_the_middle_of_the_shot_that_frames_the_same_feature(name, shot):
    region, around = PLATE_REGIONS[name], SHOTS[shot]
    assert region.intersection(around) == region
    assert region.centre == pytest.approx(around.centre, abs=0.1)


def test_the_upper_face_reaches_from_the_brows_to_the_tip_of_the_nose():
    region = PLATE_REGIONS["upper face"]
    assert region.intersection(SHOTS["ECU eyes"]) == SHOTS["ECU eyes"]
    assert region.top < -0.43  # the brows of 74 portraits begin here
    assert 0.75 < region.bottom < 0.92  # their noses end and their lips begin
