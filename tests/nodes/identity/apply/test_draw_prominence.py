import pytest
import torch

from portrait_loupe.nodes.identity.apply.draw_prominence import MARK, draw_prominence, x_of, y_of
from portrait_loupe.nodes.identity.injection.weight import MODES, prominence_factor

BRIGHT = torch.tensor(MARK) / 255


def marked(picture, x, y, reach=2):
    """Whether the mark's colour is at a place, pixels."""
    x, y = round(x), round(y)
    patch = picture[0, y - reach : y + reach + 1, x - reach : x + reach + 1]
    return bool(((patch - BRIGHT).abs().amax(-1) < 0.05).any())


@pytest.mark.parametrize("mode", MODES)
def test_the_curve_in_use_is_the_bright_one_where_its_factor_is(mode):
    picture = draw_prominence(mode, None)
    assert picture.shape[0] == 1
    assert picture.shape[-1] == 3
    assert 0 <= picture.min() <= picture.max() <= 1
    for share in (0.004, 0.02, 0.06, 0.4, 0.9):
        for other in MODES:
            apart = abs(
                y_of(prominence_factor(share, other)) - y_of(prominence_factor(share, mode))
            )
            if other == mode:
                assert marked(picture, x_of(share), y_of(prominence_factor(share, mode)))
            elif apart > 30:  # px, clear of the bright line and of its name
                assert not marked(picture, x_of(share), y_of(prominence_factor(share, other)))


def test_the_faces_point_lies_on_the_curve():
    for share in (0.02, 0.06, 0.5):
        bare, pointed = draw_prominence("compensate", None), draw_prominence("compensate", share)
        x, y = x_of(share), y_of(prominence_factor(share, "compensate"))
        assert marked(pointed, x, y + 5, reach=0)  # in the dot, off the line
        assert not marked(bare, x, y + 5, reach=0)


def test_a_face_off_the_axis_stands_at_its_end():
    assert x_of(1e-6) == x_of(0.003)
    assert x_of(0.003) < x_of(0.01) < x_of(0.12) < x_of(1.0) == x_of(1.0)
    assert y_of(0.0) > y_of(1.0) > y_of(1.6)
    assert draw_prominence("follow", 1e-6).isfinite().all()


def test_another_mode_is_refused():
    with pytest.raises(ValueError, match="prominence must be one of off, follow, compensate"):
        draw_prominence("more", None)
