import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.framing.find import find_faces
from portrait_loupe.nodes.framing.prominence import measure
from portrait_loupe.nodes.identity.calibration.value import Calibration, Fitted, Point
from portrait_loupe.nodes.identity.encode.align import aligned_crop, five_points
from portrait_loupe.nodes.identity.gather import build_identity, photo_sha256
from portrait_loupe.nodes.identity.quality import FLOOR, parts_of, quality_of
from portrait_loupe.nodes.identity.report import NO_CONSENT


class Projection:
    """An encoder that is no network: the crop's brightness, smoothed, in random directions."""

    def __init__(self, id="w600k_r50", sha256="1234abcd" * 8, seed=0):
        self.id, self.sha256 = id, sha256
        self.licence, self.name = "free, it knows nobody", f"{id} (test)"
        self.seen = 0
        self.matrix = np.random.default_rng(seed).standard_normal((14 * 14, 512))

    def __call__(self, crops):
        assert crops.dtype == np.uint8
        assert crops.shape[1:] == (112, 112, 3)
        self.seen += len(crops)
        small = (
            crops.astype(np.float64)
            .mean(-1)
            .reshape(-1, 14, 8, 14, 8)
            .mean((2, 4))
            .reshape(-1, 196)
        )
        small -= small.mean(1, keepdims=True)
        return (small @ self.matrix / 500).astype(np.float32)


@pytest.fixture(scope="module")
def seen(hopper, astronaut):
    """The faces of both portraits."""
    return {"hopper": find_faces(hopper).faces, "astronaut": find_faces(astronaut).faces}


@pytest.fixture(scope="module")
def photos(hopper):
    """Three photos of one person: as it is, darker, with other colours."""
    return [hopper, (0.7 * hopper).clamp(0, 1), (0.2 + 0.75 * hopper).clamp(0, 1)]


@pytest.fixture(scope="module")
def hoppers(photos, seen):
    return [seen["hopper"]] * len(photos)


def beside(left, right, faces_left, faces_right):
    """Two pictures side by side as one photo, and both their faces."""
    height = max(left.shape[1], right.shape[1])
    width = left.shape[2]
    whole = torch.zeros(1, height, width + right.shape[2], 3)
    whole[:, : left.shape[1], :width] = left
    whole[:, : right.shape[1], width:] = right
    moved = []
    for face in faces_right.frames[0]:
        shift = lambda p: (p[0] + width, p[1])  # noqa: E731
        moved.append(Face(tuple(map(shift, face.eyes)), face.score, tuple(map(shift, face.points))))
    faces = tuple(sorted([*faces_left.frames[0], *moved], key=lambda face: -face.iod))
    return whole, Faces((whole.shape[2], height), (faces,), faces_left.backend)


def test_photos_of_one_person_become_one_identity(photos, hoppers):
    built = build_identity(
        photos,
        hoppers,
        encoders=[Projection()],
        name="Grace",
        consent="public domain",
        tool="test 1",
    )
    one = built.identity
    assert (one.name, one.consent, one.tool, len(one.references)) == (
        "Grace",
        "public domain",
        "test 1",
        3,
    )
    assert len(one.created) == 10
    face = hoppers[0].frames[0][0]
    for reference, photo in zip(one.references, photos, strict=True):
        assert np.array_equal(reference.crop112, aligned_crop(photo[0], face, 112))
        assert reference.crop512.shape == (512, 512, 3)
        assert reference.photo_sha256 == photo_sha256(photo)
        assert reference.eyes == face.eyes
        assert reference.points == tuple(map(tuple, five_points(face)))
    (each,) = one.embedded
    assert np.array_equal(each.raw[1], Projection()(one.references[1].crop112[None])[0])
    assert one.keep(each).all()
    assert built.report.startswith("Grace: 3 faces from 3 photos\nface 1: photo 1, ")
    assert "w600k_r50 (sha 1234abcd): 3 of 3 faces kept" in built.report
    assert "licence: free, it knows nobody" in built.report
    assert NO_CONSENT not in built.report
    assert "aligned by two pupils alone" in built.report


