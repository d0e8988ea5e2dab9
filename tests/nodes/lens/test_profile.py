import json
import os

import pytest

from portrait_loupe.kernels.psf import Lens, Tail, core_share
from portrait_loupe.nodes.lens import files
from portrait_loupe.nodes.lens.catalogue import CatalogueError, find_lens, lenses
from portrait_loupe.nodes.lens.files import MAX_BYTES, check_file_name, load_lens, save_lens
from portrait_loupe.nodes.lens.profile import core_radius_um, lens_from_values, measure

PLAIN = {"f_number": 2.8}


def test_values_become_a_lens():
    lens = lens_from_values(" mine ", {**PLAIN, "w040_um": 1.5, "blades": 7})
    assert lens == Lens("mine", 2.8, w040_um=1.5, blades=7)
    assert lens_from_values("", PLAIN).name == "my lens"


def test_filters_and_film_become_tails():
    lens = lens_from_values(
        "film",
        {**PLAIN, "diffusion": 0.2, "diffusion_um": 90, "diffusion_shape": "exponential",
         "halation": 0.06, "glare": 0.01},
    )  # fmt: skip
    assert lens.tails[0] == Tail("exponential", 0.2, 0.2, 0.2, 90)
    assert lens.tails[1].shares == pytest.approx((0.06, 0.02, 0.005))
    assert (lens.tails[1].profile, lens.tails[1].scale_um) == ("exponential", 110)
    assert core_share(lens) == pytest.approx((0.73, 0.77, 0.785))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"diffusion_shape": "box"}, "diffusion_shape must be one of gaussian, exponential"),
        ({"blades": 1}, "blades must be 0 or a whole number from 3"),
        ({"diffusion": 0.8, "glare": 0.4}, "at most 0.95 is allowed"),
    ],
    ids=str,
)
def test_values_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        lens_from_values("a", {**PLAIN, **values})


def test_a_profile_says_what_is_charted_and_what_the_corner_loses():
    profile = measure(find_lens("Petzval portrait f/2.2"))
    assert profile.centre == pytest.approx((0.94, 0.85, 0.58), abs=0.016)
    assert profile.tangential[1] > profile.sagittal[1] + 0.1
    report = profile.report()
    assert "swirls" in report  # the catalogue's own line
    assert "0.94 / 0.85 / 0.58" in report
    assert "In the corner" in report
    assert "1.5% of the light far" in report
    assert "1.2 stops" in report  # 0.55 hidden: log2(1 / 0.45)
    values = json.loads(json.dumps(profile.as_json()))
    assert Lens(**values["lens"]) == profile.lens
    assert values["mtf_corner_sagittal"] == pytest.approx(profile.sagittal)


def test_a_lens_without_a_field_says_that_its_corners_are_good():
    report = measure(find_lens("ideal f/4")).report()
    assert "corners are as good" in report
    assert "far" not in report


def test_halation_is_told_by_colour():
    assert (
        "6.6% / 2.6% / 1.1% (red / green / blue)"
        in measure(find_lens("film halation f/2.8")).report()
    )


def test_the_core_of_pure_spherical_aberration_is_as_wide_as_its_rays():
    # 80 % of the light is within 8 N W040 rho^3, rho^2 = 0.8
    assert core_radius_um(Lens("soft", 2.2, w040_um=6.0)) == pytest.approx(
        8 * 2.2 * 6.0 * 0.8**1.5, rel=0.05
    )


def test_a_blur_beyond_all_measure_is_refused_in_the_words_on_the_node():
    with pytest.raises(ValueError, match=r"too far to calculate\. Lower its aberr"):
        core_radius_um(Lens("mad", 0.7, focus_um=90_000.0))


@pytest.mark.parametrize(
    ("given", "want"),
    [("a", "a.json"), (" my lens.JSON ", "my lens.json"), ("Ä 1.2", "Ä 1.2.json")],
)
def test_a_file_name_is_taken_as_it_is_meant(given, want):
    assert check_file_name(given, "load") == want


