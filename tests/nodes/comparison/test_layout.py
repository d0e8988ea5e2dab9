import pytest

from portrait_loupe.nodes.comparison.layout import FREE, PLATES, plan_plate, plate_size
from portrait_loupe.nodes.comparison.regions import PLATE_REGIONS


@pytest.mark.parametrize("plate", PLATES)
@pytest.mark.parametrize("region", PLATE_REGIONS)
@pytest.mark.parametrize("count", range(2, 17))
def test_panels_are_equal_apart_and_inside_the_margins(plate, region, count):
    layout = plan_plate(PLATES[plate], count, PLATE_REGIONS[region])
    width, height = layout.size
    panel_w, panel_h = layout.panel
    taken = []
    for x, y in layout.origins:
        assert layout.margin <= x <= x + panel_w <= width - layout.margin
        assert layout.margin + layout.head <= y
        assert y + panel_h + layout.label <= height - layout.margin - layout.foot
        for other_x, other_y in taken:
            assert abs(x - other_x) >= panel_w or abs(y - other_y) >= panel_h + layout.label
        taken.append((x, y))
    assert len(taken) == count


@pytest.mark.parametrize("region", PLATE_REGIONS)
def test_a_panel_has_its_regions_shape_to_the_pixel(region):
    panel_w, panel_h = plan_plate((1920, 1080), 2, PLATE_REGIONS[region]).panel
    aspect = PLATE_REGIONS[region].width / PLATE_REGIONS[region].height
    assert abs(panel_h - panel_w / aspect) <= 0.5


@pytest.mark.parametrize(
    ("plate", "region", "count", "columns"),
    [
        ("16:9 1920x1080", "face", 2, 2),
        ("4:5 1080x1350", "eyes", 2, 1),
        ("16:9 1920x1080", "eyes", 4, 2),
        ("4:5 1080x1350", "left eye", 9, 3),
        # 6 columns would give 0.5 % wider panels, and leave two places empty
        ("16:9 3840x2160", "left cheek", 16, 8),
    ],
)
def test_the_grid_is_the_one_in_which_the_region_is_largest(plate, region, count, columns):
    origins = plan_plate(PLATES[plate], count, PLATE_REGIONS[region]).origins
    assert len({x for x, _ in origins}) == columns


def test_an_incomplete_last_row_stands_in_the_middle():
    layout = plan_plate((1920, 1080), 3, PLATE_REGIONS["nose"])
    rows = {}
    for x, y in layout.origins:
        rows.setdefault(y, []).append(x)
    for row in rows.values():
        left, right = row[0], layout.size[0] - row[-1] - layout.panel[0]
        assert abs(left - right) <= 1


def test_letters_are_readable_in_a_feed():
    for size in PLATES.values():
        assert plan_plate(size, 2, PLATE_REGIONS["eyes"]).text >= max(16, 0.018 * min(size) - 1)


def test_panels_too_small_to_compare_are_refused():
    with pytest.raises(ValueError, match="16 panels do not fit a plate of 256x256 px"):
        plan_plate((256, 256), 16, PLATE_REGIONS["eyes"])


def test_a_free_plate_has_the_given_size_and_a_preset_its_own():
    assert plate_size(FREE, 700, 900) == (700, 900)
    assert plate_size("9:16 1080x1920", 700, 900) == (1080, 1920)


@pytest.mark.parametrize(("width", "height"), [(100, 900), (900, 100000)])
def test_absurd_plates_are_refused_before_memory_is_spent(width, height):
    with pytest.raises(ValueError, match="sides of 256 to 8192 px"):
        plate_size(FREE, width, height)


def test_an_unknown_plate_is_refused():
    with pytest.raises(ValueError, match="plate must be one of 4:5"):
        plate_size("A4", 700, 900)
