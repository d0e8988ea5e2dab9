"""A PSF as a sum of separable terms: what the quick backends are made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

# A Gaussian is cut at 4 sigma: 6e-5 of its light lies beyond, and is given back by normalising.
REACH_SIGMAS = 4.0


@dataclass(frozen=True, eq=False)
class Terms:
    """A PSF for each channel, ``delta`` at its centre plus separable terms.

    ``psf[c] = delta[c] * (1 at the centre) + sum over r of outer(columns[c, r], rows[c, r])``

    Attributes
    ----------
    delta : Tensor, (C,), float64 on the CPU
        What is left of the picture itself. C of 1 serves all channels of a picture.
    columns, rows : Tensor, (C, R, K), float64 on the CPU, K odd, R from 0
        Vertical and horizontal taps, centred on ``K // 2``.

    Raises
    ------
    ValueError
        Another shape or dtype, or values that are NaN or infinite.
    """

    delta: Tensor
    columns: Tensor
    rows: Tensor

    def __post_init__(self) -> None:
        channels = self.delta.shape[0] if self.delta.ndim == 1 else 0
        shape = self.columns.shape
        if (
            channels == 0
            or len(shape) != 3
            or shape[0] != channels
            or shape[2] % 2 == 0
            or self.rows.shape != shape
        ):
            raise ValueError(
                "terms must have delta (C,), columns and rows (C, R, K) with K odd, got "
                f"{_shape(self.delta)}, {_shape(self.columns)} and {_shape(self.rows)}"
            )
        for name, part in (("delta", self.delta), ("columns", self.columns), ("rows", self.rows)):
            if part.dtype != torch.float64 or part.device.type != "cpu":
                raise ValueError(
                    f"{name} must be float64 on the CPU, got {part.dtype} on {part.device}: "
                    ".double().cpu()"
                )
            if not torch.isfinite(part).all():
                raise ValueError(f"{name} must be finite, it holds NaN or infinite values")

    @property
    def channels(self) -> int:
        """C, how many PSFs."""
        return self.delta.shape[0]

    @property
    def rank(self) -> int:
        """R, how many separable terms each PSF has."""
        return self.columns.shape[1]

    @property
    def gain(self) -> Tensor:
        """What becomes of a flat field of 1: (C,)."""
        return self.delta + (self.columns.sum(-1) * self.rows.sum(-1)).sum(-1)

    @property
    def reach(self) -> int:
        """How many pixels a point of light spreads to each side: taps of 0 at the ends do not count."""
        return max(reach_of(self.columns), reach_of(self.rows))

    def dense(self) -> Tensor:
        """The PSFs as samples, (C, K, K)."""
        psf = torch.einsum("crk,crl->ckl", self.columns, self.rows)
        centre = psf.shape[-1] // 2
        psf[:, centre, centre] += self.delta
        return psf


def reach_of(taps: Tensor) -> int:
    """How far from the centre the last tap that is not 0 lies, (..., K) -> px."""
    side = taps.shape[-1]
    used = taps.reshape(-1, side).ne(0).any(0).nonzero()
    return 0 if len(used) == 0 else int((used - side // 2).abs().max())


def terms_of_gaussians(
    delta: float, weights: Sequence[float], sigmas_px: Sequence[float], channels: int = 1
) -> Terms:
    """``delta + sum of weights[i] * G(sigmas_px[i])``, each Gaussian with a sum of 1.

    Parameters
    ----------
    delta : float
        What is left of the picture itself.
    weights : sequence of float
        May be negative. The DC gain is ``delta + sum(weights)``.
    sigmas_px : sequence of float, pixels, at least 0
        Sampled at pixel centres, cut at ``REACH_SIGMAS`` sigma. A sigma of 0 is the picture itself.
    channels : int
        The same PSF for each; 1 serves all channels of a picture.

    Returns
    -------
    Terms

    Raises
    ------
    ValueError
        Weights and sigmas differ in number, or one is negative, NaN or infinite.
    """
    if len(weights) != len(sigmas_px):
        raise ValueError(
            f"each Gaussian needs a weight and a sigma, got {len(weights)} weights "
            f"and {len(sigmas_px)} sigmas"
        )
    if not all(0 <= sigma < float("inf") for sigma in sigmas_px):
        raise ValueError(f"sigmas_px must be finite and not negative, got {list(sigmas_px)}")
    reach = max((ceil(REACH_SIGMAS * sigma) for sigma in sigmas_px), default=0)
    position = torch.arange(-reach, reach + 1, dtype=torch.float64)
    rows = torch.zeros(len(sigmas_px), 2 * reach + 1, dtype=torch.float64)
    for row, sigma in zip(rows, sigmas_px, strict=True):
        inside = position.abs() <= ceil(REACH_SIGMAS * sigma)
        row[inside] = torch.exp(-0.5 * (position[inside] / max(sigma, 1e-9)) ** 2)
        row /= row.sum()
    columns = rows * torch.tensor(list(weights), dtype=torch.float64)[:, None]
    return Terms(
        torch.full((channels,), delta, dtype=torch.float64),
        columns.expand(channels, -1, -1).contiguous(),
        rows.expand(channels, -1, -1).contiguous(),
    )


def terms_of_psf(psf: Tensor, tolerance: float = 1e-3, most: int = 8) -> Terms | None:
    """The fewest separable terms that stand for a PSF.

    Signed singular values, once of the PSF and once of the PSF without what its centre sample
    has above its surroundings (a clear core in a veil). What is left over is given to ``delta``
    as far as its sum goes, so that the DC gain is the PSF's own.

    Parameters
    ----------
    psf : Tensor, (K, K) or (C, K, K), floating point, K odd
    tolerance : float
        How far the transfer function (OTF) may be off at any frequency, in parts of its largest value.
    most : int
        More terms than this are not tried.

    Returns
    -------
    Terms or None
        None where ``most`` terms are not enough.

    References
    ----------
    .. [1] Treitel and Shanks, The design of multistage separable planar filters,
       IEEE Trans. Geosci. Electron. 9, 1971.
    """
    dense = psf.detach().to("cpu", torch.float64)
    dense = dense if dense.ndim == 3 else dense[None]
    channels, side, _ = dense.shape
    largest = _otf(dense).abs().amax((-2, -1))
    splits = [_split(dense[channel]) for channel in range(channels)]
    for rank in range(min(most, side) + 1):
        found = [
            min(
                (_truncated(dense[channel], split, rank) for split in splits[channel]),
                key=lambda part: part[0],
            )
            for channel in range(channels)
        ]
        if all(part[0] <= tolerance * top for part, top in zip(found, largest, strict=True)):
            return Terms(
                torch.stack([part[1] for part in found]),
                torch.stack([part[2] for part in found]),
                torch.stack([part[3] for part in found]),
            )
    return None


def _split(psf: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The (columns, rows) of a (K, K) PSF, best term first: of all of it, and of it without its core."""
    cores = [psf.new_zeros(())]
    if len(psf) > 1:
        cores.append(_core(psf))
    centre = len(psf) // 2
    ways = []
    for core in cores:
        rest = psf.clone()
        rest[centre, centre] -= core
        left, strength, right = torch.linalg.svd(rest)
        root = strength.sqrt()
        ways.append(((left * root).T, right * root[:, None]))
    return ways


