import numpy as np
import pytest

from portrait_loupe.nodes.identity.aggregate import (
    LIMIT,
    agreement_of,
    keep_of,
    leave_one_out,
    robust_center,
    unit_rows,
)

# Embeddings as they scatter around a true direction: a good photo has a cosine of 0.8 to it, a poor
# one of 0.45; an impostor's photos are good photos of another, unrelated person.
GOOD, POOR = 0.8, 0.45
POOR_QUALITY = 0.4
TRIALS = 300

SETS = {  # good, poor, impostors; the table of specs/identity.md: mean, quality mean, robust, lost
    "5 good": ((5, 0, 0), (0.948, 0.948, 0.949, 0.0)),
    "5, 2 poor": ((3, 2, 0), (0.896, 0.923, 0.925, 0.016)),
    "5, 1 poor, 1 impostor": ((3, 1, 1), (0.858, 0.865, 0.921, 0.0)),
    "8, 2 poor, 1 impostor": ((5, 2, 1), (0.920, 0.929, 0.952, 0.086)),
    "8, 2 poor, 2 impostors": ((4, 2, 2), (0.853, 0.848, 0.942, 0.0)),
}


def near(truth, cosine, rng):
    """A unit vector with that cosine to the truth, in a direction by chance."""
    noise = rng.standard_normal(len(truth))
    noise -= (noise @ truth) * truth
    return cosine * truth + (1 - cosine**2) ** 0.5 * noise / np.linalg.norm(noise)


def one_set(counts, rng):
    """Rows, qualities, which are impostors, and the true direction."""
    good, poor, impostors = counts
    truth, stranger = unit_rows(rng.standard_normal((2, 512)))
    rows = [near(truth, GOOD, rng) for _ in range(good)]
    rows += [near(truth, POOR, rng) for _ in range(poor)]
    rows += [near(stranger, GOOD, rng) for _ in range(impostors)]
    quality = np.array([1.0] * good + [POOR_QUALITY] * poor + [1.0] * impostors)
    return np.array(rows), quality, np.arange(len(rows)) >= good + poor, truth


def simulate(counts):
    """Mean cosine of mean, quality mean and robust centre to the truth; impostors found, others lost."""
    rng = np.random.default_rng(7)
    told = []
    for _ in range(TRIALS):
        rows, quality, stranger, truth = one_set(counts, rng)
        keep = keep_of(rows)
        plain, weighted = unit_rows(np.array([rows.sum(0), quality @ rows])) @ truth
        robust = robust_center(rows, quality, keep)[0] @ truth
        found = (~keep[stranger]).mean() if stranger.any() else 1.0
        told.append((plain, weighted, robust, found, (~keep[~stranger]).mean()))
    return np.mean(told, axis=0)


@pytest.mark.parametrize("name", SETS)
def test_the_simulated_table_of_the_spec(name):
    counts, wanted = SETS[name]
    plain, weighted, robust, found, lost = simulate(counts)
    # the simulation was fitted to the spec's two means, so these agree to 0.004; the robust column
    # and the losses then follow
    assert (plain, weighted) == pytest.approx(wanted[:2], abs=0.004)
    assert robust == pytest.approx(wanted[2], abs=0.008)
    assert robust >= weighted - 0.001
    assert found == 1.0
    assert lost < 0.10


def test_the_limit_is_a_share_of_the_median_agreement():
    # cosines of four vectors in a plane: three close together, one at an angle
    def fan(*degrees):
        angles = np.radians(degrees)
        return np.stack([np.cos(angles), np.sin(angles)], 1)

    faces = fan(0, 2, 4, 60)
    agreement = agreement_of(faces)
    assert agreement[3] == pytest.approx(np.cos(np.radians(58)))
    assert agreement[1] == pytest.approx(np.cos(np.radians(2)))  # to 0, 4 and 60: the middle one
    ratio = agreement[3] / np.median(agreement)
    assert keep_of(faces, ratio - 1e-6).all()
    assert list(keep_of(faces, ratio + 1e-6)) == [True, True, True, False]
    assert list(keep_of(faces, LIMIT)) == [True, True, True, ratio >= LIMIT]


