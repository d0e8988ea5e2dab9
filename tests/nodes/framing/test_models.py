import pytest

from portrait_loupe.nodes.framing.models import BUDGET_SLACK, MODELS, model_of, sizes_of


def model_sizes(model, megapixels, multiple_of):
    return sizes_of(model_of(model, megapixels, multiple_of))


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_sizes_from_portrait_to_panorama(model):
    sizes = model_sizes(model, 1, 16)
    aspects = [width / height for width, height in sizes]
    assert min(aspects) < 0.6 < 1.7 < max(aspects)
    assert any(width == height for width, height in sizes)


def test_custom_sizes_follow_the_megapixels_and_the_multiple():
    sizes = model_sizes("custom", 2.0, 32)
    assert all(width % 32 == height % 32 == 0 for width, height in sizes)
    assert all(abs(width * height / 2e6 - 1) <= BUDGET_SLACK for width, height in sizes)


@pytest.mark.parametrize(
    ("megapixels", "multiple"), [(0, 16), (1, 0), (float("nan"), 16), (1e9, 16), (float("inf"), 16)]
)
def test_custom_sizes_without_sense_are_refused(megapixels, multiple):
    with pytest.raises(ValueError, match="custom model needs megapixels above 0"):
        model_sizes("custom", megapixels, multiple)


def test_a_grid_coarser_than_the_budget_is_refused():
    with pytest.raises(ValueError, match="lower multiple_of"):
        model_sizes("custom", 0.05, 256)