def test_a_stranger_is_found_shown_and_kept_when_the_user_says_so(photos, hoppers, astronaut, seen):
    mixed, faces = [*photos, astronaut], [*hoppers, seen["astronaut"]]
    built = build_identity(mixed, faces, encoders=[Projection()], limit=0.9)
    (each,) = built.identity.embedded
    assert built.identity.keep(each).tolist() == [True, True, True, False]
    (line,) = [line for line in built.report.splitlines() if "rejected face 4" in line]
    assert "limit 0.90" in line
    assert "+4 in overrides keeps it" in line
    kept = build_identity(mixed, faces, encoders=[Projection()], limit=0.9, overrides="+4 -1")
    assert kept.identity.keep(kept.identity.embedded[0]).tolist() == [False, True, True, True]
    assert "face 4: photo 4, " in kept.report
    assert "; kept by overrides" in kept.report
    assert "; rejected by overrides" in kept.report
    with pytest.raises(ValueError, match="overrides reject all 4 faces"):
        build_identity(mixed, faces, encoders=[Projection()], overrides="-1-2,-3 -4")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("3", "such as '.3 -5'"),
        ("+3 -5 please", "such as"),
        ("+4", "name face 4, there are 1 to 3"),
        ("-0", "name face 0"),
        ("+2 -2", "keep and reject face 2"),
    ],
)
def test_overrides_that_cannot_be_read_are_refused(photos, hoppers, text, told):
    with pytest.raises(ValueError, match=told):
        build_identity(photos, hoppers, overrides=text)


def test_quality_is_the_product_of_what_was_measured(hopper, seen):
    face = seen["hopper"].frames[0][0]
    blurred = torch.nn.functional.avg_pool2d(hopper.permute(0, 3, 1, 2), 15, 1, 7).permute(
        0, 2, 3, 1
    )
    dark = hopper * 0.1
    turned = replace(face, yaw_deg=60.0)
    small = torch.nn.functional.interpolate(
        hopper.permute(0, 3, 1, 2), scale_factor=0.25, mode="area"
    ).permute(0, 2, 3, 1)
    little = Faces(
        (128, 150),
        ((Face(tuple((x / 4, y / 4) for x, y in face.eyes), face.score),),),
        seen["hopper"].backend,
    )
    sideways = replace(seen["hopper"], frames=((turned,),))
    built = build_identity(
        [hopper, blurred, dark, hopper + 1e-2, small],
        [seen["hopper"], seen["hopper"], seen["hopper"], sideways, little],
    )
    good, soft, black, aside, tiny = built.identity.references
    for one in built.identity.references:
        assert one.quality == pytest.approx(max(np.prod(list(one.parts.values())), FLOOR))
        assert 0 < one.quality <= 1
        assert set(one.parts) == {
            "detector",
            "sharpness",
            "size",
            "frontality",
            "exposure",
            "visible",
        }
    assert good.quality > 0.5
    assert soft.parts["sharpness"] < 0.5 * good.parts["sharpness"]
    assert black.parts["exposure"] < 0.5 * good.parts["exposure"]
    assert aside.parts["frontality"] == pytest.approx(0.25)  # cos(60 deg) squared
    assert tiny.parts["size"] == pytest.approx(2.69 * little.frames[0][0].iod / 160)
    assert "quality" in built.report


def test_a_large_soft_photo_loses_nothing_that_an_encoder_would_see(hopper, seen):
    """Enlarged three times the pixels are soft, yet hold as much detail as before."""
    face = seen["hopper"].frames[0][0]
    large = torch.nn.functional.interpolate(
        hopper.permute(0, 3, 1, 2), scale_factor=3, mode="bicubic"
    ).permute(0, 2, 3, 1).clamp(0, 1)  # fmt: skip
    grown = Face(tuple((3 * x, 3 * y) for x, y in face.eyes), face.score)
    alone = [
        Faces((3 * 512, 3 * 600), ((grown,),), "embedded"),
        Faces((512, 600), ((face,),), "embedded"),
    ]
    soft, sharp = (measure(p, f)[0][0] for p, f in zip((large, hopper), alone, strict=True))
    assert soft.iod_eff_px / soft.iod_px < 0.5
    assert parts_of(soft)["sharpness"] == pytest.approx(parts_of(sharp)["sharpness"], abs=0.1)


