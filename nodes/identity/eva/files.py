"""EVA-CLIP files: which there are in the host's folders, and one of them as a network."""

from __future__ import annotations

from pathlib import Path

from ..adapter_files import Folders, find_file, loaded, model_files, naming
from ..encode.files import sha256_of
from .network import Eva, build_eva, timm_version
from .tower import BEFORE, WANTED, find_tower

KINDS = ("clip", "text_encoders", "clip_vision", "eva_clip")
"""The host's folders in which people keep it: the published packs look in the first."""
PUBLISHED_SHA256 = "84c3a17a228c567a155259b2245b0b59072bf7da510260a0a02ec54de6d50b05"
"""Of EVA02_CLIP_L_336_psz14_s6B.pt in QuanSun/EVA-CLIP on Hugging Face, commit 690a597."""
TRAINED_WITH = "EVA02-CLIP-L/14-336"


def list_eva(folders: Folders) -> list[str]:
    """The names ``kind/file`` of what may be an EVA-CLIP, by the file's name; nothing is opened.

    In ComfyUI two of the kinds share folders: a file is listed once.
    """
    return list(model_files(folders, _is_named_eva))


def find_eva(name: str, folders: Folders, widget: str = "file") -> Path:
    """The file of a name that the listing has.

    Raises
    ------
    ValueError
        It has not.
    """
    return find_file(
        name, folders, "an EVA-CLIP file (with eva in its name)", widget, _is_named_eva
    )


def read_eva(path: Path, name: str) -> Eva:
    """The network in a file.

    Parameters
    ----------
    path : Path
    name : str
        Of the listing, for what is said.

    Raises
    ------
    ValueError
        The file cannot be read, or holds no picture tower of EVA02-CLIP. It is left as it is.
    RuntimeError
        timm is missing, or cannot be imported.
    """
    with naming(path, name):
        return build_eva(find_tower(loaded(path)), path.name, sha256_of(path))


def eva_words(eva: Eva) -> str:
    """What a network is, and what is known of its file."""
    size = eva.sizes
    lines = [
        f"{eva.file}: {eva.what}, read through timm {timm_version()}",
        f"{size['width']} wide, {size['blocks']} blocks of {size['heads']} heads; it sees pictures of {eva.side} px in "
        f"{size['grid']} x {size['grid']} patches and says {size['pooled']} numbers of each",
        f"PuLID takes these and the states before blocks {', '.join(map(str, BEFORE))}",
    ]
    if eva.what != TRAINED_WITH:
        lines.append(f"PuLID was not trained with it. {WANTED}")
    lines.append(f"sha256 {eva.sha256}")
    if eva.sha256 == PUBLISHED_SHA256:
        lines.append("the file that its authors published, QuanSun/EVA-CLIP: MIT, as its card says")
    elif eva.what == TRAINED_WITH:
        lines.append(
            "not the authors' own file by its sha256: the same weights saved again have another. Theirs are MIT, as the "
            "card of QuanSun/EVA-CLIP says"
        )
    return "\n".join(lines)


def _is_named_eva(path: Path) -> bool:
    return "eva" in path.name.lower()
