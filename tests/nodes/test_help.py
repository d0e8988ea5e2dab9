"""The help pages: one for every node, each with a picture or a reason for having none."""

import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "web" / "docs"
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
CAPTION = 20  # letters, below which nothing is said
ALL_BYTES = 1_500_000
UNPICTURED = {
    "LoupeCastLoad": "its output is the picture that was locked",
    "LoupeCloseUpPrompt": "text goes in and comes out",
    "LoupeLoadEvaClip": "reads a file",
    "LoupeLoadIdentity": "reads a file; the sheet is Identity Profile's",
    "LoupeLoadIdentityAdapter": "reads a file",
    "LoupeSaveIdentity": "writes a file",
    "LoupeSavePlate": "writes the plate of Compare, to the bit",
}
SIMULATED = (
    "LoupeCalibrationCurve",
    "LoupeIdentityCalibrate",
    "LoupeIdentityDrift",
    "LoupeInjectedEnergy",
    "LoupeRealismCalibrate",
)  # drawn of numbers that nobody measured
ELSEWHERE = {"pipeline.jpg"}  # shown by README
CHEAP = ("LoupeFindFaces.jpg", "LoupeReferenceWeight.png")  # drawn anew here

pages = pytest.mark.parametrize("page", sorted(DOCS.glob("Loupe*.md")), ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def script(module_of):
    return module_of(ROOT / "tests" / "build_pictures.py")


def pictures_of(page: Path) -> list[tuple[str, str]]:
    """Alternative text and address of each picture."""
    return PICTURE.findall(page.read_text("utf-8"))


def test_only_nodes_are_excused():
    """That every node has a page is held in tests/test_house.py."""
    from portrait_loupe.nodes.extension import NODES

    assert {*UNPICTURED, *SIMULATED} < {node.define_schema().node_id for node in NODES}


@pages
def test_a_page_shows_what_its_node_does_unless_there_is_nothing_to_show(page):
    assert bool(pictures_of(page)) == (page.stem not in UNPICTURED)


@pages
def test_a_picture_is_there_and_told_in_words(page):
    text = page.read_text("utf-8")
    for alternative, address in pictures_of(page):
        # ComfyUI resolves it against the folder of the page, and so does a reader of the repository
        assert (DOCS / address).is_file(), address
        assert len(alternative) > CAPTION
        caption = text.split(f"]({address})", 1)[1].strip().split("\n")[0]
        assert len(caption) > CAPTION
        assert not caption.startswith(("|", "-", "#", "!"))


@pytest.mark.parametrize("name", SIMULATED)
def test_what_is_simulated_is_said_to_be(name):
    text = (DOCS / f"{name}.md").read_text("utf-8")
    assert "simulated" in text.split("](pictures/", 1)[1].split("\n\n")[1]


def test_pictures_are_small_and_none_is_left_over(script):
    shown = {address for page in DOCS.glob("*.md") for _, address in pictures_of(page)}
    there = sorted(path for path in script.FOLDER.iterdir())
    assert {path.name for path in there} == {Path(one).name for one in shown} | ELSEWHERE
    assert sum(path.stat().st_size for path in there) < ALL_BYTES
    for path in there:
        widest, most = script.limits(path.name)
        assert path.stat().st_size <= most, path.name
        with Image.open(path) as picture:
            assert picture.width <= widest, path.name
            # Pillow tells density and the like; anything else would be metadata
            assert not {"exif", "xmp", "icc_profile", "comment"} & set(picture.info), path.name


def test_every_picture_is_drawn_by_the_script(script):
    assert set(script.drawings()) == {path.name for path in script.FOLDER.iterdir()}


@pytest.mark.parametrize("name", CHEAP)
def test_the_script_draws_what_is_shipped(script, name):
    away = script.apart(name, script.drawings()[name]())
    assert away is not None
    assert away < script.SAME


def test_a_picture_that_has_changed_is_noticed(script):
    """So that the test above could fail: a line of 3 px and 20 px of length."""
    name = CHEAP[1]
    with Image.open(script.FOLDER / name) as file:
        picture = file.convert("RGB")
    assert script.apart(name, picture) < script.SAME
    picture.paste((255, 0, 255), (300, 60, 320, 63))
    assert script.apart(name, picture) > script.SAME
