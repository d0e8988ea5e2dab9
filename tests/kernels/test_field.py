import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.convolve import convolve, convolve_field, field
from portrait_loupe.kernels.convolve.border import mirror


def gaussian(sigma: float, side: int) -> torch.Tensor:
    x = torch.arange(side, dtype=torch.float64) - side // 2
    taps = torch.exp(-0.5 * (x / sigma) ** 2)
    return torch.outer(taps, taps) / taps.sum() ** 2


def grid(rows: int, columns: int, channels: int = 1, side: int = 7) -> torch.Tensor:
    """Nodes that all differ, and look different from every side."""
    torch.manual_seed(rows * 10 + columns)
    psfs = torch.rand(rows, columns, channels, side, side, dtype=torch.float64)
    return psfs / psfs.sum((-2, -1), keepdim=True)


def by_definition(image: torch.Tensor, psfs: torch.Tensor) -> torch.Tensor:
    """Each pixel's own blend of PSFs, laid over its surroundings."""
    rows, columns, _, side, _ = psfs.shape
    _, _, height, width = image.shape
    padded = mirror(image.double(), side // 2)
    patches = padded.unfold(2, side, 1).unfold(3, side, 1)

    def shares(length, nodes):
        place = (torch.arange(length, dtype=torch.float64) + 0.5) / length * max(nodes - 1, 0)
        return (1 - (place[:, None] - torch.arange(nodes)).abs()).clamp(min=0)

    weights = torch.einsum(
        "yr,xc,rcnkl->nyxkl", shares(height, rows), shares(width, columns), psfs.flip(-2, -1)
    )
    return (patches * weights).sum((-2, -1))


@pytest.mark.parametrize("nodes", [(1, 1), (2, 2), (3, 4), (1, 5), (4, 1)], ids=str)
@pytest.mark.parametrize("shape", [(1, 3, 24, 31), (2, 1, 5, 40), (1, 1, 1, 1)], ids=str)
def test_every_pixel_sees_the_blend_of_its_four_nodes(nodes, shape):
    image, psfs = torch.rand(shape), grid(*nodes, channels=shape[1])
    got = convolve_field(image, psfs)
    assert_close(got.double(), by_definition(image, psfs), atol=1e-6, rtol=0)


def test_more_nodes_than_pixels():
    image, psfs = torch.rand(1, 1, 3, 4), grid(6, 9)
    assert_close(
        convolve_field(image, psfs).double(), by_definition(image, psfs), atol=1e-6, rtol=0
    )


def test_a_large_cell_is_cut_into_tiles_that_do_not_show(monkeypatch):
    image, psfs = torch.rand(1, 1, 90, 120), grid(2, 3)
    whole = convolve_field(image, psfs)
    monkeypatch.setattr(field, "_TILE_SAMPLES", 900)
    assert_close(convolve_field(image, psfs), whole, atol=1e-6, rtol=0)  # R9


def test_a_flat_field_stays_flat():
    grey = torch.full((1, 3, 41, 53), 0.37)
    got = convolve_field(grey, grid(4, 3, side=9).float())
    assert_close(got, grey, atol=1e-6, rtol=0)  # R2


def test_nodes_may_let_different_amounts_of_light_through():
    psfs = grid(2, 3) * torch.tensor([[1.0, 0.5, 0.2], [0.4, 1.0, 0.9]])[..., None, None, None]
    image = torch.rand(1, 1, 30, 35)
    got = convolve_field(image, psfs)
    assert_close(got.double(), by_definition(image, psfs), atol=1e-6, rtol=0)


def test_equal_nodes_are_plain_convolution():
    image, psf = torch.rand(1, 3, 40, 37), grid(1, 1)[0, 0, 0]
    got = convolve_field(image, psf.expand(3, 4, 1, 7, 7))
    assert_close(got, convolve(image, psf), atol=1e-6, rtol=0)


def test_no_seam_shows_between_cells():
    """A smooth picture and PSFs from sharp to very soft: what would show is a step from cell to cell."""
    y, x = torch.arange(96)[:, None], torch.arange(128)
    smooth = (0.5 + 0.4 * torch.sin(x / 11.0) * torch.cos(y / 9.0)).float()[None, None]
    sigmas = torch.tensor([[0.3, 3.0, 0.5], [4.0, 0.4, 2.0], [1.0, 4.0, 0.3]])
    psfs = torch.stack([torch.stack([gaussian(float(s), 25)[None] for s in row]) for row in sigmas])
    change = 255 * (convolve_field(smooth, psfs) - smooth)[0, 0]
    change = change[15:-15, 15:-15]  # a mirrored border has a crease of its own
    # R9: half a code value; the second difference is what a seam has and a gradient has not
    kink = torch.cat([change.diff(n=2, dim=0).flatten(), change.diff(n=2, dim=1).flatten()])
    assert kink.abs().max() <= 0.5
    assert change.abs().max() > 5  # there was something to see


def test_the_corners_have_their_own_psf():
    """Two columns of nodes, light at either side: sharp on the left, soft on the right."""
    sky = torch.zeros(1, 1, 9, 200, dtype=torch.float64)
    sky[..., 4, 10] = sky[..., 4, 190] = 1.0
    point = torch.zeros(9, 9, dtype=torch.float64)
    point[4, 4] = 1.0
    psfs = torch.stack([point, gaussian(2.0, 9)])[None, :, None]
    seen = convolve_field(sky, psfs)[0, 0, 4]
    assert seen[10] > 0.94
    assert seen[190] < 0.1


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_precisions_and_strides(dtype):
    image, psfs = torch.rand(1, 20, 33, 3).to(dtype).movedim(-1, 1), grid(2, 2)
    got = convolve_field(image, psfs)
    assert got.dtype == dtype
    eps = torch.finfo(dtype).eps
    assert_close(got.double(), by_definition(image, psfs), atol=eps + 1e-9, rtol=0)


@pytest.mark.parametrize(
    ("psfs", "message"),
    [
        (torch.ones(2, 2, 3, 3), "got 2x2x3x3"),
        (torch.ones(2, 2, 1, 4, 4), "K odd .* got 2x2x1x4x4"),
        (torch.ones(2, 2, 2, 3, 3), "1 channel or the picture's 3, got 2"),
        (torch.ones(0, 2, 1, 3, 3), "at least one node"),
        (torch.full((1, 1, 1, 3, 3), torch.inf), "finite"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_what_cannot_be_is_refused(psfs, message):
    with pytest.raises(ValueError, match=message):
        convolve_field(torch.zeros(1, 3, 8, 8), psfs)


def test_a_picture_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="got 8x8 of"):
        convolve_field(torch.zeros(8, 8), grid(1, 1))
