import hashlib
import pickle
import socket
import sys

import numpy as np
import pytest

from portrait_loupe.nodes.framing.detect.network import Unavailable
from portrait_loupe.nodes.identity.encode import arcface
from portrait_loupe.nodes.identity.encode.arcface import (
    CAVEATS,
    ENCODERS,
    known_encoder,
    open_encoders,
)

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: nothing to run a net with")


def test_every_pack_gives_its_encoder_with_sum_licence_and_name(face_pack, tmp_path):
    for name in ("buffalo_l", "antelopev2", "buffalo_s", "AuraFace-v1"):
        face_pack(tmp_path, name)
    opened = open_encoders([tmp_path])
    assert opened.remarks == ()
    found = {encoder.id: encoder for encoder in opened.encoders}
    assert set(found) == {"w600k_r50", "glintr100", "w600k_mbf", "auraface"}
    file = tmp_path / "models/antelopev2/glintr100.onnx"
    assert found["glintr100"].sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found["glintr100"].name == "glintr100 (antelopev2, onnxruntime)"
    assert "research only" in found["w600k_r50"].licence
    assert found["auraface"].licence.startswith("Apache-2.0")
    crop = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    told = [encoder(crop)[0] / np.linalg.norm(encoder(crop)) for encoder in opened.encoders]
    assert abs(np.array(told) @ np.array(told).T - np.eye(4)).max() < 0.5  # four spaces


@pytest.mark.parametrize("which", ["w600k_r50", "glintr100"])
def test_one_may_be_asked_for_by_name(face_pack, tmp_path, which):
    for name in ("buffalo_l", "antelopev2"):
        face_pack(tmp_path, name)
    assert [encoder.id for encoder in open_encoders([tmp_path], which).encoders] == [which]


def test_one_file_in_two_packs_is_one_encoder(face_pack, tmp_path):
    for name in ("buffalo_l", "buffalo_m"):
        face_pack(tmp_path, name)
    opened = open_encoders([tmp_path])
    assert [encoder.id for encoder in opened.encoders] == ["w600k_r50"]
    assert opened.remarks == ()


def test_two_files_of_one_name_are_kept_apart_and_said_to_be(onnx_packs, face_pack, tmp_path):
    face_pack(tmp_path)
    onnx_packs.arcface(tmp_path / "w600k_r50.onnx", seed=5)
    opened = open_encoders([tmp_path])
    assert [encoder.id for encoder in opened.encoders] == ["w600k_r50"] * 2
    assert opened.remarks == (
        "2 different files are called w600k_r50: their embeddings are kept apart",
    )


def test_none_is_none_without_a_word(face_pack, tmp_path):
    opened = open_encoders([face_pack(tmp_path)], "none")
    assert opened.encoders == opened.remarks == ()


def test_with_nothing_there_all_found_says_what_is_missing_and_where_it_would_lie(tmp_path):
    opened = open_encoders([tmp_path])
    assert opened.encoders == ()
    (remark,) = opened.remarks
    assert "models/buffalo_l/w600k_r50.onnx or models/antelopev2/glintr100.onnx" in remark
    assert str(tmp_path) in remark
    assert "LOUPE_MODELS" in open_encoders([]).remarks[0]


@pytest.mark.parametrize("which", ENCODERS[1:-1])
def test_one_asked_for_by_name_that_is_missing_is_an_error_that_names_it(tmp_path, which):
    with pytest.raises(Unavailable, match=f"no face encoder '{which}'") as refused:
        open_encoders([tmp_path], which)
    assert arcface.WHERE[which] in str(refused.value)
    assert str(tmp_path) in str(refused.value)


