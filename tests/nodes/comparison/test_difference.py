import math

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.texture import lab
from portrait_loupe.nodes.comparison.difference import difference_map, heat


@pytest.fixture(scope="module")
def panel(astronaut):
    return astronaut[0, 20:240, 110:350]


def test_identical_panels_differ_nowhere(panel):
    found = difference_map(panel, panel.clone())
    assert found.ncc == 1.0
    assert found.shift_px == (0.0, 0.0)
    assert found.mean_delta_e == 0.0
    assert found.reason is None
    assert torch.equal(found.picture, heat(torch.zeros(220, 240)))


def test_a_patch_of_known_difference_shows_as_that_much_heat_and_nothing_else(panel):
    other = panel.clone()
    other[100:120, 60:90] *= 0.9
    found = difference_map(panel, other)
    sides = [lab(one.movedim(-1, 0)[None])[0] for one in (panel, other)]
    want = torch.linalg.vector_norm(sides[0] - sides[1], dim=0)
    assert_close(found.picture, heat(want), atol=1 / 255, rtol=0)
    assert found.mean_delta_e == pytest.approx(float(want.mean()), rel=1e-4)
    assert torch.equal(found.picture[:90], heat(torch.zeros(90, 240)))


def test_a_shifted_panel_is_put_back_first(astronaut, panel):
    moved = astronaut[0, 18:238, 113:353]  # 2 rows further up, 3 columns further right
    found = difference_map(panel, moved)
    assert found.reason is None
    assert found.shift_px == (-3.0, 2.0)
    assert found.mean_delta_e == 0.0
    # beyond the other panel's border nothing is compared, and it says so in gray
    assert torch.equal(found.picture[:218, 3:], heat(torch.zeros(218, 237)))
    for strip in (found.picture[218:], found.picture[:, :3]):
        assert torch.equal(strip[..., 0], strip[..., 2])
        assert float(strip.min()) > 0.1


def test_other_people_are_refused_with_a_reason(panel, hopper):
    found = difference_map(panel, hopper[0, 60:280, 130:370])
    assert found.mean_delta_e is None
    assert found.reason.startswith(
        f"not registered: NCC {found.ncc:.2f} after alignment, 0.9 is needed"
    )
    assert "pose or expression" in found.reason
    assert torch.equal(found.picture[..., 0], found.picture[..., 2])  # gray, no heat
    assert float(found.picture.min()) > 0.1
    assert float(found.picture.max()) < 0.6
    stripes = found.picture[..., 0] - 0.24 * (panel * torch.tensor([0.2126, 0.7152, 0.0722])).sum(
        -1
    )
    assert_close(stripes[0, 8:16] - stripes[0, :8], torch.full((8,), 0.06), atol=1e-4, rtol=0)


def test_the_bound_is_0_9_exactly_where_the_reason_says(panel):
    torch.manual_seed(3)
    noise = torch.randn(220, 240, 1)
    alike = difference_map(panel, (panel + 0.08 * noise).clamp(0, 1))
    unlike = difference_map(panel, (panel + 0.25 * noise).clamp(0, 1))
    assert alike.ncc > 0.9
    assert alike.reason is None
    assert unlike.ncc < 0.9
    assert unlike.reason is not None


@pytest.mark.parametrize("tones", [(0.0, 0.0), (0.5, 0.5), (0.2, 0.7), (1.0, 0.0)], ids=str)
def test_panels_of_one_tone_do_no_harm(tones):
    a, b = (torch.full((30, 40, 3), tone) for tone in tones)
    found = difference_map(a, b)
    assert bool(torch.isfinite(found.picture).all())
    if tones[0] == tones[1]:
        assert found.mean_delta_e == 0.0
    else:
        assert found.reason == "not registered: a panel is of one tone"
        assert found.ncc is None


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 50)], ids=str)
def test_tiny_panels_do_no_harm(size):
    torch.manual_seed(1)
    found = difference_map(torch.rand(*size, 3), torch.rand(*size, 3))
    assert found.picture.shape == (*size, 3)
    assert bool(torch.isfinite(found.picture).all())


def test_heat_rises_evenly_and_ends_at_20():
    scale = heat(torch.linspace(0, 20, 64)[None])
    tone = lab(scale.movedim(-1, 0)[None])[0, 0, 0]
    assert float(tone[0]) < 1
    assert float(tone[-1]) > 95
    steps = tone.diff()
    assert bool((steps > 0).all())
    assert float(steps.max() / steps.mean()) < 1.6  # even to the eye: no jump that is none
    assert torch.equal(heat(torch.tensor([[90.0]])), heat(torch.tensor([[20.0]])))


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (torch.zeros(4, 4, 3), torch.zeros(4, 5, 3), "4x4 and 5x4"),
        (torch.zeros(1, 4, 4, 3), torch.zeros(1, 4, 4, 3), "first must be a panel"),
        (torch.zeros(4, 4, 3), torch.full((4, 4, 3), math.inf), "second must be finite"),
    ],
)
def test_what_is_no_pair_of_panels_is_refused(a, b, words):
    with pytest.raises(ValueError, match=words):
        difference_map(a, b)
