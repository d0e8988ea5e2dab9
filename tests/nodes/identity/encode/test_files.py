import hashlib
import os
from pathlib import Path

import pytest

from portrait_loupe.nodes.identity.encode.files import (
    encoder_files,
    encoder_id,
    sha256_of,
)


def ids(folders):
    return [file.id for file in encoder_files(folders)[0]]


@pytest.mark.parametrize("inner", ["models/pack", "pack", "", "models/pack/pack"])
def test_a_known_name_is_found_wherever_packs_lie(tmp_path, inner):
    (tmp_path / inner).mkdir(parents=True, exist_ok=True)
    (tmp_path / inner / "w600k_r50.onnx").write_bytes(b"")
    files, _ = encoder_files([tmp_path])
    assert [file.path for file in files] == [tmp_path / inner / "w600k_r50.onnx"]


def test_of_a_pack_the_recogniser_alone_is_an_encoder(face_pack, tmp_path):
    folder = face_pack(tmp_path)
    for other in ("1k3d68", "2d106det", "genderage"):
        (folder / "models/buffalo_l" / f"{other}.onnx").write_bytes(b"no matter")
    assert ids([folder]) == ["w600k_r50"]


def test_a_recogniser_of_another_name_is_known_by_its_shape(onnx_packs, tmp_path):
    onnx_packs.arcface(tmp_path / "My Net (v2).onnx")
    assert ids([tmp_path]) == ["mynetv2"]


@pytest.mark.parametrize(
    ("path", "id"),
    [
        ("models/antelopev2/glintr100.onnx", "glintr100"),
        ("models/AuraFace-v1/glintr100.onnx", "auraface"),
        ("auraface/auraface/glintr100.onnx", "auraface"),
        ("models/auraface/w600k_r50.onnx", "w600k_r50"),
        ("models/buffalo_l/W600K_R50.onnx", "w600k_r50"),
        ("x/\u00e9\u00e8.onnx", "encoder"),
    ],
)
def test_ids(path, id):
    assert encoder_id(Path(path)) == id


def test_a_folder_above_that_is_called_auraface_means_nothing(tmp_path):
    folder = tmp_path / "auraface tests"
    (folder / "models/antelopev2").mkdir(parents=True)
    (folder / "models/antelopev2/glintr100.onnx").write_bytes(b"")
    assert ids([folder]) == ["glintr100"]


def test_a_pack_one_folder_too_deep_is_found_with_a_remark(face_pack, tmp_path):
    face_pack(tmp_path, "antelopev2", nested=True)
    files, (remark,) = encoder_files([tmp_path])
    assert [file.id for file in files] == ["glintr100"]
    assert "one folder too deep" in remark
    assert str(tmp_path / "models" / "antelopev2") in remark


def test_an_empty_pack_gets_a_remark(face_pack, tmp_path):
    face_pack(tmp_path)
    assert encoder_files([tmp_path])[1] == []
    (tmp_path / "models" / "antelopev2").mkdir()
    (remark,) = encoder_files([tmp_path])[1]
    assert "antelopev2 holds no .onnx file" in remark


def test_folders_that_do_not_exist_hold_nothing(tmp_path):
    assert encoder_files([tmp_path / "none"]) == ([], [])
    assert encoder_files([]) == ([], [])


def test_the_sum_is_that_of_the_bytes_and_follows_a_change(tmp_path):
    file = tmp_path / "a.onnx"
    for content, time in ((b"one", 0), (b"three", 0), (b"seven", 1), (b"more " * 10**6, 1)):
        file.write_bytes(content)
        os.utime(file, ns=(0, time))
        assert sha256_of(file) == hashlib.sha256(content).hexdigest()


def test_a_file_that_did_not_change_is_not_read_again(tmp_path):
    file = tmp_path / "a.onnx"
    file.write_bytes(b"one")
    stat = file.stat()
    first = sha256_of(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sha256_of(file) == first