@pytest.mark.parametrize(
    "name",
    [
        "", "  ", ".json", "../a", "..", "...", "a/b", "a\\b", "/etc/passwd", "C:a", "C:\\a", "\\\\host\\a",
        "a\0b", "a\nb", "con", "NUL.json", "Com1.x", "lpt9", "a:stream", "a*", "a?", '"a"', "a|b", "<a>",
        ".hidden", "a.", "a .json", "x" * 81, "a\u202eb", "~/../a", "AUX .json",
    ],
)  # fmt: skip
def test_a_file_name_that_leads_elsewhere_is_refused(name, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    for ask in (
        lambda: check_file_name(name, "load"),
        lambda: load_lens(name, [tmp_path]),
        lambda: save_lens(Lens("a", 2), name, tmp_path / "in"),
    ):
        with pytest.raises(ValueError, match="must be a bare file name such as 'my lens': "):
            ask()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_saved_lens_is_found_again(tmp_path):
    for lens in lenses().values():
        path, note = save_lens(lens, "mine", tmp_path / lens.name.replace("/", "-"))
        assert path.name == "mine.json"
        assert note == f"Saved as {path}."
        assert load_lens("mine", [tmp_path, path.parent]) == lens
        assert path.stat().st_size < 2048


def test_nothing_is_written_over(tmp_path):
    one, other = find_lens("ideal f/4"), find_lens("sieve stop f/2.6")
    first, _ = save_lens(one, "mine", tmp_path)
    again, note = save_lens(one, "mine", tmp_path)
    assert again == first
    assert "Already saved" in note
    second, note = save_lens(other, "mine", tmp_path)
    assert second.name == "mine_2.json"
    assert "another lens and was left alone" in note
    assert save_lens(other, "mine.json", tmp_path)[0] == second
    assert load_lens("mine", [tmp_path]) == one
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.json", "mine_2.json"]


def test_a_folder_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "mine.json").mkdir()
    assert save_lens(Lens("a", 2), "mine", tmp_path)[0].name == "mine_2.json"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match=r"could not be saved in .*file.* or empty save_as"):
        save_lens(Lens("a", 2), "mine", tmp_path / "file")


def test_the_first_folder_counts(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    save_lens(Lens("first", 2), "a", one)
    save_lens(Lens("second", 2), "a", two)
    assert load_lens("a", [one, two]).name == "first"
    assert load_lens("a", [two, one]).name == "second"


def test_a_missing_file_says_what_is_there(tmp_path):
    with pytest.raises(ValueError, match=r"there is no b.json. There is none yet: save one"):
        load_lens("b", [tmp_path, tmp_path / "nowhere"])
    save_lens(Lens("a", 2), "mine", tmp_path)
    with pytest.raises(ValueError, match=r"there is no b.json. There are mine.json"):
        load_lens("b", [tmp_path])
    with pytest.raises(ValueError, match="a lens file in no folder"):
        load_lens("b", [])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe\x00", "a.json must be text in UTF-8"),
        (b"{" + b" " * MAX_BYTES, "a.json must be at most 64 kB"),
        (b"", "a.json is not JSON"),
        (b"[1]", "a.json must be an object, got '"),
        (b'{"name": "x"}', r"a.json \(x\) has no f_number"),
        (b'{"name": "x", "f_number": 2, "__class__": 1}', r"a.json \(x\) has a field __class__"),
        (
            b'{"name": "x", "f_number": 2, "tails": [{"profile": "box"}]}',
            r"\(x\): tail 1 must be an obj",
        ),
        (b"[" * 60_000, "nested too deeply"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_broken_file_says_what_is_wrong(tmp_path, data, message):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(CatalogueError, match=message):
        load_lens("a", [tmp_path])


def test_a_byte_order_mark_does_no_harm(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"name": "x", "f_number": 2}')
    assert load_lens("a", [tmp_path]) == Lens("x", 2)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_without_rights_is_told(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RuntimeError, match="allow writing there"):
            save_lens(Lens("a", 2), "mine", tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_there_is_an_end_to_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_MOST_COPIES", 2)
    for number in (2, 3):
        save_lens(Lens("a", number), "mine", tmp_path)
    with pytest.raises(ValueError, match=r"there are 2 lenses mine.json already"):
        save_lens(Lens("a", 4), "mine", tmp_path)
