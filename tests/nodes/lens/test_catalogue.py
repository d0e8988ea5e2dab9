import json

import pytest
import torch

from portrait_loupe.kernels.psf import compute_psf, core_share, mtf, mtf_lp_mm
from portrait_loupe.nodes.lens import catalogue as catalogue_module
from portrait_loupe.nodes.lens.catalogue import (
    DEFAULT,
    CatalogueError,
    about,
    find_lens,
    lenses,
    read_catalogue,
    read_lens,
    write_lens,
)


def catalogue(*rows: object) -> str:
    return json.dumps({"lenses": rows})


def test_saved_workflows_find_their_lens():
    # Kept for ever: a name may be added here, never changed or dropped.
    assert {
        "soft focus 90 mm f/2.2",
        "soft focus 90 mm f/4",
        "soft focus 85 mm f/2.8",
        "double Gauss f/1.4",
        "double Gauss f/2.8",
        "ideal f/4",
    } <= set(lenses())


def test_the_default_is_in_the_catalogue():
    assert find_lens(DEFAULT).name == DEFAULT


@pytest.mark.parametrize("name", list(lenses()))
def test_a_name_says_the_f_number(name):
    assert name.endswith(f"f/{find_lens(name).f_number:g}")


# The brightest pixel of each, as it was when these lenses were published.
FIRST = {
    "soft focus 90 mm f/2.2": 0.30440,
    "soft focus 90 mm f/4": 0.78194,
    "soft focus 85 mm f/2.8": 0.32380,
    "double Gauss f/1.4": 0.89262,
    "double Gauss f/2.8": 0.87370,
    "ideal f/4": 0.93873,
}

# The design chart: green, best focus, glare and residual blur included, 10, 20 and 40 lp/mm.
CHART = {
    "ideal f/4": (0.97, 0.95, 0.89),
    "modern apochromat f/1.4": (0.98, 0.95, 0.87),
    "modern apochromat f/2.8": (0.97, 0.94, 0.85),
    "classic double Gauss f/1.4": (0.96, 0.90, 0.72),
    "classic double Gauss f/2.8": (0.95, 0.89, 0.71),
    "triplet-derived fast f/1.5": (0.96, 0.88, 0.65),
    "Petzval portrait f/2.2": (0.94, 0.85, 0.58),
    "uncoated 1930s f/2": (0.87, 0.73, 0.37),
    "toy meniscus f/6.3": (0.81, 0.53, 0.12),
    "apodised portrait f/2.8": (0.98, 0.96, 0.87),
    "lenslet softener I f/2.8": (0.68, 0.66, 0.60),
    "lenslet softener II f/2.8": (0.51, 0.49, 0.44),
    "mist filter 1/4 f/2.8": (0.87, 0.85, 0.77),
    "film halation f/2.8": (0.95, 0.92, 0.84),
}


@pytest.mark.parametrize("name", list(CHART))
def test_a_lens_at_best_focus_keeps_the_contrast_that_its_design_charted(name):
    values = mtf_lp_mm(find_lens(name), (10, 20, 40))[0, 1].tolist()
    # The chart is rounded to 0.01; the focus at which it was read is not recorded, and some um of
    # focus are another 0.01 to 0.015.
    assert values == pytest.approx(CHART[name], abs=0.016)


@pytest.mark.parametrize(
    ("name", "charted"),
    [
        ("double Gauss f/1.4", (0.96, 0.90, 0.72)),
        ("double Gauss f/2.8", (0.95, 0.89, 0.71)),
        ("soft focus 90 mm f/4", (0.94, 0.85, 0.62)),
    ],
)
def test_the_first_lenses_are_the_chart_without_its_glare(name, charted):
    values = mtf_lp_mm(find_lens(name), (10, 20, 40))[0, 1].tolist()
    assert values == pytest.approx([each / (1 - 0.012) for each in charted], abs=0.016)


def test_the_first_six_look_as_they_always_did():
    """Saved workflows show them: their PSF on the axis, 12 um per pixel, green."""
    for name, middle in FIRST.items():
        psf = compute_psf(find_lens(name), 12.0)[1]
        assert float(psf.max()) == pytest.approx(middle, abs=2e-4)
        assert core_share(find_lens(name)) == (1, 1, 1)
        corner = compute_psf(find_lens(name), 12.0, field=1.0, azimuth_deg=30)[1]
        assert torch.equal(corner, psf)


def test_every_lens_says_what_it_looks_like():
    for name in lenses():
        assert 20 < len(about(name)) < 120
    assert about("kit zoom") == ""


def test_a_lens_that_is_saved_is_the_lens_that_is_loaded():
    for lens in lenses().values():
        assert read_lens(write_lens(lens), "mine.json") == lens


def test_a_saved_lens_is_small_and_holds_what_it_needs():
    text = write_lens(find_lens("ideal f/4"))
    assert json.loads(text) == {"name": "ideal f/4", "f_number": 4}


