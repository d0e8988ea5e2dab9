"""Where references lie among an attention's keys, and the main picture among its queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spans:
    """One attention call."""

    keys: int
    """How many there are when the attention runs."""
    first: int
    """The first key of the first reference; the others follow."""
    counts: tuple[int, ...]
    """Keys of each reference."""
    main: tuple[int, int]
    """First query of the main picture, and one past its last."""


def patched_spans(text: int, queries: int, keys: int, counts: Sequence[int], main: int) -> Spans:
    """[text | picture | references] as an ``attn1_patch`` sees it.

    ComfyUI's FluxKVCache takes the references out of the queries once it has kept their keys, and
    appends those as the last: before this patch or after it, so that ``keys`` may not have them yet.

    Parameters
    ----------
    text, queries : int
        The host's ``img_slice``: where the picture's tokens begin, and how many queries there are.
    keys : int
        As they are now.
    counts : sequence of int
        Tokens of each reference, as the host publishes them.
    main : int
        Tokens of the main picture.
    """
    total = sum(counts)
    cached = queries - text < main + total
    first = queries if cached else queries - total
    return Spans(max(keys, first + total), first, tuple(counts), (first - main, first))


def last_spans(queries: int, keys: int, counts: Sequence[int], main: int) -> Spans:
    """[text | picture | references] as the attention sees it: counted from the last key."""
    total = sum(counts)
    end = queries if keys > queries else queries - total
    return Spans(keys, keys - total, tuple(counts), (end - main, end))


def omni_spans(queries: int, keys: int, counts: Sequence[int], main: int, padded: int) -> Spans:
    """[captions | siglip | references | picture], or [references | picture] in the refiner.

    ``counts`` and ``padded`` hold the tokens that fill each picture up.
    """
    return Spans(
        keys,
        keys - padded - sum(counts),
        tuple(counts),
        (queries - padded, queries - padded + main),
    )
