import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.identity.calibration.measure import measure, numbers_of, renders_of
from portrait_loupe.nodes.identity.encode.arcface import open_encoders
from portrait_loupe.nodes.identity.gather import build_identity


def pictures(count, batch=1, size=8):
    return [torch.full((batch, size, size, 3), number / 10) for number in range(count)]


def test_a_batch_is_of_one_weight_and_seed():
    renders = renders_of(pictures(2, batch=2), [0.0, 0.5], "7, 7")
    assert [(one.weight, one.seed, one.number) for one in renders] == [(0, 7, 0), (0, 7, 1), (0.5, 7, 0), (0.5, 7, 1)]  # fmt: skip
    assert all(one.picture.shape == (1, 8, 8, 3) for one in renders)


def test_without_seeds_the_pictures_of_each_weight_are_counted():
    renders = renders_of(pictures(4), [0.0, 0.5, 0.0, 0.5], "")
    assert [one.seed for one in renders] == [0, 0, 1, 1]


def test_linked_numbers_go_before_typed_ones():
    assert numbers_of(["0, 0.5", "1"], []) == [0, 0.5, 1]
    assert numbers_of(["0"], [0.1, 1]) == [0.1, 1.0]


def test_large_seeds_are_kept_to_the_last_digit():
    assert renders_of(pictures(1), [0.5], "18446744073709551615")[0].seed == 2**64 - 1


@pytest.mark.parametrize(
    ("count", "weights", "seeds", "told"),
    [
        (0, [], "", "images must hold the rendered pictures"),
        (3, [0.0, 0.5], "", "weights must name one for each of the 3 images .a batch counts as one., got 2"),
        (2, [0.0, 0.5], "1", "seeds must name one for each of the 2 images, or be empty; got 1"),
        (2, [0.5, 0.5], "1, 1", "weight 0.5 with seed 1 comes twice"),
        (1, [3.5], "", "each of weights must be 0 to 3, got 3.5"),
        (1, [0.5], "x", "'x' is none"),
        (1, [0.5], "1.5", "'1.5' is none"),
        (1, [0.5], "-1", "whole numbers from 0"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(count, weights, seeds, told):
    with pytest.raises(ValueError, match=told):
        renders_of(pictures(count), weights, seeds)


@pytest.fixture(scope="module")
def packs(face_pack, tmp_path_factory):
    """Both encoders, of which an adapter follows one."""
    folder = tmp_path_factory.mktemp("packs")
    for name in ("buffalo_l", "antelopev2"):
        face_pack(folder, name)
    return {"insightface": [folder], "detection": []}


def drawn(marker_face, share=1.0, iod=80):
    """Person 1 to a share, the rest of the texture person 2's; linear, as are the embeddings of the tiny packs."""
    one, two = (
        marker_face((480, 480), [{"x": 240, "y": 200, "iod": iod, "identity": n}])[0]
        for n in (1, 2)
    )
    return torch.from_numpy(share * one + (1 - share) * two)[None]


@pytest.fixture(scope="module")
def known(packs, marker_face):
    """A profile of person 1, whose faces are where they were drawn."""
    photos, faces = [], []
    for iod in (60, 70, 80, 90):
        picture, (points,) = marker_face(
            (480, 480), [{"x": 240, "y": 200, "iod": iod, "identity": 1}]
        )
        five = tuple((float(x), float(y)) for x, y in points)
        photos.append(torch.from_numpy(picture)[None])
        faces.append(Faces((480, 480), ((Face(five[:2], points=five),),), "a test"))
    encoders = open_encoders(packs["insightface"]).encoders
    return build_identity(photos, faces, encoders=encoders, folders=packs, name="One").identity


def test_pictures_that_are_more_alike_have_higher_cosines(packs, known, marker_face):
    shares = (0.0, 0.4, 0.7, 1.0)
    encoders = open_encoders(packs["insightface"]).encoders
    renders = renders_of([drawn(marker_face, one) for one in shares], [0.0, 0.4, 0.8, 1.2], "")
    found = measure(renders, known, encoders, packs, factor=0.5, steering="glintr100")
    cosines = [one.cosine for one in found.points]
    assert cosines == sorted(cosines)
    assert cosines[-1] > 0.95
    assert cosines[0] < 0.6
    assert [one.weight for one in found.points] == [0, 0.2, 0.4, 0.6]  # effective
    # an oval 1.9 by 2.6 interocular distances or so of 480 px
    assert all(0.08 < one.share < 0.16 for one in found.points)
    assert (found.encoder, found.steered) == ("w600k_r50", False)


def test_the_encoder_that_the_adapter_follows_measures_only_where_there_is_no_other(
    packs, known, marker_face
):
    renders = renders_of([drawn(marker_face)], [1.0], "")
    both = open_encoders(packs["insightface"]).encoders
    assert measure(renders, known, both, packs, steering="w600k_r50").encoder == "glintr100"
    (own,) = (one for one in both if one.id == "w600k_r50")
    found = measure(renders, known, [own], packs, steering="w600k_r50")
    assert (found.encoder, found.steered) == ("w600k_r50", True)


def test_what_cannot_be_told_is_a_point_without_a_cosine(packs, known, marker_face):
    blank, burnt = torch.full((1, 480, 480, 3), 0.35), torch.full((1, 480, 480, 3), torch.nan)
    images = [drawn(marker_face), blank, burnt, drawn(marker_face, iod=30)]
    encoders = open_encoders(packs["insightface"]).encoders
    renders = renders_of(images, [0.0, 0.5, 1.0, 1.5], "")
    ticks = []
    found = measure(renders, known, encoders, packs, progress=lambda total: ticks.append)
    assert [one.cosine is None for one in found.points] == [False, True, True, True]
    assert [one.share is None for one in found.points] == [False, True, True, False]
    assert any("weight 1, seed 0 holds NaN" in remark for remark in found.remarks)
    assert ticks == sorted(ticks)
    assert set(ticks) == {0, 1, 2, 3, 4}
    none = measure(renders, known, [], packs)
    assert {one.cosine for one in none.points} == {None}
    assert (none.encoder, none.steered) == ("", False)
    assert np.all([one.weight for one in none.points] == np.array([0, 0.5, 1, 1.5]))
