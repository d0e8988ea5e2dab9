import pytest
import torch

from portrait_loupe.nodes.framing.choose import (
    RULES,
    choose_faces,
    parse_point,
)
from portrait_loupe.nodes.framing.faces import Face, Faces

SIZE = (1000, 600)


def face(x, y, iod, **known):
    """An upright face whose middle, not its eye line, is at (x, y)."""
    y -= 0.485 * iod
    return Face(((x - iod / 2, y), (x + iod / 2, y)), **known)


LEFT, MIDDLE, RIGHT = face(150, 300, 60), face(500, 250, 90), face(800, 350, 100, yaw_deg=50.0)
THREE = Faces(SIZE, ((RIGHT, MIDDLE, LEFT),), "by hand")


def chosen(rule, faces=THREE, **how):
    return choose_faces(faces, rule, **how).faces.frames


def test_all_keeps_everything_as_it_was_and_says_nothing():
    assert choose_faces(THREE).faces == THREE
    assert choose_faces(THREE).remark is None


def test_the_largest_has_the_widest_eyes():
    assert chosen("largest") == ((RIGHT,),)


def test_the_most_prominent_is_the_one_that_ranks_highest_in_its_picture():
    faces = Faces(SIZE, ((RIGHT, MIDDLE, LEFT), (LEFT, MIDDLE)), "by hand")
    ranks = {(0, MIDDLE): 3.0, (1, LEFT): 2.0}
    assert chosen("most prominent", faces, ranking=lambda *one: ranks.get(one, 1.0)) == (
        (MIDDLE,),
        (LEFT,),
    )


def test_a_ranking_is_needed_to_rank():
    with pytest.raises(ValueError, match="needs a ranking"):
        chosen("most prominent")


def test_the_nearest_face_is_nearest_by_its_middle():
    assert chosen("nearest point", point="700, 300") == ((RIGHT,),)
    assert chosen("nearest point", point="10,590") == ((LEFT,),)


@pytest.mark.parametrize(("index", "expected"), [(0, LEFT), (1, MIDDLE), (2, RIGHT)])
def test_faces_are_counted_from_the_left(index, expected):
    assert chosen("index left to right", index=index) == ((expected,),)


def test_every_face_whose_middle_is_masked_is_kept_in_its_order():
    mask = torch.zeros(1, 600, 1000)
    mask[0, 200:400, :600] = 1
    assert chosen("in mask", mask=mask) == ((MIDDLE, LEFT),)
    assert chosen("in mask", mask=mask[0]) == ((MIDDLE, LEFT),)


def test_a_mask_is_read_at_the_pixel_that_holds_the_middle():
    mask = torch.zeros(1, 600, 1000)
    mask[0, 250, 500] = 1  # covers [500, 501) x [250, 251)
    assert chosen("in mask", mask=mask) == ((MIDDLE,),)


def test_a_middle_outside_the_picture_is_in_no_mask():
    out = Faces(SIZE, ((face(500, 620, 80), face(-3, 300, 80), LEFT),), "by hand")
    assert chosen("in mask", out, mask=torch.ones(1, 600, 1000)) == ((LEFT,),)


def test_each_picture_chooses_for_itself():
    batch = Faces(SIZE, ((RIGHT, MIDDLE), (), (LEFT,)), "by hand")
    found = choose_faces(batch, "index left to right", index=1)
    assert found.faces.frames == ((RIGHT,), (), ())
    assert found.remark == "kept 1 of 3 faces: index left to right 1"


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "in mask"])
def test_the_order_of_the_faces_decides_nothing(rule):
    other = Faces(SIZE, ((LEFT, RIGHT, MIDDLE),), "by hand")
    how = {"point": "600,300", "index": 1, "ranking": lambda number, face: -face.iod}
    how["likeness"] = lambda number, face: face.centre[0]
    assert set(chosen(rule, **how)[0]) == set(chosen(rule, other, **how)[0])


@pytest.mark.parametrize(
    ("rule", "how", "words"),
    [
        ("index left to right", {"index": 3}, r"index left to right leaves no face 3\. There were 3 faces, left to right at \(150, 300\), \(500, 250\), \(800, 350\)"),
        ("in mask", {"mask": torch.ones(1, 600, 1000) * (torch.arange(1000) < 9)}, r"in mask leaves no face\. There were 3 faces"),
        ("in mask", {}, "needs a mask"),
        ("in mask", {"mask": torch.zeros(1, 600, 1000)}, "covers nothing"),
        ("in mask", {"mask": torch.ones(1, 60, 100)}, "mask has 100x60 px, the picture 1000x600"),
        ("nearest point", {}, "point must be one point in pixels, like '320,200', got ''"),
        ("nearest point", {"point": "1,2 3,4"}, "point must be one point"),
        ("nearest point", {"point": "1001,2"}, "1001,2, outside the picture of 1000x600"),
        ("index left to right", {"index": -1}, "index must be 0"),
        ("like identity", {}, "needs an identity: link one"),
        ("by identity", {}, "keep must be one of all, largest"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_choose_says_why(rule, how, words):
    with pytest.raises(ValueError, match=words):
        choose_faces(THREE, rule, **how)


def test_what_was_there_is_told_picture_by_picture():
    batch = Faces(SIZE, ((LEFT,), (RIGHT, MIDDLE)), "by hand")
    with pytest.raises(
        ValueError, match=r"There was 1 face in picture 1, .*; 2 faces in picture 2"
    ):
        choose_faces(batch, "index left to right", index=2)


@pytest.mark.parametrize("text", ["3,4", " 3 , 4 ", "3 4", "3.0;4.0"])
def test_a_point_is_two_numbers_whatever_parts_them(text):
    assert parse_point(text, SIZE) == (3, 4)
