"""Letters for every script that this machine can write.

Each run of a text takes the first font that has it: the user's, DejaVu Sans, which matplotlib brings
and which looks the same everywhere, then the system's. What no font has is named, never silent.

Files, each of which knows only those above it:
- clusters    text in letters as a reader sees them, and in one line
- fonts       a font file opened at a size, and what is in it
- choice      which font draws which letters
- user_font   the user's own font, found by its name
- bidi        the order of a line read in two directions; letters joined where Pillow cannot
- draw        the runs of a line, its width, its drawing
- missing     what a line cannot show, in words
"""

from __future__ import annotations

from .choice import BOX
from .clusters import clusters, one_line
from .draw import Anchor, band, draw_line, length, runs
from .fonts import font
from .missing import missing, missing_letters
from .user_font import find_font

__all__ = [
    "BOX",
    "Anchor",
    "band",
    "clusters",
    "draw_line",
    "find_font",
    "font",
    "length",
    "missing",
    "missing_letters",
    "one_line",
    "runs",
]
