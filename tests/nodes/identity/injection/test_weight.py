import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.identity.injection.mask import check_mask
from portrait_loupe.nodes.identity.injection.schedule import Schedule
from portrait_loupe.nodes.identity.injection.weight import Place, Weight, prominence_factor

SHARES = (0.30, 0.12, 0.06, 0.03, 0.01)
TABLE = {  # specs/identity.md 2.3: a weight of 0.8, by the face's share of the canvas
    "off": (0.80, 0.80, 0.80, 0.80, 0.80),
    "follow": (0.80, 0.80, 0.63, 0.49, 0.34),
    "compensate": (0.68, 0.80, 1.02, 1.28, 1.28),
}
FIRST = Place(0, 11)


@pytest.mark.parametrize("mode", TABLE)
def test_prominence_is_the_published_table(mode):
    weights = [round(0.8 * prominence_factor(share, mode), 2) for share in SHARES]
    assert weights == list(TABLE[mode])


def test_a_smaller_face_never_gets_less_by_compensating_nor_more_by_following():
    shares = [0.001 * 1.01**step for step in range(694)]  # to 0.998
    compensated = [prominence_factor(share, "compensate") for share in shares]
    followed = [prominence_factor(share, "follow") for share in shares]
    assert compensated == sorted(compensated, reverse=True)
    assert followed == sorted(followed)
    assert (compensated[0], compensated[-1]) == (1.6, 0.8)
    assert (followed[0], followed[-1]) == (0.25, 1.0)


def test_prominence_off_asks_for_no_face():
    assert prominence_factor(0.0, "off") == 1


@pytest.mark.parametrize(
    ("share", "mode", "words"),
    [
        (0.0, "follow", "above 0 and at most 1, got 0"),
        (1.2, "compensate", "above 0"),
        (float("nan"), "follow", "above 0"),
        (0.1, "on", "one of off, follow, compensate"),
    ],
)
def test_what_is_no_prominence_is_refused(share, mode, words):
    with pytest.raises(ValueError, match=words):
        prominence_factor(share, mode)


def test_the_weight_is_the_product_of_all_five():
    window = Schedule(0, 1, 0.5, 0).window(lambda share: 1 - share)
    mask = torch.zeros(1, 4, 4)
    mask[:, :, 2:] = 1
    weight = Weight(0.5, 1.2, window, "0:0.25, 1:1", check_mask(mask))
    product = weight.at(FIRST, 0.8, (2, 2))  # 0.2 of sampling: 0.4 of the fade
    assert_close(
        product, torch.tensor([[0, 1, 0, 1]]) * (0.5 * 1.2 * 0.4 * 0.25), atol=1e-6, rtol=0
    )
    assert weight.scale(Place(2, 11), 0.8) == 0
    assert weight.scale(Place(1, 11), 0.1) == pytest.approx(0.6)


def test_without_a_mask_the_weight_is_a_number():
    assert Weight(0.7).at(FIRST, None, (2, 2)) == 0.7
    assert not Weight(0.7).needs_sigma
    assert not Weight(0.7, schedule=Schedule().window(lambda share: 1 - share)).needs_sigma


def test_a_weight_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="must be a number"):
        Weight(float("inf"))
