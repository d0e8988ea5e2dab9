"""Load EVA CLIP, as ComfyUI sees it."""

from dataclasses import replace

from ..host import io, model_folders, model_hooks
from .eva.files import KINDS, eva_words, find_eva, list_eva, read_eva

NONE_YET = "(none yet)"


def eva_folders():
    """Where EVA-CLIP lies, by kind."""
    return {kind: model_folders(kind) for kind in KINDS}


class LoadEvaClip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeLoadEvaClip",
            display_name="Load EVA CLIP",
            category="Loupe/identity",
            description="The picture tower of EVA02-CLIP-L-336, through which PuLID-Flux looks at a face. Needs timm.",
            search_aliases=["eva clip", "eva02", "pulid", "load eva", "pulid eva clip loader"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=list_eva(eva_folders()) or [NONE_YET],
                    tooltip=f"Files with eva in their names of models/{', models/'.join(KINDS)}; press R for files put "
                    "there since.",
                ),
            ],
            outputs=[
                io.Custom("LOUPE_EVA_CLIP").Output("eva_clip", tooltip="For Apply Identity with PuLID-Flux."),
                io.String.Output("report", tooltip="What the file is, its sizes, and what is known of it."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, file=None) -> bool | str:
        """True, or why there is no such file: ComfyUI's own list is as old as the page."""
        if file is None:  # it is linked, and not known yet
            return True
        if not isinstance(file, str):
            return f"file must be the name of a file in models/{KINDS[0]}, got {file!r}"
        if file == NONE_YET:
            return _none_yet()
        try:
            find_eva(file, eva_folders())
        except ValueError as objection:
            return str(objection)
        return True

    @classmethod
    def fingerprint_inputs(cls, file=None) -> str:
        """A file that has changed is read again."""
        try:
            found = find_eva(file or "", eva_folders())
            told = found.stat()
        except (ValueError, OSError):
            return "no file"
        return f"{found} {told.st_mtime_ns} {told.st_size}"

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        if file == NONE_YET:
            raise ValueError(_none_yet())
        eva = read_eva(find_eva(file, eva_folders()), file)
        eva = replace(eva, patcher=_patcher(eva.module))
        report = eva_words(eva)
        return io.NodeOutput(eva, report, ui={"loupe_report": [report]})


def _patcher(module):
    """A module in the host's care, or None where nobody manages memory."""
    try:
        hooks = model_hooks()
    except RuntimeError:  # no ComfyUI
        return None
    return hooks.patcher(module)


def _none_yet():
    return (
        f"there is no EVA-CLIP file in models/{', models/'.join(KINDS)} yet: put EVA02_CLIP_L_336_psz14_s6B.pt there, "
        "from QuanSun/EVA-CLIP on Hugging Face"
    )
