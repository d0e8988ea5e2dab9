"""Takes of all sockets: kept, numbered, and rejected with the reason."""

import hashlib
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_loupe.nodes.casting.gather import (
    MOST_TAKES,
    NO_FACE,
    Socket,
    collect_takes,
    gather_takes,
    labels_of,
    prompt_sha_of,
)
from portrait_loupe.nodes.casting.take import take_sha256
from portrait_loupe.nodes.comparison.captions import Caption

PROVIDER = Caption("Recraft V4", "recraftv4 · seed n/a (provider)", prompt_sha="ab" * 32)
LOCAL = Caption("realX", "seed 12", seed=12)


def scene(seed, size=(64, 64)):
    """A picture without a face, that no other seed gives: smooth, so that re-encoding keeps it."""
    drawn = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 4, generator=drawn)
    width, height = size
    grown = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return grown.permute(0, 2, 3, 1).clamp(0, 1).contiguous()


def reasons(*values, **given):
    return [take.rejected for take in collect_takes([Socket("take0", values)], **given)[0]]


def jpeg(picture, quality):
    file = BytesIO()
    codes = (picture[0] * 255).round().byte().numpy()
    Image.fromarray(codes).save(file, "JPEG", quality=quality, subsampling=0)
    return torch.from_numpy(np.asarray(Image.open(file)).astype(np.float32) / 255)[None]


def flat_judge(picture, face):
    return SimpleNamespace(
        distance=float(picture.shape[2]), gate=None, reason="measured", face=face
    )


@pytest.fixture(scope="module")
def portraits(hopper, astronaut):
    """Hopper, Collins, and one with nobody: from two models, ranked by width."""
    sockets = [
        Socket("take0", [hopper, scene(1)], "one"),
        Socket("take1", [astronaut], caption=LOCAL),
    ]
    return gather_takes(sockets, judge=flat_judge, prompt="a portrait")


# --- order, sizes, labels ------------------------------------------------------------------------


def test_takes_are_numbered_through_sockets_calls_and_batches_and_keep_their_sizes():
    batch = torch.cat([scene(1), scene(2)])
    sockets = [
        Socket("take0", [batch, scene(3, (80, 48))], "a"),
        Socket("take1", [scene(4, (32, 96))], "b"),
    ]
    takes = collect_takes(sockets)[0]
    assert [(take.number, take.model) for take in takes] == [(1, "a"), (2, "a"), (3, "a"), (4, "b")]
    assert [tuple(take.picture.shape) for take in takes] == [
        (1, 64, 64, 3), (1, 64, 64, 3), (1, 48, 80, 3), (1, 96, 32, 3),
    ]  # fmt: skip
    assert torch.equal(takes[1].picture, scene(2))
    assert [take.sha256 for take in takes] == [take_sha256(take.picture) for take in takes]


def test_labels_are_the_users_the_graphs_or_numbers_and_no_two_are_the_same():
    sockets = [
        Socket("take0", [], "  mine\n "), Socket("take1", [], "", PROVIDER), Socket("take2", [], "Recraft V4"),
        Socket("take3", []), Socket("take4", [], "Recraft V4"),
    ]  # fmt: skip
    assert labels_of(sockets) == ["mine", "Recraft V4", "Recraft V4 (2)", "model 4", "Recraft V4 (3)"]  # fmt: skip


def test_alpha_is_laid_over_gray_and_gray_pictures_become_rgb():
    colours = scene(1)
    alpha = torch.cat([colours, torch.full((1, 64, 64, 1), 0.25)], -1)
    one, two = collect_takes([Socket("take0", [alpha, scene(2)[..., :1]])])[0]
    assert torch.allclose(one.picture, colours * 0.25 + 0.5 * 0.75, atol=1e-6)
    assert two.picture.shape == (1, 64, 64, 3)


def test_values_beyond_0_and_1_are_clipped_and_the_given_tensor_is_not_touched():
    given = scene(1) * 1.4 - 0.2
    before = given.clone()
    (take,) = collect_takes([Socket("take0", [given])])[0]
    assert float(take.picture.min()) >= 0
    assert float(take.picture.max()) <= 1
    assert torch.equal(given, before)