def test_a_blank_face_still_counts_a_little():
    flat = torch.full((1, 200, 200, 3), 0.5)
    faces = Faces((200, 200), ((Face(((80.0, 80.0), (120.0, 80.0))),),), "typed eyes")
    (one,) = build_identity([flat], [faces]).identity.references
    assert one.parts["sharpness"] == 0
    assert one.quality == FLOOR
    assert quality_of({}) == 1
    assert one.blur_px is None


def test_the_same_photo_counts_once(photos, hoppers):
    again = photos[1].double()  # other numbers in memory, the same pixels
    built = build_identity([*photos, again], [*hoppers, hoppers[0]])
    assert len(built.identity.references) == 3
    assert "photo 4 is photo 2 again, the same pixels: it counts once" in built.report
    added = build_identity([photos[0]], hoppers[:1], base=built.identity)
    assert len(added.identity.references) == 3
    assert "photo 1 is face 1 again: it counts once" in added.report


def test_a_batch_is_several_photos(photos, seen):
    batch = torch.cat(photos)
    face = seen["hopper"].frames[0]
    faces = replace(seen["hopper"], frames=(face, face, face))
    built = build_identity([batch], [faces])
    single = build_identity(photos, [seen["hopper"]] * 3)
    hashes = [[one.photo_sha256 for one in b.identity.references] for b in (built, single)]
    assert hashes[0] == hashes[1]


def test_a_photo_without_faces_is_searched(hopper, seen):
    one = build_identity([hopper], [None]).identity.references[0]
    assert one.eyes == seen["hopper"].frames[0][0].eyes


def test_a_photo_without_a_face_is_left_out_and_said(photos, hoppers):
    blank = torch.full((1, 64, 64, 3), 0.5)
    empty = replace(hoppers[0], frames=((),))
    built = build_identity([blank, photos[0], photos[1]], [None, hoppers[0], empty])
    assert len(built.identity.references) == 1
    assert "photo 1 is left out: " in built.report
    assert "photo 3 is left out: its faces input holds none" in built.report
    assert "face 1: photo 2, " in built.report
    with pytest.raises(ValueError, match=r"no photo shows a face(.|\n)*photo 1 is left out"):
        build_identity([blank])
    kept = build_identity([blank], base=built.identity)
    assert len(kept.identity.references) == 1  # a bad photo loses nobody's work


def test_of_a_photo_with_several_faces_the_rule_decides(hopper, astronaut, seen, photos, hoppers):
    """The astronaut's face is the larger in each group; the hoppers elsewhere tell who is meant."""
    double = hopper.repeat_interleave(1, 1)
    group, faces = beside(double, astronaut, seen["hopper"], seen["astronaut"])
    largest = faces.frames[0][0]
    other = faces.frames[0][1]
    everybody = [group, *photos[1:]], [faces, *hoppers[1:]]
    by_size = build_identity(*everybody, several="largest").identity
    assert by_size.references[0].eyes == largest.eyes
    both = build_identity(*everybody, several="all").identity
    assert [one.eyes for one in both.references[:2]] == [largest.eyes, other.eyes]
    assert len(both.references) == 4
    hopper_there = next(f for f in faces.frames[0] if f.eyes == seen["hopper"].frames[0][0].eyes)
    alike = build_identity(*everybody, several="most alike", encoders=[Projection()])
    assert alike.identity.references[0].eyes == hopper_there.eyes
    astronauts = [group, (0.8 * astronaut)], [faces, seen["astronaut"]]
    woman = build_identity(*astronauts, several="most alike", encoders=[Projection()]).identity
    assert woman.references[0].eyes != hopper_there.eyes
    # a base tells it too
    base = build_identity(photos[1:], hoppers[1:], encoders=[Projection()]).identity
    added = build_identity(
        [group], [faces], base=base, several="most alike", encoders=[Projection()]
    )
    assert added.identity.references[2].eyes == hopper_there.eyes


