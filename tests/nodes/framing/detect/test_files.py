import os

from portrait_loupe.nodes.framing import node_find_faces
from portrait_loupe.nodes.framing.detect.files import state_of
from portrait_loupe.nodes.framing.node_find_faces import FindFaces


def test_the_state_tells_when_a_network_comes_changes_or_goes(face_pack, tmp_path):
    folders = [tmp_path / "insightface", tmp_path / "detection"]
    states = [state_of(folders)]
    face_pack(folders[0])
    states.append(state_of(folders))
    file = folders[0] / "models/buffalo_l/w600k_r50.onnx"
    os.utime(file, ns=(0, 1))
    states.append(state_of(folders))
    content = file.read_bytes()
    file.write_bytes(content + b"x")
    os.utime(file, ns=(0, 1))
    states.append(state_of(folders))
    folders[1].mkdir()
    (folders[1] / "yunet_final.pth").write_bytes(b"")
    states.append(state_of(folders))
    assert len(set(states)) == len(states)
    (folders[0] / "models/buffalo_l/readme.txt").write_text("no network")
    assert state_of(folders) == states[-1]
    file.unlink()
    assert state_of(folders) not in states
    assert state_of([]) == ""


def test_find_faces_runs_again_when_a_detector_came(tmp_path, monkeypatch):
    monkeypatch.setattr(node_find_faces, "model_folders", lambda kind: [tmp_path / kind])
    before = FindFaces.fingerprint_inputs(image=None)
    (tmp_path / "detection").mkdir()
    (tmp_path / "detection" / "yunet.onnx").write_bytes(b"net")
    assert FindFaces.fingerprint_inputs(image=None) != before
