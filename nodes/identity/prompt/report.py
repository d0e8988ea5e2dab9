"""The report of Close-Up Prompt: the fields, where each is from, and the conflicts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .phrases import FIELDS, NOT_SAID, SENTENCES, TAGS, Preset
from .setting import HAND, Choice
from .vary import GRID

if TYPE_CHECKING:
    from .prompt import Item

CLIP_BLOCK = 75  # tokens that CLIP reads at a time
# CLIP's own tokens for each word and point, in the middle of 512 prompts of the presets (1.08 to 1.19 of nine in ten).
TOKENS = 1.14


def report_of(
    items: Sequence[Item],
    choices: Mapping[str, Choice],
    lists: Mapping[str, Sequence[str]],
    preset: Preset,
    *,
    format: str,
    combine: str,
    extra: str,
) -> list[str]:
    """The lines of the report on a set of prompts."""
    about = f": {preset.about}" if preset.about else ""
    return [
        _headline(items, lists, format, combine),
        f"Preset {preset.name!r}{about}",
        *_describe_fields(choices, lists),
        *_remarks(items),
        *_length(items, format, extra),
    ]


def _headline(
    items: Sequence[Item], lists: Mapping[str, Sequence[str]], format: str, combine: str
) -> str:
    if not lists:
        return f"1 prompt, in {format}."
    if combine == GRID:
        sizes = " x ".join(f"{len(values)} {name}" for name, values in lists.items())
        order = ", the last changes fastest" if len(lists) > 1 else ""
    else:
        sizes = f"{', '.join(lists)} row by row"
        order = ", shorter lists repeat their last" if len(lists) > 1 else ""
    return f"{len(items)} prompt{'s' if len(items) > 1 else ''}, in {format}: {sizes}{order}."


def _describe_fields(
    choices: Mapping[str, Choice], lists: Mapping[str, Sequence[str]]
) -> list[str]:
    lines = []
    for name in ("region", "age", *FIELDS[1:]):
        choice = choices[name]
        value = NOT_SAID if (name, choice.value) == ("age", "0") else choice.value
        if name in lists:
            ignored = f", {name} {value!r} by hand is not used" if choice.source == HAND else ""
            lines.append(f"  {name}: {', '.join(lists[name])} (varied{ignored})")
            continue
        note = " (the frame is filled; no word of it)" if (name, value) == ("background", "absent") else ""  # fmt: skip
        lines.append(f"  {name}: {value}{note} [{choice.source}]")
    return lines


def _remarks(items: Sequence[Item]) -> list[str]:
    lines = []
    quiet = list(dict.fromkeys(name for item in items for name in item.left_out))
    if quiet:
        lines.append(f"Left out of the preset, because it is not seen: {', '.join(quiet)}.")
    found = list(dict.fromkeys(text for item in items for text in item.conflicts))
    if not found:
        return [*lines, "No conflicts."]
    lines.append("Conflicts:")
    for text in found:
        number = sum(text in item.conflicts for item in items)
        lines.append(f"  - {text}" + (f" In {number} of {len(items)}." if number < len(items) else ""))  # fmt: skip
    return lines


def _length(items: Sequence[Item], format: str, extra: str) -> list[str]:
    """How long the longest prompt is, for encoders that read in blocks."""
    plain = [re.sub(r"[()]|:[\d.]+(?=\))", "", item.prompt) for item in items]
    words = max(len(text.split()) for text in plain)
    lines = ["extra and subject stand as you typed them: brackets in them are emphasis."] if format == TAGS and extra else []  # fmt: skip
    if format == SENTENCES:
        return [*lines, f"Length: {words} words at most."]
    tokens = round(TOKENS * max(len(re.findall(r"\w+|[^\w\s]", text)) for text in plain))
    blocks = -(-tokens // CLIP_BLOCK)
    return [
        *lines,
        f"Length: {words} words at most, about {tokens} CLIP tokens: {blocks} block{'s' if blocks > 1 else ''} "
        f"of {CLIP_BLOCK}. What must count most stands first.",
    ]