def _core(psf: Tensor) -> Tensor:
    """What the centre sample has above the separable terms that explain all the others.

    If psf = terms + core at the centre, the samples outside the centre's row and column fix the
    terms, and these the centre: m_cc = m_c: pinv(M') m_:c (Schur complement).
    """
    centre = len(psf) // 2
    others = torch.arange(len(psf)) != centre
    inner = psf[others][:, others]
    guess = psf[centre, others] @ torch.linalg.pinv(inner, rtol=1e-6) @ psf[others, centre]
    return psf[centre, centre] - guess


def _truncated(
    psf: Tensor, way: tuple[Tensor, Tensor], rank: int
) -> tuple[float, Tensor, Tensor, Tensor]:
    """The first ``rank`` terms of one way: (OTF error, delta, columns, rows)."""
    columns, rows = way[0][:rank], way[1][:rank]
    error = psf - columns.T @ rows
    delta = error.sum()  # the core, and what the terms left out lack in brightness
    centre = len(psf) // 2
    error[centre, centre] -= delta
    return float(_otf(error).abs().max()), delta, columns, rows


def _otf(psf: Tensor) -> Tensor:
    """Transfer function on a grid twice as fine as the samples ask for: maxima are not missed."""
    side = 2 * psf.shape[-1]
    return torch.fft.rfft2(psf, s=(side, side))


def _shape(part: Tensor) -> str:
    return "x".join(map(str, part.shape)) or "a single number"
