import pytest
import torch

from portrait_loupe.nodes.comparison.panels import Panel, gather, panel_of
from portrait_loupe.nodes.framing.faces import Face, Faces

FACE = Face(eyes=((30.0, 40.0), (50.0, 40.0)))
OTHER = Face(eyes=((20.0, 40.0), (60.0, 40.0)))
FACES = Faces((80, 100), ((FACE,),), "test")


def picture(batch=1, width=80, height=100):
    return torch.rand(batch, height, width, 3)


def test_entries_keep_the_order_of_their_sockets():
    entries = gather(
        {"panel0": picture(), "panel1": Panel(picture(), OTHER, "mine"), "panel2": picture()},
        FACES,
        "",
    )
    assert [entry.label for entry in entries] == ["A", "mine", "C"]
    assert [entry.face for entry in entries] == [FACE, OTHER, FACE]


def test_every_picture_of_a_batch_is_an_entry():
    batch = picture(3)
    entries = gather({"panel0": batch}, FACES, "")
    assert [
        torch.equal(entry.image, batch[index : index + 1]) for index, entry in enumerate(entries)
    ] == [True] * 3


def test_each_bare_picture_gets_its_own_frame_where_there_are_as_many():
    faces = Faces((80, 100), ((FACE,), (OTHER,), (FACE,)), "test")
    entries = gather({"panel0": picture(), "panel1": picture(2)}, faces, "")
    assert [entry.face for entry in entries] == [FACE, OTHER, FACE]


def test_a_line_of_labels_names_its_entry_and_an_empty_one_leaves_it():
    values = {"panel0": Panel(picture(), FACE, "own"), "panel1": picture(), "panel2": picture()}
    assert [entry.label for entry in gather(values, FACES, "\nsecond")] == ["own", "second", "C"]


def test_a_face_is_looked_for_where_none_is_linked(hopper):
    entries = gather({"panel0": hopper, "panel1": hopper}, None, "")
    assert all(abs(entry.face.iod - 82) < 5 for entry in entries)


@pytest.mark.parametrize(
    ("values", "faces", "words"),
    [
        ({}, FACES, "needs 2 to 16 panels, got 0"),
        ({"panel0": picture()}, FACES, "needs 2 to 16 panels, got 1"),
        ({"panel0": picture(17)}, FACES, "2 to 16 panels, got 17"),
        ({"panel0": picture(16), "panel1": Panel(picture(), FACE)}, FACES, "got 17"),
        ({"panel0": picture(width=90), "panel1": picture()}, FACES, "panel0 has 90x100 px, but its faces were found in 80x100"),
        ({"panel0": picture(3)}, Faces((80, 100), ((FACE,),) * 2, "test"), "faces speaks of 2 pictures, the panels hold 3"),
        ({"panel0": picture(2)}, Faces((80, 100), ((FACE,), ()), "test"), "panel0: no face in picture 2"),
        ({"panel0": picture(2)}, "faces", "must come from Find Faces"),
        ({"panel0": "picture", "panel1": picture()}, FACES, "panel0 must be a picture"),
        ({"panel0": torch.full((2, 64, 64, 3), 0.5)}, None, "no face found"),
        ({"panel0": torch.full((2, 100, 80, 3), float("nan"))}, FACES, "panel0, picture 1 of 2, holds"),
    ],
)  # fmt: skip
def test_entries_that_cannot_be_compared_are_refused(values, faces, words):
    with pytest.raises(ValueError, match=words):
        gather(values, faces, "")


def test_a_panel_is_one_picture():
    with pytest.raises(ValueError, match="image holds 2 pictures, a panel shows one"):
        panel_of(picture(2), "", FACES)


def test_a_panel_takes_the_largest_face_and_a_trimmed_label():
    panel = panel_of(picture(), "  Recraft V4 ", Faces((80, 100), ((OTHER, FACE),), "test"))
    assert panel.face == OTHER
    assert panel.label == "Recraft V4"


def test_too_many_entries_are_refused_before_any_face_is_looked_for(monkeypatch):
    from portrait_loupe.nodes.comparison import panels

    monkeypatch.setattr(panels, "find_faces", lambda image: pytest.fail("it searched"))
    with pytest.raises(ValueError, match="got 17"):
        gather(
            {f"panel{index}": Panel(picture(), FACE) for index in range(9)}
            | {"panel9": picture(8)},
            None,
            "",
        )


def test_labels_are_one_line_of_what_can_be_written():
    values = {"panel0": Panel(picture(), FACE, "a\n\x1b[31mb"), "panel1": picture()}
    assert [entry.label for entry in gather(values, FACES, "")] == ["a [31mb", "B"]
