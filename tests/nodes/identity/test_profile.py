import json
from dataclasses import replace

import numpy as np
import pytest

from portrait_loupe.nodes.identity.aggregate import robust_center, unit_rows
from portrait_loupe.nodes.identity.calibration.value import Calibration, Fitted, Point
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

SHA = "1234abcd" * 8


def reference(number=1, **other):
    values = {
        "quality": 0.5,
        "parts": {"size": 0.5},
        "photo_sha256": f"{number:064x}",
        "eyes": ((40.0, 50.0), (80.0, 52.0)),
        "points": ((40.0, 50.0), (80.0, 52.0)),
        "image_size": (120, 160),
        "iod_px": 40.05,
        "yaw_deg": None,
        "pitch_deg": None,
        "blur_px": None,
        "median_luma": 0.3,
    }
    return Reference(**{**values, **other})


def embeddings(count, strangers=(), seed=0, length=20.0):
    """Rows of one person, cosine 0.64 to each other, but for the strangers."""
    rng = np.random.default_rng(seed)
    truth = unit_rows(rng.standard_normal((1, 512)))[0]
    rows = 0.8 * truth + 0.6 * unit_rows(rng.standard_normal((count, 512)))
    for row in strangers:
        rows[row] = unit_rows(rng.standard_normal((1, 512)))[0]
    return (length * rows).astype(np.float32)


def identity(count=5, strangers=(4,), forced=None, **other):
    forced = forced or {}
    references = tuple(reference(i, forced=forced.get(i)) for i in range(count))
    embedded = (Embedded("w600k_r50", SHA, "research", embeddings(count, strangers)),)
    return Identity(**{"name": "Ada", "references": references, "embedded": embedded, **other})


def test_a_stranger_is_rejected_and_leaves_the_center_alone():
    one = identity()
    (each,) = one.embedded
    assert one.keep(each).tolist() == [True, True, True, True, False]
    assert one.kept().tolist() == [True, True, True, True, False]
    assert one.weights(each)[4] == 0
    alone = unit_rows(each.raw[:4])
    assert one.center(each) == pytest.approx(
        robust_center(alone, np.full(4, 0.5), np.ones(4, bool))[0]
    )
    assert one.norm(each) == pytest.approx(
        np.median(np.linalg.norm(each.raw[:4], axis=1)), rel=1e-6
    )
    judged = one.judge(each)
    assert judged.score[4] < one.limit < judged.score[:4].min()
    assert judged.score == pytest.approx(judged.agreement / judged.median)


def test_what_the_user_keeps_takes_part_whatever_its_score():
    one, forced = identity(), identity(forced={4: True})
    (each,) = forced.embedded
    assert forced.keep(each).all()
    assert forced.weights(each)[4] > 0
    assert forced.center(each) @ each.unit[4] > one.center(one.embedded[0]) @ each.unit[4] + 0.05
    assert not np.allclose(forced.judge(each).score[4], 1)  # the score is still told as it is


def test_what_the_user_rejects_is_not_asked_about_the_others():
    # two strangers who are one person, and three good: with both the rule is nearly torn
    raw = embeddings(5, (3,))
    raw[4] = raw[3]
    references = tuple(reference(i, forced=False if i == 3 else None) for i in range(5))
    one = Identity("Ada", references, (Embedded("e", SHA, "", raw),))
    judged = one.judge(one.embedded[0])
    assert judged.keep.tolist() == [True, True, True, False, False]
    assert judged.asked.tolist() == [True, True, True, False, True]
    # its twin no longer speaks for it: its likeness is that to the three others
    unit = one.embedded[0].unit
    assert judged.agreement[4] == pytest.approx(np.median(unit[:3] @ unit[4]))
    assert judged.agreement[3] == pytest.approx(np.median(unit[[0, 1, 2, 4]] @ unit[3]))


def test_rejecting_everybody_is_refused():
    with pytest.raises(ValueError, match="overrides reject all 2 faces, which leaves nobody"):
        identity(2, (), forced={0: False, 1: False})


def test_a_face_that_an_encoder_has_not_seen_takes_no_part():
    raw = embeddings(4)
    raw[1] = 0
    one = Identity("Ada", tuple(map(reference, range(4))), (Embedded("e", SHA, "", raw),))
    (each,) = one.embedded
    assert each.has.tolist() == [True, False, True, True]
    assert one.keep(each).tolist() == [True, False, True, True]
    assert one.kept().all()  # nobody has rejected it
    assert one.cosines(each)[1] == 0
    assert np.isfinite(one.center(each)).all()
    forced = replace(one, references=tuple(replace(r, forced=True) for r in one.references))
    assert forced.keep(each).tolist() == [True, False, True, True]


