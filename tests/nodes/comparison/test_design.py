import pytest
import torch

from portrait_loupe.nodes.comparison.captions import Caption
from portrait_loupe.nodes.comparison.design import (
    ABOUT,
    MOST_SLIDES,
    Settings,
    blind_order,
    plan_design,
)
from portrait_loupe.nodes.comparison.layout import PLATES
from portrait_loupe.nodes.comparison.panels import Panel
from portrait_loupe.nodes.comparison.plate import make_plate
from portrait_loupe.nodes.comparison.regions import regions_of
from portrait_loupe.nodes.framing.faces import Face

SIZE = (1000, 900)


def entry(iod=100.0, centre=(250.0, 250.0), label="model", seed=0, **how):
    image = torch.rand(1, 500, 500, 3, generator=torch.Generator().manual_seed(seed))
    (x, y) = centre
    return Panel(image, Face(((x - iod / 2, y), (x + iod / 2, y))), label, **how)


def cover(panels, region="eyes", **settings):
    return plan_design(panels, Settings(region, SIZE, **settings)).slides[0]


def test_the_bar_is_as_long_as_its_millimetres():
    for one in cover([entry(100), entry(80), entry(131.7)]).panels:
        millimetres = float(one.bar.removesuffix(" mm").removeprefix(ABOUT))
        assert abs(one.bar_px - millimetres * one.px_per_mm * one.zoom) <= 0.5
        assert one.bar_px >= 24


@pytest.mark.parametrize("zoom", [0, 1, 2, 3, 7])
def test_native_pixels_have_one_whole_zoom_and_whole_pixels(zoom):
    slide = cover([entry(60), entry(90, (240.3, 251.9))], policy="native", native_zoom=zoom)
    zooms = {one.zoom for one in slide.panels}
    assert len(zooms) == 1
    (k,) = zooms
    assert k == int(k)
    assert zoom in (0, k)
    for one in slide.panels:
        assert one.box.width * k == slide.layout.panel[0]
        assert one.box.height * k == slide.layout.panel[1]
        assert one.box.x == round(one.box.x)


def test_native_panels_are_the_sources_own_pixels_repeated():
    one = entry(60)
    made = make_plate([one, one], "eyes", SIZE, policy="native", native_zoom=4)
    box = made.design.slides[0].panels[0].box
    x, y = int(box.x), int(box.y)
    part = one.image[0, y : y + int(box.height), x : x + int(box.width)]
    assert torch.equal(
        (made.panels[0] * 65535).round(),
        (part.repeat_interleave(4, 0).repeat_interleave(4, 1) * 65535).round(),
    )


def test_levelled_panels_hold_no_more_than_the_poorest():
    """A face with four times the pixels shows no finer detail than the small one."""
    slide = cover([entry(30), entry(120)], policy="levelled")
    assert len({one.reduced for one in slide.panels}) == 1
    assert slide.panels[0].reduced[0] == round(1.9 * 30)
    assert "All reduced to 57 px across first" in slide.method
    assert "one pass" not in slide.method
    assert slide.panels[0].px_per_mm == pytest.approx(slide.panels[1].px_per_mm, rel=0.02)


def test_panels_smaller_than_the_poorest_source_are_said_to_be_reduced_to_their_own_pixels():
    slide = cover([entry(300), entry(320)] * 4, "face", policy="levelled")
    width = slide.layout.panel[0]
    assert width < 2.9 * 300
    assert slide.panels[0].reduced[0] == width
    assert f"All reduced to {width} px across first" in slide.method


def test_a_hidden_method_has_no_slide_either():
    panels = [entry(), entry(seed=1)]
    settings = Settings("eyes", SIZE, slides=("lips",), show_method=False)
    assert [slide.name for slide in plan_design(panels, settings).slides] == ["cover", "lips"]


def test_levelled_panels_are_flat_within_a_reduced_pixel():
    made = make_plate([entry(20), entry(100)], "eyes", SIZE, policy="levelled")
    one = made.design.slides[0].panels[0]
    step = made.panels.shape[2] / one.reduced[0]
    line = made.panels[1, 5, :, 0]
    inner = [line[round(k * step) + 2 : round((k + 1) * step) - 2] for k in range(3, 9)]
    assert all(float(part.max() - part.min()) < 1e-6 for part in inner if len(part) > 1)


