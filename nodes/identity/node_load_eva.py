"""Load EVA CLIP, as ComfyUI sees it."""

from dataclasses import replace

from ..host import io, model_folders, model_hooks
from ..offered_files import check_choice, state_of_choice
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
        return check_choice(file, _found, f"models/{KINDS[0]}")

    @classmethod
    def fingerprint_inputs(cls, file=None) -> str:
        """A file that has changed is read again."""
        return state_of_choice(file, _found)

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        eva = read_eva(_found(file), file)
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


def _found(file):
    """The file that was chosen; ValueError says what to do where there is none."""
    if file == NONE_YET:
        raise ValueError(
            f"there is no EVA-CLIP file in models/{', models/'.join(KINDS)} yet: put EVA02_CLIP_L_336_psz14_s6B.pt there, "
            "from QuanSun/EVA-CLIP on Hugging Face"
        )
    return find_eva(file, eva_folders())
