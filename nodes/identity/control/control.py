"""InstantID's ControlNet onto conditioning."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from torch import Tensor

from ...framing.faces import Faces
from ...framing.plan import CropPlan
from ..adapters.adapter import Adapter
from ..adapters.inputs import Tokens
from ..apply.looks import Eyes, tokens_of
from ..apply.settings import Settings
from ..injection.mask import check_mask
from ..profile import Identity
from .link import IdentityControl
from .points import DISC, apart, draw_points, points_of, size_of

FORMAT = "InstantID"
MOST_STRENGTH = 2.0
SMALL = 4 * DISC  # px between the pupils, below which discs touch each other
TRAINED = 1024  # px or so of the shorter side where the drawing was taught

Conditioning = list[list[Any]]


@dataclass(frozen=True)
class When:
    """How strongly and when the ControlNet acts. Out of range, it is refused by name."""

    strength: float = 0.8
    """0..2; 0.8 is what InstantID was published with."""
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        for name, most in (("strength", MOST_STRENGTH), ("start", 1.0), ("end", 1.0)):
            value = getattr(self, name)
            if not (isfinite(value) and 0 <= value <= most):
                raise ValueError(f"{name} must be 0 to {most:g}; got {value:g}")
        if self.start > self.end:
            raise ValueError(
                f"start must not be after end, got {self.start:g} and {self.end:g}: shares of sampling"
            )


@dataclass(frozen=True, eq=False)
class Controlled:
    """Conditioning with an identity's ControlNet on it, and what was done."""

    positive: Conditioning
    negative: Conditioning
    hint: Tensor
    """(B, H, W, 3), sRGB 0..1"""
    apart_px: float
    """Between the pupils of the smallest face in the drawings."""
    others: int
    """ControlNets that were there before, in the longest chain."""
    mask_share: float | None


def control_identity(
    positive: Conditioning,
    negative: Conditioning,
    control_net: Any,
    adapter: Adapter,
    identity: Identity,
    faces: Faces,
    when: When,
    *,
    plan: CropPlan | None = None,
    size: tuple[int, int] = (0, 0),
    mask: Tensor | None = None,
    noise: float = 0.0,
) -> Controlled:
    """Copies of both conditionings whose last ControlNet is InstantID's.

    Parameters
    ----------
    positive, negative : CONDITIONING
        Not changed. ControlNets that are there stay, and are told what they were told.
    control_net : CONTROL_NET
    adapter : Adapter
        InstantID.
    identity : Identity
    faces : Faces
        Where and how the face stands.
    when : When
    plan : CropPlan, optional
        The new pictures are its crops.
    size : (width, height), pixels
        Of the new pictures; zeros: the plan's, or that of ``faces``.
    mask : Tensor, (B, H, W), 0..1, optional
        Where it acts; it is stretched over the picture.
    noise : float, 0..1
        As of Apply Identity.

    Raises
    ------
    ValueError
        Something does not fit: each says what and what helps.
    """
    if adapter.format != FORMAT:
        raise ValueError(
            f"this is the other half of InstantID, and {adapter.format} ({adapter.file}) has none: Apply Identity is all "
            "that it takes. Load InstantID's ip-adapter.bin"
        )
    check_width(control_net, adapter)
    where = None if mask is None else check_mask(mask)
    points, (width, height) = points_of(faces, plan, size_of(*size))
    hint = draw_points(points, (width, height))
    tokens = tokens_of(adapter, identity, Settings(noise=noise), Eyes()).tokens
    told = (positive, negative)
    others = max((chain_length(entry[1].get("control")) for one in told for entry in one), default=0)  # fmt: skip
    if when.strength and (where is None or where.any()):
        told = linked(told, control_net, tokens, hint, when, where)
    return Controlled(
        positive=told[0],
        negative=told[1],
        hint=hint,
        apart_px=min(apart(one) for one in points),
        others=others,
        mask_share=None if where is None else float(where.mean()),
    )


def check_width(control_net: Any, adapter: Adapter) -> None:
    """ValueError where a ControlNet's cross-attention is seen to take tokens of another width."""
    network: Any = getattr(control_net, "control_model", None)
    modules = network.named_modules() if hasattr(network, "named_modules") else ()
    layer = next((part for name, part in modules if name.endswith("attn2.to_k")), None)
    if layer is None:
        return
    width = int(layer.weight.shape[1])
    if width != adapter.width:
        raise ValueError(
            f"the ControlNet takes tokens of {width} numbers, {adapter.format} ({adapter.file}) makes them of "
            f"{adapter.width}: load InstantID's own ControlNet, which is for {adapter.base}"
        )


def linked(
    told: tuple[Conditioning, ...],
    control_net: Any,
    tokens: Tokens,
    hint: Tensor,
    when: When,
    mask: Tensor | None,
) -> tuple[Conditioning, ...]:
    """A link after each chain that is there; one for all that share it, so that they run in one batch."""
    links: dict[int, IdentityControl] = {}

    def link_after(previous: Any) -> IdentityControl:
        if id(previous) not in links:
            control = control_net.copy().set_cond_hint(
                hint.movedim(-1, 1), when.strength, (when.start, when.end)
            )
            link = IdentityControl(control, tokens, mask)
            links[id(previous)] = link.set_previous_controlnet(previous)
        return links[id(previous)]

    def entry_of(entry: list[Any]) -> list[Any]:
        control = link_after(entry[1].get("control"))
        return [entry[0], {**entry[1], "control": control, "control_apply_to_uncond": False}]

    return tuple([entry_of(entry) for entry in one] for one in told)


def chain_length(control: Any) -> int:
    """How many ControlNets a chain has."""
    length = 0
    while control is not None:
        control, length = getattr(control, "previous_controlnet", None), length + 1
    return length


def controlled_words(
    done: Controlled, adapter: Adapter, identity: Identity, faces: Faces, when: When
) -> str:
    """What the ControlNet is shown and told, and what to know of it."""
    pictures, height, width, _ = done.hint.shape
    many = f"{pictures} drawings" if pictures > 1 else "a drawing"
    lines = [
        f"{identity.name}'s {adapter.tokens} tokens of {adapter.format} ({adapter.file}), "
        f"{identity.of(adapter.encoder).label}: the ControlNet is told these in place of the prompt",
        f"it is shown {many} of five points in {width}x{height} px, {done.apart_px:.0f} px between the pupils; faces by "
        f"{faces.backend}",
    ]
    nowhere = "strength" if not when.strength else "mask" if done.mask_share == 0 else ""
    if nowhere:
        lines.append(f"it acts nowhere ({nowhere} is 0): the conditioning is as it was")
    else:
        lines.append(
            f"strength {when.strength:g}, from {100 * when.start:g} % to {100 * when.end:g} % of sampling"
        )
    if done.mask_share is not None:
        lines.append(f"where: within the mask, {100 * done.mask_share:.1f} % of the picture")
    if done.others and not nowhere:
        lines.append(f"ControlNets before it, which keep the prompt: {done.others}")
    if done.apart_px < SMALL:
        lines.append(
            f"the points touch each other at {done.apart_px:.0f} px between the pupils, for they do not shrink with the face: "
            "plan a closer crop (Plan Crop)"
        )
    if min(width, height) < TRAINED // 2:
        lines.append(
            f"the drawing is small: InstantID was taught on pictures of {TRAINED} px and more"
        )
    return "\n".join(lines)