def test_a_blind_plate_tells_no_name_but_in_its_key():
    panels = [
        entry(label=f"secret {n}", seed=n, subline="seed 77", caption=Caption("secret"))
        for n in range(5)
    ]
    made = make_plate(panels, "eyes", SIZE, blind=True, blind_seed=3)
    design = made.design
    assert [one.label for one in design.slides[0].panels] == list("ABCDE")
    assert "secret" not in made.report
    assert "secret" not in str(made.figures)
    assert "seed 77" not in made.report
    for place, source in enumerate(design.order):
        assert design.key.text[place] == f"{'ABCDE'[place]} · secret {source} · seed 77"
        assert design.slides[0].panels[place].source == source


def test_a_blind_order_is_drawn_by_its_seed():
    orders = {tuple(blind_order(seed, 4)) for seed in range(200)}
    assert len(orders) == 24  # every order comes up
    assert blind_order(5, 16) == blind_order(5, 16)
    assert sorted(blind_order(9, 16)) == list(range(16))
    # published plates name their seed: their order may not change
    assert blind_order(0, 6) == [5, 1, 4, 0, 2, 3]


def test_a_carousel_has_a_cover_a_slide_a_region_and_the_method():
    panels = [entry(), entry(seed=1)]
    settings = Settings("eyes", SIZE, "Two models", slides=("lips", "eyes", "nose"), blind=True)
    design = plan_design(panels, settings)
    assert [slide.name for slide in design.slides] == ["cover", "lips", "nose", "method", "key"]
    assert [slide.title for slide in design.slides[:3]] == ["Two models", "LIPS", "NOSE"]
    assert design.slides[0].method in design.slides[3].text
    made = make_plate(panels, "eyes", SIZE, slides=("lips",))
    assert made.picture.shape == (3, SIZE[1], SIZE[0], 3)


def test_a_long_name_is_given_two_lines_before_it_is_shortened():
    name = "realvisxl-v5.0-lightning-bakedvae-portrait-finetune-v2"
    short, long = (cover([entry(label=label), entry()], "left eye") for label in ("a", name))
    assert long.layout.label > short.layout.label


def test_the_method_tells_the_kernel_and_its_price():
    assert "unsharpened" in cover([entry(), entry()]).method
    told = cover([entry(), entry()], kernel="lanczos3").method
    assert "overshoots edges by 12 %" in told
    assert "unsharpened" not in told
    assert (
        "bilinear in linear light, one pass, unsharpened"
        in cover([entry(), entry()], kernel="bilinear").method
    )


def test_one_prompt_for_all_is_said_by_its_hash():
    same, other = Caption("m", prompt_sha="7f3a" * 16), Caption("m", prompt_sha="00" * 32)
    assert "One prompt (7f3a)." in cover([entry(caption=same), entry(caption=same)]).method
    assert "prompt" not in cover([entry(caption=same), entry(caption=other)]).method
    assert "prompt" not in cover([entry(), entry()]).method


def test_a_story_keeps_clear_of_the_platforms_buttons():
    size = PLATES["9:16 1080x1920"]
    slide = plan_design([entry(), entry()], Settings("eyes", size)).slides[0]
    (_, top), (_, height) = slide.layout.origins[0], slide.layout.panel
    assert top >= 0.14 * 1920
    assert slide.layout.origins[-1][1] + height + slide.layout.label <= 0.8 * 1920


def test_labels_on_the_picture_leave_it_the_room():
    below, over = (
        cover([entry()] * 4, "face", label_place=place).layout
        for place in ("below", "on the picture")
    )
    assert over.panel[1] > below.panel[1]
    assert over.label == 0


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"policy": "fair"}, "policy must be one of same region, native, levelled"),
        ({"kernel": "sharp"}, "kernel must be one of area"),
        ({"label_place": "above"}, "label_place must be one of below"),
        ({"native_zoom": 17}, "native_zoom must be from 0"),
        ({"native_zoom": -1}, "native_zoom must be from 0"),
        ({"slides": ("lips",) * (MOST_SLIDES + 1)}, "slides names 9 regions"),
    ],
)
def test_settings_out_of_range_name_themselves(how, words):
    with pytest.raises(ValueError, match=words):
        Settings("eyes", SIZE, **how)


def test_slides_are_names_of_regions():
    assert regions_of(" lips, left eye,\nlips,, ") == ("lips", "left eye")
    assert regions_of("") == ()
    with pytest.raises(ValueError, match=r"slides must name regions of face.*got 'elbow'"):
        regions_of("lips, elbow")