# --- rejections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "blank",
    [
        torch.zeros(1, 1024, 1024, 4),  # what Gemini's node gives where no picture came
        torch.zeros(1, 64, 64, 3),
        torch.ones(1, 64, 64, 3),
        torch.tensor([0.2, 0.5, 0.9]).expand(1, 64, 64, 3),
        jpeg(torch.tensor([0.2, 0.5, 0.9]).expand(1, 64, 64, 3), 30),
        0.5 + torch.randint(-1, 2, (1, 64, 64, 3)) / 255,  # as a lossy file may leave it
    ],
)
def test_blank_pictures_are_named(blank):
    (reason,) = reasons(blank)
    assert reason.startswith("blank: ")


def test_a_dark_picture_with_something_in_it_is_not_blank():
    dark = torch.zeros(1, 64, 64, 3)
    dark[:, 10:20, 10:20] = 0.2
    assert reasons(dark) == [None]


def test_doubles_name_the_take_that_they_double():
    assert reasons(scene(1), scene(2), scene(1).clone(), scene(1), scene(2)) == [
        None, None, "duplicate of 1", "duplicate of 1", "duplicate of 2",
    ]  # fmt: skip


def test_the_same_picture_from_another_model_is_a_double_too():
    sockets = [Socket("take0", [scene(1)]), Socket("take1", [scene(1)])]
    assert collect_takes(sockets)[0][1].rejected == "duplicate of 1"


def test_a_picture_written_anew_almost_to_the_bit_is_a_near_double(hopper):
    face = hopper[:, 100:400, 130:400]
    first, second = collect_takes([Socket("take0", [face, jpeg(face, 95)])])[0]
    assert first.rejected is None
    assert second.rejected.startswith("near-duplicate of 1: its finest detail differs by ")


def test_what_could_look_different_is_no_double(hopper):
    """Another skin on the same picture is what a cast is for: smoothed, sharpened, with noise."""
    from torch.nn.functional import avg_pool2d

    face = hopper[:, 100:400, 130:400]
    planes = face.permute(0, 3, 1, 2)
    soft = avg_pool2d(planes, 3, 1, 1, count_include_pad=False).permute(0, 2, 3, 1)
    noise = torch.randn(face.shape, generator=torch.Generator().manual_seed(1)) * 5 / 255
    others = [soft, (2 * face - soft).clamp(0, 1), (face + noise).clamp(0, 1), face[:, :-1]]
    assert not any("dupl" in (reason or "") for reason in reasons(face, *others))


def test_blank_pictures_are_not_called_doubles_of_each_other():
    zeros = torch.zeros(1, 32, 32, 3)
    assert all(reason.startswith("blank") for reason in reasons(zeros, zeros))


def test_a_broken_picture_is_kept_and_named_and_stops_nothing():
    broken = scene(1)
    broken[0, 3, 4, 1] = float("nan")
    broken[0, 3, 5, 1] = float("inf")
    takes = collect_takes([Socket("take0", [torch.cat([broken, scene(2)])])])[0]
    assert takes[0].rejected == "broken: 2 of its values are NaN or infinite; decode it in fp32 or bf16"  # fmt: skip
    assert bool(torch.isfinite(takes[0].picture).all())
    assert takes[1].rejected is None


def test_an_empty_batch_is_told_and_no_take():
    found = collect_takes([Socket("take0", [torch.zeros(0, 8, 8, 3), scene(1)], "Gemini")])
    assert len(found[0]) == 1
    assert "Gemini: a call gave an empty batch, no take of it" in found[1]


def test_a_cast_of_nothing_too_many_or_no_pictures_is_refused():
    with pytest.raises(ValueError, match="takes holds no picture"):
        collect_takes([Socket("take0", [])])
    with pytest.raises(ValueError, match=f"at most {MOST_TAKES} takes"):
        collect_takes([Socket("take0", [torch.zeros(MOST_TAKES + 1, 2, 2, 3)])])
    with pytest.raises(ValueError, match="take7 must be a picture"):
        collect_takes([Socket("take7", ["a latent"])])
    with pytest.raises(ValueError, match="take7 must have the shape"):
        collect_takes([Socket("take7", [torch.zeros(8, 8, 3)])])