def test_a_petzval_lens_swirls():
    lens = find_lens("Petzval portrait f/2.2")
    tangential, sagittal = mtf_lp_mm(lens, [20], field=1.0)[:, 1, 0].tolist()
    assert tangential > sagittal + 0.1  # arcs around the centre keep lines that circle it


def test_a_veil_lies_over_glass_without_coating():
    share = {name: core_share(lens)[1] for name, lens in lenses().items()}
    assert share["uncoated 1930s f/2"] == pytest.approx(0.94)
    assert share["modern apochromat f/1.4"] == pytest.approx(0.994)
    red, green, blue = core_share(find_lens("film halation f/2.8"))
    assert red < green < blue


def test_wide_open_is_softer_than_stopped_down():
    for wide, stopped in (
        ("soft focus 90 mm f/2.2", "soft focus 90 mm f/4"),
        ("double Gauss f/1.4", "double Gauss f/2.8"),
    ):
        open_lens, closed = (
            mtf(compute_psf(find_lens(n), 2.0), [0.02])[1] for n in (wide, stopped)
        )
        assert open_lens < closed + 0.01  # a double Gauss is nearly as good at 10 lp/mm


def test_soft_focus_keeps_a_core_in_its_glow():
    """Fine lines keep more contrast than a Gaussian blur leaves that is as strong on coarse ones."""
    coarse, fine = mtf(compute_psf(find_lens(DEFAULT), 2.0), [0.01, 0.04])[1].tolist()
    gaussian = coarse**16  # exp(-c f^2) at four times the frequency
    assert 0.3 < coarse < 0.9
    assert fine > 10 * gaussian


def test_an_unknown_lens_is_refused():
    with pytest.raises(
        ValueError, match=r"character must be one of soft focus 90 mm f/2.2, .* got 'Petz'"
    ):
        find_lens("Petz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "test.json is not JSON"),
        ("[]", 'an object with a list "lenses"'),
        ('{"lenses": []}', "that is not empty"),
        (catalogue("ideal"), "lens 1 must be an object, got 'ideal'"),
        (catalogue({"f_number": 4}), "lens 1 has no name"),
        (catalogue({"name": "a", "f_number": 4}, {"name": "b"}), r"lens 2 \(b\) has no f_number"),
        (
            catalogue({"name": "a", "f_number": 4, "bokeh": 0.01}),
            r"lens 1 \(a\) has a field bokeh; known are",
        ),
        (catalogue({"name": "a", "f_number": 0}), r"lens 1 \(a\): f_number must be from 0.5"),
        (catalogue({"name": "a", "f_number": 4, "w040_um": "5"}), "w040_um must be a number"),
        (catalogue({"name": 4, "f_number": 4}), "name must be a text"),
        (catalogue({"name": "a" * 81, "f_number": 4}), "one line of at most 80 letters, got 81"),
        (catalogue({"name": "a\nb", "f_number": 4}), "name must be one line"),
        (catalogue({"name": "a", "f_number": 4, "about": 5}), "about must be a text"),
        (catalogue({"name": "a", "f_number": 4, "tails": [5]}), r"lens 1 \(a\): tail 1 must be an"),
        ('{"lenses": [{"name": "a", "f_number": 1e999}]}', "f_number must be finite"),
        ('{"lenses": [{"name": "a", "f_number": NaN}]}', "f_number must be finite"),
        ('{"lenses": [{"name": "a", "f_number": ' + "9" * 5000 + "}]}", "test.json is not JSON"),
        ("[" * 50_000, "nested too deeply"),
        (catalogue(*[{"name": "a", "f_number": 4}] * 2), "lens 2: there is already a lens 'a'"),
    ],
    ids=lambda value: value[:30],
)
def test_a_broken_catalogue_names_the_row(text, message):
    with pytest.raises(CatalogueError, match=message):
        read_catalogue(text, "test.json")


@pytest.mark.parametrize(
    "field",
    ["focus_um", "w040_um", "w060_um", "w131_um", "w222_um", "w220_um", "loca_um", "lca_um_per_100nm",
     "residual_sigma_um", "rotation_deg"],
)  # fmt: skip
@pytest.mark.parametrize("value", [1e308, 1e7])
def test_a_value_beyond_all_lenses_is_refused_where_the_file_is_read(field, value):
    text = json.dumps({"name": "a", "f_number": 4, field: value})
    with pytest.raises(
        CatalogueError, match=rf"mine.json \(a\): {field} must be from -.* got 1e\+"
    ):
        read_lens(text, "mine.json")


def test_the_most_that_a_file_may_say_has_a_sampling_that_can_be_judged():
    values = dict(catalogue_module._MOST)
    lens = read_lens(json.dumps({"name": "a", "f_number": 0.5, **values}), "mine.json")
    with pytest.raises(ValueError, match=r"the PSF of 'a' .* must be at most 511 px wide"):
        compute_psf(lens, 12.0, field=1.0)