def test_an_encoder_that_has_seen_no_kept_face_says_so():
    raw = embeddings(3)
    raw[1:] = 0
    references = tuple(reference(i, forced=False if i == 0 else None) for i in range(3))
    one = Identity("Ada", references, (Embedded("e", SHA, "", raw),))
    with pytest.raises(ValueError, match="has seen no face of 'Ada' that is kept"):
        one.center(one.embedded[0])
    assert "weights" not in one.as_json()["encoders"][0]


def test_another_encoders_embedding_is_refused_by_name():
    one = identity(name="X")
    assert one.of("w600k_r50") is one.embedded[0]
    assert one.of("w600k_r50", SHA) is one.embedded[0]
    for asked, told in [
        (("glintr100",), "glintr100"),
        (("w600k_r50", "ff" * 32), r"w600k_r50 \(sha ffffffff\)"),
    ]:
        with pytest.raises(
            ValueError,
            match=rf"the profile 'X' holds w600k_r50 \(sha 1234abcd\), the adapter needs {told}: embed again with "
            "Identity Profile",
        ):
            one.of(*asked)
    with pytest.raises(ValueError, match="holds no embeddings, the adapter needs"):
        replace(one, embedded=()).of("w600k_r50")
    twice = replace(
        one, embedded=(*one.embedded, Embedded("w600k_r50", "00" * 32, "", embeddings(5)))
    )
    with pytest.raises(ValueError, match="of 2 files"):
        twice.of("w600k_r50")
    assert twice.of("w600k_r50", "00" * 32) is twice.embedded[1]


def test_the_control_compares_each_kept_face_with_the_others():
    one = identity()
    left = one.leave_one_out(one.embedded[0])
    assert left.shape == (4,)
    assert left.min() > 0.6
    assert identity(1, ()).leave_one_out(identity(1, ()).embedded[0]).shape == (0,)


def test_a_face_is_out_where_any_encoder_rejects_it():
    raw = embeddings(5, (0,), seed=1)
    one = identity()
    both = replace(one, embedded=(*one.embedded, Embedded("other", "00" * 32, "", raw)))
    assert both.kept().tolist() == [False, True, True, True, False]


def test_the_json_is_plain_and_holds_no_embedding():
    text = json.dumps(identity().as_json(), allow_nan=False)
    told = json.loads(text)
    assert told["faces"][4]["kept"] is False
    assert told["faces"][4]["number"] == 5
    assert told["encoders"][0]["score"][4] < 0.55
    assert sum(told["encoders"][0]["weights"]) == pytest.approx(1, abs=1e-3)
    assert len(text) < 6000  # 5 x 512 numbers would take 20,000


def calibration(base_id="bb"):
    fitted = Fitted(0.1, 0.6, 0.4, 0.02, 0.02, 0.1, 0.03, 0.0, 1.2, False)
    points = tuple(Point(weight, 0.5, seed) for weight in (0.0, 0.6, 1.2) for seed in range(3))
    return Calibration("a.bin", "aa", "SDXL", base_id, "glintr100", "cc", points, fitted)


def test_the_json_names_the_calibrations():
    told = identity(calibrations=(calibration(),)).as_json()["calibrations"]
    assert [(one["adapter"], one["base"], one["points"]) for one in told] == [("a.bin", "SDXL", 9)]
    assert told[0]["fitted"]["ceiling"] == 0.6
    assert identity().as_json()["calibrations"] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"calibrations": (calibration(),) * 2}, "two calibrations of one adapter and base"),
        (
            {"calibrations": tuple(calibration(str(i)) for i in range(33))},
            "33 calibrations, at most 32",
        ),
        ({"references": ()}, "1 to 64 faces, got 0"),
        ({"references": tuple(map(reference, range(65)))}, "1 to 64 faces, got 65. Link fewer"),
        ({"limit": 1.5}, "impostor_limit must be 0 to 1"),
        ({"embedded": (Embedded("e", SHA, "", embeddings(4)),)}, "must hold 5 embeddings of 512"),
        ({"embedded": (Embedded("e", SHA, "", embeddings(5)),) * 2}, "one encoder twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_identity_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        replace(identity(), **change)
