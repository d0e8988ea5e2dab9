"""In plain words: which references are read by which weight, where and when."""

from __future__ import annotations

from .apply import Weighed
from .settings import REFERENCE_TOKENS, Settings


def weighed_words(weighed: Weighed, settings: Settings) -> str:
    """What was done, line by line."""
    family, count = weighed.found.family, len(weighed.references)
    lines = [f"{family.name}: {count} reference{'s' if count > 1 else ''}"]
    lines += [_reference(weighed, settings, i) for i in range(count)]
    if not weighed.acts:
        lines.append("nothing is weighed: the model is as it was")
        return "\n".join(lines)
    lines += _where(weighed)
    schedule = settings.schedule
    if schedule.start > 0 or schedule.end < 1 or schedule.fade_in + schedule.fade_out:
        fades = ""
        if schedule.fade_in + schedule.fade_out:
            fades = (
                f", coming over {100 * schedule.fade_in:g} % and going over {100 * schedule.fade_out:g} %, the "
                "logarithm of the weight in a straight line"
            )
        lines.append(
            f"when: from {100 * schedule.start:g} % to {100 * schedule.end:g} % of sampling{fades}"
        )
    else:
        lines.append("when: all of sampling")
    if weighed.several:
        lines.append(
            "the conditioning's entries have different numbers of references; in each the first is weighed as "
            "reference 1, the second as 2"
        )
    if family.besides:
        lines.append(family.besides)
    if weighed.found.own_forward:
        lines.append(
            f"the model runs another pack's {weighed.found.own_forward}: whether its attention can be told is seen "
            "while sampling, and the log says so where it cannot"
        )
    return "\n".join(lines)


def _reference(weighed: Weighed, settings: Settings, index: int) -> str:
    picture = weighed.references[index]
    rows, columns = picture.grid
    frames = "" if picture.frames == 1 else f" x {picture.frames}"
    line = f"reference {index + 1}: {columns} x {rows}{frames} tokens, weight {weighed.weights.of(index):g}"
    if settings.size_invariant:
        line += f" x {REFERENCE_TOKENS} / {picture.tokens} = {weighed.odds(index, settings):.3g}"
    shares = weighed.reference_shares
    if shares:
        share = shares[index if len(shares) > 1 else 0]
        line += f", within its region, {100 * share:.1f} % of it"
    return line


def _where(weighed: Weighed) -> list[str]:
    if weighed.region_share is None:
        return []
    return [
        f"where: for the region of the new picture, {100 * weighed.region_share:.1f} % of it; the prompt's and the "
        "references' own tokens read as before"
    ]