def test_of_two_faces_nobody_can_tell_the_impostor():
    apart = np.eye(512)[:2]
    assert keep_of(apart).all()
    assert keep_of(apart[:1]).all()
    assert list(agreement_of(apart[:1])) == [0.0]


def test_where_fewer_than_two_would_be_left_all_are_kept():
    rng = np.random.default_rng(0)
    strangers = unit_rows(rng.standard_normal((3, 512)))
    # whatever the chance, a limit of 1 or more leaves at most the best pair
    assert keep_of(strangers, 50.0).all() or keep_of(strangers, 50.0).sum() >= 2


def test_equal_faces_give_their_own_direction_whatever_their_quality():
    face = unit_rows(np.random.default_rng(1).standard_normal((1, 512)))
    center, weights = robust_center(
        np.repeat(face, 4, 0), np.array([1, 0.5, 0.25, 0.25]), np.ones(4, bool)
    )
    assert center == pytest.approx(face[0], abs=1e-12)
    assert weights == pytest.approx([0.5, 0.25, 0.125, 0.125])


def test_the_center_turns_with_the_faces_and_does_not_mind_their_order():
    rng = np.random.default_rng(2)
    rows, quality, _, _ = one_set((4, 2, 0), rng)
    keep = np.array([True, True, True, False, True, True])
    center, weights = robust_center(rows, quality, keep)
    turn = np.linalg.qr(rng.standard_normal((512, 512)))[0]
    turned, same = robust_center(rows @ turn, quality, keep)
    assert turned == pytest.approx(center @ turn, abs=1e-9)
    assert same == pytest.approx(weights, abs=1e-9)
    order = [5, 3, 0, 1, 4, 2]
    assert robust_center(rows[order], quality[order], keep[order])[0] == pytest.approx(center)
    assert weights[3] == 0
    assert weights.sum() == pytest.approx(1)
    assert np.linalg.norm(center) == pytest.approx(1)


def test_a_face_that_stands_off_counts_less_than_its_quality():
    rng = np.random.default_rng(3)
    rows, quality, _, _ = one_set((5, 1, 0), rng)
    weights = robust_center(rows, np.ones(6), np.ones(6, bool))[1]
    assert weights[5] < 0.75 * weights[:5].min()
    assert (robust_center(rows, quality, np.ones(6, bool))[1][5]) < weights[5]


def test_the_weights_are_those_of_the_formula_at_their_own_center():
    """20 steps are enough: the last one changes nothing that is seen."""
    rng = np.random.default_rng(4)
    rows, quality, _, _ = one_set((5, 2, 0), rng)
    center, weights = robust_center(rows, quality, np.ones(7, bool))
    angles = np.arccos(rows @ center)
    formula = quality / (1 + (angles / (1.5 * np.median(angles))) ** 2)
    assert weights == pytest.approx(formula / formula.sum(), abs=1e-6)


def test_leaving_one_out_compares_a_face_with_the_others_alone():
    rng = np.random.default_rng(5)
    rows, quality, _, _ = one_set((4, 0, 1), rng)
    left = leave_one_out(rows, quality)
    keep = np.array([True] * 4 + [False])
    assert list(keep_of(rows)) == list(keep)
    others = np.array([False, True, True, True, False])
    assert left[0] == pytest.approx(rows[0] @ robust_center(rows, quality, others)[0])
    assert left[4] == pytest.approx(rows[4] @ robust_center(rows, quality, keep)[0])
    assert left[:4].min() > 0.6 > 0.2 > abs(left[4])
    # against a centre that holds itself, each looks more alike than it is
    assert (rows[:4] @ robust_center(rows, quality, keep)[0] > left[:4]).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="at least one kept face"):
        robust_center(np.eye(3), np.ones(3), np.zeros(3, bool))
    with pytest.raises(ValueError, match="cancel out"):
        robust_center(np.array([[1.0, 0], [-1.0, 0]]), np.ones(2), np.ones(2, bool))
    with pytest.raises(ValueError, match="needs two kept faces, there is one"):
        leave_one_out(np.eye(512)[:1], np.ones(1))