# --- seeds and prompts ---------------------------------------------------------------------------


def seeds(values, caption=LOCAL, **given):
    found = collect_takes([Socket("take0", values, "a", caption)], **given)
    return [take.seed for take in found[0]], found[1]


def blanks(*counts):
    return [torch.zeros(count, 4, 4, 3) for count in counts]


def test_calls_have_the_seeds_of_the_brief_in_their_order():
    assert seeds(blanks(1, 1, 1), seeds=[5, 6, 7])[0] == [5, 6, 7]


def test_pictures_of_one_call_share_its_seed_and_the_report_says_so():
    found, notes = seeds(blanks(2, 1), seeds=[5, 6])
    assert found == [5, 5, 6]
    assert "a: one call gave 2 pictures at seed 5" in notes


def test_one_seed_was_that_of_every_call():
    assert seeds(blanks(1, 1), seeds=[5])[0] == [5, 5]


def test_where_seeds_and_calls_do_not_match_none_is_claimed():
    found, notes = seeds(blanks(1, 1), seeds=[5, 6, 7])
    assert found == [None, None]
    assert "a: 2 calls for 3 seeds, so the seeds of its takes are not known" in notes


def test_a_model_with_a_seed_of_its_own_keeps_it_beside_the_brief():
    assert seeds(blanks(1), LOCAL, seeds=[5, 6, 7]) == ([12], [])
    assert seeds(blanks(1), Caption("x"), seeds=[5, 6, 7])[0] == [None]


def test_providers_without_seeds_have_none():
    assert seeds(blanks(1, 1), PROVIDER, seeds=[5, 6]) == ([None, None], [])


def test_without_the_brief_the_graph_tells_the_seed_of_one_call():
    assert seeds(blanks(1))[0] == [12]
    assert seeds(blanks(1, 1))[0] == [None, None]


def test_the_prompt_is_the_briefs_or_the_graphs():
    assert prompt_sha_of("a portrait") == hashlib.sha256(b"a portrait").hexdigest()[:16]
    assert prompt_sha_of(" \n") == ""
    (take,) = collect_takes([Socket("take0", blanks(1), "", PROVIDER)])[0]
    assert take.prompt_sha == "ab" * 8
    (take,) = collect_takes([Socket("take0", blanks(1), "", PROVIDER)], prompt="x")[0]
    assert take.prompt_sha == prompt_sha_of("x")


# --- faces and evidence --------------------------------------------------------------------------


def test_faces_are_found_judged_and_ranked(portraits):
    hopper, nobody, collins = portraits.takes
    assert hopper.face is not None
    assert collins.face is not None
    assert (nobody.face, nobody.rejected, nobody.evidence, nobody.rank) == (None, NO_FACE, None, None)  # fmt: skip
    assert hopper.evidence.face is hopper.face
    assert sorted([hopper.rank, collins.rank]) == [1, 2]
    assert portraits.faces_backend == "embedded detector"
    assert (hopper.model, collins.model, collins.seed) == ("one", "realX", 12)


def test_rejected_takes_are_not_looked_at():
    looked = []
    gather_takes(
        [Socket("take0", [torch.zeros(1, 64, 64, 3)])], judge=lambda *given: looked.append(given)
    )
    assert looked == []


def test_progress_counts_every_take():
    told = []
    gather_takes(
        [Socket("take0", blanks(1, 1, 1))],
        progress=lambda total: told.append(total) or told.append,
    )
    total, *done = told
    assert total == 3
    assert done == sorted(done)
    assert set(done) == {0, 1, 2, 3}


@pytest.mark.parametrize("ticks", [1, 4, 8])
def test_a_stop_is_felt_while_takes_are_collected_and_looked_at(ticks):
    """Three pictures: the first three ticks are of their hashes, the next of twins, then their faces."""
    left = iter(range(ticks))

    def tick(done):
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gather_takes([Socket("take0", [scene(1), scene(2), scene(3)])], progress=lambda total: tick)
