import pytest
import torch

from portrait_loupe.nodes.framing.faces import Box
from portrait_loupe.nodes.framing.subjects import subject_boxes

SHAPE = (2, 100, 200, 3)
HAND = {"x": 20, "y": 30, "width": 40, "height": 50}


def test_a_box_serves_every_picture():
    assert subject_boxes(None, HAND, SHAPE) == [Box(20, 30, 40, 50)] * 2


def test_several_boxes_of_one_picture_are_one_subject():
    other = {"x": 100, "y": 10, "width": 30, "height": 30}
    assert subject_boxes(None, [HAND, other], SHAPE)[0] == Box(20, 10, 110, 70)


def test_a_mask_is_framed_by_its_outline_and_a_box_counts_before_it():
    mask = torch.zeros(100, 200)
    mask[40:60, 50:80] = 1
    assert subject_boxes(mask, None, SHAPE)[0] == Box(50, 40, 30, 20)
    assert subject_boxes(mask, HAND, SHAPE)[0] == Box(20, 30, 40, 50)


def test_nothing_linked_is_refused():
    with pytest.raises(ValueError, match="needs a mask or a bounding_box: link one"):
        subject_boxes(None, None, SHAPE)


def test_a_picture_without_a_box_is_named():
    with pytest.raises(ValueError, match="no box for picture 2"):
        subject_boxes(None, [[HAND], []], SHAPE)


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="covers nothing"):
        subject_boxes(torch.zeros(100, 200), None, SHAPE)
