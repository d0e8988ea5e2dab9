import pytest

from portrait_loupe.nodes.identity.references.settings import REFERENCE_TOKENS, Settings


def test_what_is_out_of_range_is_refused_by_name():
    with pytest.raises(ValueError, match="weight must be a number from 0 to 8, got 9"):
        Settings(weight=9.0)
    with pytest.raises(ValueError, match="start and end must be shares of sampling"):
        Settings(start=0.7, end=0.2)
    with pytest.raises(ValueError, match=r"fade in 0.7 and fade out 0.7"):
        Settings(fade_in=0.7, fade_out=0.7)


def test_the_reference_point_of_size_is_1024_px_at_16_px_a_token():
    side = 1024 // 16
    assert side**2 == REFERENCE_TOKENS
