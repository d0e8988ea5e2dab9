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


def test_the_viewer_is_told_what_stands_on_the_plate(tmp_path, monkeypatch):
    from portrait_loupe.nodes import host

    if host.IN_COMFYUI:
        import folder_paths

        monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    monkeypatch.setenv("LOUPE_TEMP", str(tmp_path))
    panels = [
        ComparePanel.execute(torch.rand(1, 240, 200, 3), name, FACES).args[0] for name in "xyz"
    ]
    made = Compare.execute(
        {f"panel{index}": panel for index, panel in enumerate(panels)},
        "eyes", "free", 900, 800, "", "", blind=True, blind_seed=2,
    )  # fmt: skip
    (payload,) = made.ui["loupe_compare"]
    assert [panel["label"] for panel in payload["panels"]] == ["A", "B", "C"]
    assert sorted(panel["name"] for panel in payload["panels"]) == ["x", "y", "z"]
    assert payload["registered"][0] is None
    assert all(one["reason"] for one in payload["registered"][1:])
    assert len(list((tmp_path / "loupe").glob("*.png"))) == 3