BROKEN = {
    "empty": lambda whole: b"",
    "pickle": lambda whole: pickle.dumps({"weights": 1}),
    "half": lambda whole: whole[: len(whole) // 2],
    "its end missing": lambda whole: whole[:-7],
    "text": lambda whole: b"<html>not found</html>",
}


@pytest.mark.parametrize("backend", ["onnxruntime", "insightface"])
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_is_named_and_the_others_still_serve(face_pack, tmp_path, how, backend):
    if backend == "insightface":
        pytest.importorskip("insightface", reason="insightface is not installed")
    face_pack(tmp_path)
    face_pack(tmp_path, "antelopev2")
    file = tmp_path / "models/buffalo_l/w600k_r50.onnx"
    file.write_bytes(BROKEN[how](file.read_bytes()))
    opened = open_encoders([tmp_path], backend=backend)
    assert [encoder.id for encoder in opened.encoders] == ["glintr100"]
    (remark,) = opened.remarks
    assert str(file) in remark
    with pytest.raises(Unavailable, match=r"w600k_r50\.onnx.*Replace the file") as refused:
        open_encoders([tmp_path], "w600k_r50", backend)
    assert refused.value.nearly


def test_a_file_that_answers_with_nan_is_not_opened(onnx_packs, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_packs, "GAIN", float("nan"))
    onnx_packs.arcface(tmp_path / "w600k_r50.onnx")
    with pytest.raises(Unavailable, match="not finite"):
        open_encoders([tmp_path], "w600k_r50")


def test_a_nested_pack_serves_and_is_remarked_on(face_pack, tmp_path):
    opened = open_encoders([face_pack(tmp_path, "antelopev2", nested=True)])
    assert [encoder.id for encoder in opened.encoders] == ["glintr100"]
    assert "one folder too deep" in opened.remarks[0]


@pytest.mark.parametrize(
    ("which", "backend", "words"),
    [("arcface", "auto", "encoder must be one of"), ("none", "cuda", "backend must be one of")],
)
def test_other_words_are_refused(which, backend, words):
    with pytest.raises(ValueError, match=words):
        open_encoders([], which, backend)


def test_without_onnxruntime_it_is_said(face_pack, monkeypatch, tmp_path):
    face_pack(tmp_path)
    monkeypatch.setattr(arcface, "find_spec", lambda name: None)
    opened = open_encoders([tmp_path])
    assert opened.encoders == ()
    assert "onnxruntime is not in this Python" in opened.remarks[-1]
    for which, backend in (("w600k_r50", "auto"), ("all found", "insightface")):
        with pytest.raises(Unavailable, match="is not in this Python"):
            open_encoders([tmp_path], which, backend)


def test_onnxruntime_alone_is_enough_and_nothing_goes_online(face_pack, monkeypatch, tmp_path):
    face_pack(tmp_path)
    for package in ("insightface", "onnx", "cv2", "skimage"):
        monkeypatch.setitem(sys.modules, package, None)

    def refused(*_, **__):
        raise AssertionError("somebody went online")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert len(open_encoders([tmp_path]).encoders) == 1


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_insightface_opens_the_file_and_goes_nowhere(face_pack, monkeypatch, tmp_path):
    pytest.importorskip("insightface", reason="insightface is not installed")

    def refused(*_, **__):
        raise AssertionError("somebody went online")

    monkeypatch.setattr(socket.socket, "connect", refused)
    (encoder,) = open_encoders([face_pack(tmp_path)], backend="insightface").encoders
    assert encoder.name == "w600k_r50 (buffalo_l, insightface)"


def test_every_encoder_of_the_list_has_its_caveat_and_its_place():
    named = set(ENCODERS[1:-1])
    assert set(CAVEATS) == set(arcface.WHERE) == named
    assert "InstantID" in known_encoder("glintr100")
    assert "does not know" in known_encoder("mynet")


def test_heavy_packs_answer_as_light_ones(onnx_packs, tmp_path):
    """Those of the benchmark."""
    crop = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    told = []
    for load in (False, True):
        onnx_packs.arcface(tmp_path / "w600k_r50.onnx", load=load)
        told.append(open_encoders([tmp_path]).encoders[0](crop))
    assert np.array_equal(*told)
    assert told[0].any()


def test_an_encoder_stays_open_until_its_file_changes(onnx_packs, tmp_path):
    file = tmp_path / "w600k_r50.onnx"
    onnx_packs.arcface(file)
    (first,) = open_encoders([tmp_path]).encoders
    assert open_encoders([tmp_path], "w600k_r50", "onnxruntime").encoders[0] is first
    onnx_packs.arcface(file, batch=1)
    (second,) = open_encoders([tmp_path]).encoders
    assert second.sha256 != first.sha256


def test_the_first_encoder_does_not_hang_on_what_lies_beside_it(face_pack, tmp_path):
    """Folders are read by name, and antelopev2 comes before buffalo_l."""
    face_pack(tmp_path, "buffalo_l")
    alone = arcface.open_encoders([tmp_path]).encoders[0]
    face_pack(tmp_path, "antelopev2")
    face_pack(tmp_path, "auraface")
    together = arcface.open_encoders([tmp_path]).encoders
    assert [one.id for one in together] == ["w600k_r50", "glintr100", "auraface"]
    assert (together[0].id, together[0].sha256) == (alone.id, alone.sha256)
