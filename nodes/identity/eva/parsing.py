"""Which pixels are face and hair, by the face parser that PuLID was trained with: facexlib's BiSeNet.

facexlib is the user's to install, its network the user's to put in ``models/facexlib``. Neither is
fetched: without them there is no parser, and it is said why.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adapter_files import loaded

FILE = "parsing_bisenet.pth"
PARSER = "facexlib's BiSeNet"
CLASSES = 19
# Background, ears, earring, neck, necklace, cloth, hat; what PuLID leaves is skin, brows, eyes, glasses,
# nose, mouth, lips and hair.
NOT_FACE = (0, 7, 8, 9, 14, 15, 16, 18)
# ImageNet's, in which the parser's pictures are measured.
MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)


@torch.no_grad()
def parse_face(picture: Tensor, folders: Sequence[Path]) -> Tensor | str:
    """Face and hair in a picture.

    Parameters
    ----------
    picture : Tensor, (1, 3, 512, 512), sRGB 0..1
        Aligned as facexlib aligns.
    folders : sequence of Path
        Where ``parsing_bisenet.pth`` may lie.

    Returns
    -------
    Tensor, bool, (512, 512)
        True in face and hair; or, a str, why there is no parser.
    """
    path = next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
    if path is None:
        return f"{FILE} is not in models/facexlib"
    network = _network(path)
    if isinstance(network, str):
        return network
    mean, spread = (picture.new_tensor(three)[:, None, None] for three in (MEAN, SPREAD))
    scores = network((picture - mean) / spread)[0][0]
    if not bool(scores.isfinite().all()):
        return f"{FILE} is damaged: download it again"
    named = scores.argmax(0)
    return ~torch.isin(named, named.new_tensor(NOT_FACE))


def _network(path: Path) -> Any:
    """The parser, or why there is none."""
    try:
        from facexlib.parsing.bisenet import BiSeNet
    except ModuleNotFoundError as error:
        lacking = (error.name or "facexlib").split(".")[0]
        return f"{lacking} is not installed (pip install {lacking}), which {FILE} is read with"
    except Exception as error:  # it imports numba and OpenCV, and they whatever they trip over
        return f"facexlib cannot be imported ({_first_line(error)})"
    network = BiSeNet(num_class=CLASSES)
    try:
        network.load_state_dict(loaded(path))
    except (ValueError, RuntimeError, OSError, TypeError, AttributeError):
        return f"{FILE} is damaged or another network: download it again"
    return network.eval()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
