"""The room's nodes as a host calls them."""

import torch

from portrait_loupe.nodes.comparison.node_compare import Compare
from portrait_loupe.nodes.comparison.node_compare_panel import ComparePanel
from portrait_loupe.nodes.framing.faces import Face, Faces

FACES = Faces((200, 240), ((Face(eyes=((70.0, 100.0), (130.0, 100.0))),),), "test")


def test_pictures_and_panels_stand_side_by_side():
    image = torch.rand(1, 240, 200, 3)
    (panel,) = ComparePanel.execute(image, "Recraft V4", FACES).args
    plate, panels, report, *_ = Compare.execute(
        {"panel0": panel, "panel1": image}, "eyes", "free", 900, 800, "Two takes", "", faces=FACES
    ).args
    assert plate.shape == (1, 800, 900, 3)
    assert panels.shape[0] == 2
    assert torch.equal(panels[0], panels[1])
    assert "Recraft V4: 60 px between the eyes" in report
    assert "B: 60 px between the eyes" in report


def test_the_face_of_one_version_locks_another():
    """The region is the original's, whatever was done to the picture since."""
    image = torch.rand(1, 240, 200, 3)
    first, second = (
        ComparePanel.execute(version, "", FACES).args[0] for version in (image, image * 0.5)
    )
    assert first.face == second.face


def test_a_preset_plate_has_its_own_size():
    image = torch.rand(2, 240, 200, 3)
    plate, *_ = Compare.execute(
        {"panel0": image}, "face", "16:9 1920x1080", 900, 800, "", "", faces=FACES
    ).args
    assert plate.shape == (1, 1080, 1920, 3)
