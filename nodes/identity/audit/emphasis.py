"""How strongly a prompt says each of its words, in ComfyUI's notation.

``(x)`` is said 1.1 times as strongly as what surrounds it, ``(x:1.3)`` with 1.3 whatever surrounds
it, and ``\\(`` is a bracket to be read. Brackets that do not pair are tolerated as ComfyUI does it;
the tests compare with ComfyUI's own reader.
"""

from __future__ import annotations

from dataclasses import dataclass

STEP = 1.1  # of a pair of brackets without a number
# ComfyUI hands these models' encoders the prompt as it stands (its tokenizers set disable_weights).
IGNORED_BY = frozenset({"Flux.2", "Qwen-Image", "Z-Image"})


@dataclass(frozen=True)
class Segment:
    """A stretch of a prompt that is said with one emphasis."""

    text: str
    """Without the brackets and numbers of the notation."""
    emphasis: float
    """1 is plain. As ComfyUI reads it: below 0, infinite and NaN are possible."""


def read_emphasis(prompt: str) -> tuple[Segment, ...]:
    """The stretches of a prompt and the emphasis of each, in order.

    Parameters
    ----------
    prompt : str

    Returns
    -------
    tuple of Segment
        Together they hold every letter of the prompt that is not notation.

    Notes
    -----
    A bracket that is never closed is text. Only where the last letter of its stretch is a closing
    bracket, ComfyUI takes that one for its end, whatever it closes. A closing bracket too many is
    text, and makes the next opening one text.
    """
    openings, ends, closings = _brackets(prompt)
    found: list[Segment] = []
    waiting = [(0, len(prompt), 1.0)]  # stretches still to be read, the next one last
    while waiting:
        start, end, emphasis = waiting.pop()
        while openings and openings[-1] < start:
            openings.pop()
        if not openings or openings[-1] >= end:
            _add(found, prompt[start:end], emphasis)
            continue
        opening = openings.pop()
        _add(found, prompt[start:opening], emphasis)
        last = ends[opening]
        if last >= end:  # not closed within this stretch
            last = end - 1
            if last not in closings:
                _add(found, prompt[opening:end], emphasis)
                continue
        waiting.append((last + 1, end, emphasis))
        waiting.append(_inside(prompt, opening + 1, last, emphasis))
    return tuple(found)


def _brackets(prompt: str) -> tuple[list[int], dict[int, int], set[int]]:
    """Where groups open, the last first; where each is closed; and where closing brackets stand.

    What is never closed ends beyond the prompt.
    """
    ends: dict[int, int] = {}
    closings: set[int] = set()
    unclosed: list[int] = []
    too_many, at = 0, 0
    while at < len(prompt):
        letter = prompt[at]
        if letter == "\\" and prompt[at + 1 : at + 2] in ("(", ")"):
            at += 1  # the bracket is a letter
        elif letter == "(" and too_many:
            too_many -= 1
        elif letter == "(":
            ends[at] = len(prompt)
            unclosed.append(at)
        elif letter == ")":
            closings.add(at)
            if unclosed:
                ends[unclosed.pop()] = at
            else:
                too_many += 1
        at += 1
    return sorted(ends, reverse=True), ends, closings


def _inside(prompt: str, start: int, end: int, emphasis: float) -> tuple[int, int, float]:
    """What stands in a pair of brackets without its number, and its emphasis."""
    colon = prompt.rfind(":", start, end)
    if colon > start:  # nothing but a number is no number
        try:
            return start, colon, float(prompt[colon + 1 : end])
        except ValueError:
            pass
    return start, end, emphasis * STEP


def _add(found: list[Segment], text: str, emphasis: float) -> None:
    if text:
        found.append(Segment(text.replace("\\(", "(").replace("\\)", ")"), emphasis))