def test_most_alike_without_an_encoder_or_another_photo_takes_the_largest_and_says_so(
    hopper, astronaut, seen
):
    group, faces = beside(hopper, astronaut, seen["hopper"], seen["astronaut"])
    bare = build_identity([group], [faces], several="most alike")
    assert "telling which is alike needs an encoder" in bare.report
    alone = build_identity([group], [faces], several="most alike", encoders=[Projection()])
    assert "there is no other photo to compare them with" in alone.report
    for built in (bare, alone):
        assert built.identity.references[0].eyes == faces.frames[0][0].eyes


def test_two_photos_cannot_reveal_an_impostor(hopper, astronaut, seen):
    built = build_identity(
        [hopper, astronaut], [seen["hopper"], seen["astronaut"]], encoders=[Projection()], limit=1.0
    )
    assert built.identity.kept().all()
    assert "two photos cannot reveal an impostor" in built.report


def test_without_an_encoder_the_crops_wait(photos, hoppers):
    bare = build_identity(photos, hoppers)
    assert bare.identity.embedded == ()
    assert "no embedding: no encoder was here. The aligned faces are stored" in bare.report
    assert NO_CONSENT in bare.report
    later = build_identity([], base=bare.identity, encoders=[Projection()])
    direct = build_identity(photos, hoppers, encoders=[Projection()])
    assert np.array_equal(later.identity.embedded[0].raw, direct.identity.embedded[0].raw)


def test_encoders_are_kept_apart_and_none_is_lost(photos, hoppers):
    first, second = Projection(), Projection("glintr100", "ff" * 32, seed=1)
    twin = Projection(sha256="00" * 32, seed=2)  # another file of the same name
    base = build_identity(photos[:2], hoppers[:2], encoders=[first, twin]).identity
    assert [(e.encoder, e.sha256[:2]) for e in base.embedded] == [
        ("w600k_r50", "12"),
        ("w600k_r50", "00"),
    ]
    first.seen = second.seen = 0
    added = build_identity(photos[2:], hoppers[2:], base=base, encoders=[first, second])
    one = added.identity
    assert first.seen == 1  # the old two are not embedded again
    assert second.seen == 3  # from their stored crops
    by_file = {(e.encoder, e.sha256): e for e in one.embedded}
    assert len(by_file) == 3
    assert by_file["w600k_r50", first.sha256].has.all()
    assert by_file["glintr100", second.sha256].has.all()
    left = by_file["w600k_r50", twin.sha256]
    assert left.has.tolist() == [True, True, False]
    assert np.array_equal(left.raw[:2], base.embedded[1].raw)
    assert "w600k_r50 (sha 00000000) is not here: 1 face of 3 stay" in added.report
    # and where it is again, the gap is filled
    full = build_identity([], base=one, encoders=[twin]).identity
    assert full.of("w600k_r50", twin.sha256).has.all()
    assert full.of("glintr100").has.all()


def test_a_profile_without_crops_says_what_that_costs(photos, hoppers):
    built = build_identity(photos, hoppers, encoders=[Projection()], store_crops=False)
    assert all(one.crop112 is None and one.crop512 is None for one in built.identity.references)
    assert all(one.crop112 is not None for one in built.shown.references)
    assert built.identity.embedded[0].has.all()
    assert "3 faces of 3 without a stored crop" in built.report
    other = Projection("glintr100", "ff" * 32, seed=1)
    again = build_identity(photos[:1], hoppers[:1], base=built.identity, encoders=[other])
    assert again.identity.of("glintr100").has.tolist() == [True, False, False]
    assert again.identity.of("w600k_r50").has.all()
    assert "photo 1 is face 1 again: it has its crop back" in again.report
    assert "glintr100 (test) cannot see 2 faces" in again.report


@pytest.mark.parametrize("fault", ["nan", "zero", "narrow"])
def test_an_encoder_that_fails_is_named_and_loses_nothing(photos, hoppers, fault):
    class Broken(Projection):
        def __call__(self, crops):
            given = super().__call__(crops)
            if fault == "narrow":
                return given[:, :128]
            given[1] = np.nan if fault == "nan" else 0
            return given

    built = build_identity(photos, hoppers, encoders=[Broken("bad", "00" * 32), Projection()])
    assert "bad (test) gives" in built.report
    assert built.identity.of("w600k_r50").has.all()
    if fault == "narrow":
        assert [each.encoder for each in built.identity.embedded] == ["w600k_r50"]
    else:
        assert built.identity.of("bad").has.tolist() == [True, False, True]
        assert np.isfinite(built.identity.center(built.identity.of("bad"))).all()


