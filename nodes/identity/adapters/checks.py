"""What is handed to a projection, checked against what the file's tensors take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .inputs import Inputs
from .layout import Sizes

ARCFACE = 512  # numbers of an embedding, whichever the encoder
EMBEDDING = "the face's embedding"
CLIP = "the hidden states of CLIP-ViT-H before its last layer"
NOBODY = f"{CLIP}, of a black picture of 224 px"
POOLED = "the pooled output of EVA02-CLIP-L-14-336"
HIDDEN = "the hidden states of EVA02-CLIP-L-14-336 before blocks 4, 8, 12, 16 and 20"
# Raw embeddings are 10 to 30 long; a normed one is 1, a mean of such less.
SHORTEST_RAW = 2.0


def checked(inputs: Inputs, called: str, needs: Sequence[str], sizes: Sizes) -> Inputs:
    """The inputs in float32 on the embedding's device, all photos in the batch.

    Embeddings are (B N, E) and states (B N, M, C), whether there was an axis of photos or not; where EVA
    is needed, photos are in the sequence instead: (B, N, E) and (B, N M, C).

    Raises
    ------
    ValueError
        Something that is needed is missing, of another size, not finite, or no raw embedding.
    """
    one = _Check(called)
    embedding = one.vector(
        inputs.embedding, "embedding", EMBEDDING, sizes.get("embedding", ARCFACE)
    )
    faces = embedding.shape[:-1]
    if "normed" in needs:
        embedding = F.normalize(embedding, dim=-1)
    if "raw" in needs:
        one.raw(embedding)
    if "eva" in needs:
        return _with_eva(inputs, one, embedding, sizes)
    plain = replace(inputs, embedding=embedding.flatten(0, -2))
    if "clip_h" not in needs:
        return plain
    width = sizes["clip"]
    seen, nobody = (
        one.states(value, name, what, width, faces).to(embedding.device)
        for value, name, what in (
            (inputs.clip, "clip", CLIP),
            (inputs.clip_negative, "clip_negative", NOBODY),
        )
    )
    return replace(plain, clip=seen, clip_negative=nobody)


def _with_eva(inputs: Inputs, one: _Check, embedding: Tensor, sizes: Sizes) -> Inputs:
    faces = embedding.shape[:-1]
    pooled = one.vector(inputs.eva_pooled, "eva_pooled", POOLED, sizes["face"] - ARCFACE)
    if pooled.shape[:-1] != faces:
        raise one.wrong(
            f"eva_pooled is of {_words(pooled.shape[:-1])}, the embedding of {_words(faces)}"
        )
    hidden, scales = inputs.eva_hidden, sizes["scales"]
    if hidden is None or isinstance(hidden, Tensor) or len(hidden) != scales:
        given = "none" if hidden is None else f"{len(hidden)}"
        raise one.wrong(f"it needs eva_hidden, {scales} tensors: {HIDDEN}. Got {given}")
    states = tuple(
        one.states(state, f"eva_hidden[{index}]", HIDDEN, sizes["eva"], faces)
        .reshape(faces[0], -1, sizes["eva"])
        .to(embedding.device)
        for index, state in enumerate(hidden)
    )
    embedding, pooled = (part.reshape(faces[0], -1, part.shape[-1]) for part in (embedding, pooled))
    return replace(
        inputs, embedding=embedding, eva_pooled=pooled.to(embedding.device), eva_hidden=states
    )


@dataclass(frozen=True)
class _Check:
    called: str
    """The adapter's name, which every message begins with."""

    def wrong(self, what: str) -> ValueError:
        return ValueError(f"{self.called}: {what}")

    def vector(self, value: Tensor | None, name: str, what: str, width: int) -> Tensor:
        """(B, width) or (B, N, width), float32."""
        return self._floats(value, name, what, (2, 3), f"(B, {width}) or (B, N, {width})", width)

    def states(
        self, value: Tensor | None, name: str, what: str, width: int, faces: Sequence[int]
    ) -> Tensor:
        """(B N, M, width), float32; those of one picture serve all."""
        lead = ", ".join(map(str, faces))
        value = self._floats(value, name, what, (3, 4), f"({lead}, tokens, {width})", width)
        if value.shape[:-2].numel() != 1 and value.shape[:-2] != torch.Size(faces):
            raise self.wrong(
                f"{name} is of {_words(value.shape[:-2])}, the embedding of {_words(faces)}"
            )
        return value.expand(*faces, *value.shape[-2:]).flatten(0, -3)

    def raw(self, embedding: Tensor) -> None:
        length = embedding.norm(dim=-1)
        short = length[(length > 0) & (length < SHORTEST_RAW)]
        if len(short):
            raise self.wrong(
                f"it needs the raw embedding, 10 to 30 long; this one is {short.min():.3g} long, as normed ones "
                "are. Multiply it by the profile's norm"
            )

    def _floats(
        self, value: Tensor | None, name: str, what: str, axes: tuple, shape: str, width: int
    ) -> Tensor:
        if value is None:
            raise self.wrong(f"it needs {name}: {what}, {shape}. None was handed in")
        if value.ndim not in axes or value.shape[-1] != width or not value.numel():
            raise self.wrong(
                f"{name} must be {what}, {shape}; got {tuple(value.shape)}. Is it of another encoder?"
            )
        if not value.isfinite().all():
            raise self.wrong(f"{name} holds values that are not numbers: make it again")
        return value.float()


def _words(faces: Sequence[int]) -> str:
    if len(faces) == 1:
        return f"{faces[0]} face{'s' if faces[0] > 1 else ''}"
    return f"{faces[0]} x {faces[1]} photos"