def test_notes_and_names_are_kept_when_photos_are_added(photos, hoppers):
    base = build_identity(
        photos[:1], hoppers[:1], name="Grace", consent="her estate agrees"
    ).identity
    base = replace(base, created="2020-01-01")
    added = build_identity(
        photos[1:], hoppers[1:], base=base, consent="and so do I", overrides="-2"
    ).identity
    assert (added.name, added.created) == ("Grace", "2020-01-01")
    assert added.consent == "her estate agrees\nand so do I"
    assert [one.forced for one in added.references] == [None, False, None]
    untouched = build_identity([], base=added).identity
    assert [one.forced for one in untouched.references] == [None, False, None]
    again = build_identity([], base=added, consent="and so do I", overrides="+2").identity
    assert again.consent == added.consent
    assert [one.forced for one in again.references] == [None, True, None]


def test_calibrations_stay_with_the_faces_that_they_were_of(photos, hoppers):
    built = build_identity(photos[:2], hoppers[:2], encoders=[Projection()])
    curve = Fitted(0.1, 0.6, 0.4, None, None, None, 0.02, 0.0, 1.2, False)
    one = Calibration(
        "a.bin", "a" * 64, "SDXL", "b" * 64, "w600k_r50", "c" * 64, (Point(0.0, 0.1, 1),), curve
    )
    base = replace(built.identity, calibrations=(one,))
    again = build_identity([], base=base, encoders=[Projection("glintr100", "ff" * 32)])
    assert again.identity.calibrations == (one,)
    for other in (
        build_identity(photos[2:], hoppers[2:], base=base, encoders=[Projection()]),
        build_identity([], base=base, overrides="-2"),
    ):
        assert other.identity.calibrations == ()
        assert "1 calibrated curves were of the faces as they were before" in other.report


def test_progress_counts_photos_and_encoders(photos, hoppers):
    told = []

    def progress(total):
        told.append(total)
        return told.append

    build_identity(photos, hoppers, encoders=[Projection()], progress=progress)
    assert told == [4, 1, 2, 3, 4]


def test_what_cannot_be_is_refused(photos, hoppers, hopper):
    with pytest.raises(ValueError, match="link a photo, or an identity"):
        build_identity([])
    with pytest.raises(ValueError, match="several must be one of"):
        build_identity(photos, hoppers, several="youngest")
    with pytest.raises(ValueError, match="these faces were found in"):
        build_identity([hopper[:, :-1]], hoppers[:1])
    with pytest.raises(ValueError, match="photo 2 must be a picture"):
        build_identity([hopper, "a picture"])
    with pytest.raises(ValueError, match="2 entries of faces for 1 of photos"):
        build_identity(photos[:1], hoppers[:2])


def test_more_than_64_faces_are_refused_before_they_are_measured(hopper, seen):
    many = hopper + torch.linspace(-0.3, 0, 65)[:, None, None, None]
    face = seen["hopper"].frames[0]
    with pytest.raises(ValueError, match="at most 64 faces, these would be 65"):
        build_identity([many], [replace(seen["hopper"], frames=(face,))])


def test_the_hash_of_a_photo_tells_its_pixels_and_its_shape(hopper):
    assert photo_sha256(hopper) == photo_sha256(hopper + 1e-4)
    other = hopper.clone()
    other[0, 0, 0, 0] = 1 - other[0, 0, 0, 0]
    assert photo_sha256(other) != photo_sha256(hopper)
    flat = torch.zeros(1, 2, 3, 3)
    assert photo_sha256(flat) != photo_sha256(torch.zeros(1, 3, 2, 3))


@pytest.mark.parametrize("height", [1, 63, 64, 65, 300])
def test_a_photo_is_known_by_its_size_and_its_8_bit_pixels(height):
    picture = torch.rand(1, height, 40, 3, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2
    codes = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    known = hashlib.sha256(f"40x{height}".encode() + codes.tobytes()).hexdigest()
    before = picture.clone()
    assert photo_sha256(picture) == known
    assert torch.equal(picture, before)
