"""Load Identity Adapter, as ComfyUI sees it."""

from ..host import io, model_folders
from ..offered_files import check_choice, state_of_choice
from .adapter_files import KINDS, find_adapter, list_adapters, read_adapter
from .adapters.formats.registry import AUTO, VERSIONS
from .apply.report import adapter_words

NONE_YET = "(none yet)"


def adapter_folders():
    """Where adapters lie, by kind."""
    return {kind: model_folders(kind) for kind in KINDS}


class LoadIdentityAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeLoadIdentityAdapter",
            display_name="Load Identity Adapter",
            category="Loupe/identity",
            description="An adapter that carries a face into a diffusion model: IP-Adapter FaceID, Plus, Plus V2 and "
            "Portrait, InstantID, PuLID-Flux. What a file is, is read from its tensors.",
            search_aliases=["ipadapter", "faceid", "instantid", "pulid", "load ip-adapter", "face adapter"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=list_adapters(adapter_folders()) or [NONE_YET],
                    tooltip=f"Of models/{', models/'.join(KINDS)}; press R for files put there since.",
                ),
                io.Combo.Input(
                    "version",
                    options=list(VERSIONS),
                    default=AUTO,
                    advanced=True,
                    tooltip="Two pairs of formats share a layout: auto goes by the file's name.",
                ),
            ],
            outputs=[
                io.Custom("LOUPE_IDENTITY_ADAPTER").Output("adapter", tooltip="For Apply Identity."),
                io.String.Output("report", tooltip="What it is, what it needs, and how that was told."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, file=None) -> bool | str:
        """True, or why there is no such file: ComfyUI's own list is as old as the page."""
        return check_choice(file, _found, f"models/{KINDS[0]}")

    @classmethod
    def fingerprint_inputs(cls, file=None, version=AUTO) -> str:
        """A file that has changed is read again."""
        return state_of_choice(file, _found, version)

    @classmethod
    def execute(cls, file, version=AUTO) -> io.NodeOutput:
        adapter = read_adapter(_found(file), file, version)
        report = adapter_words(adapter)
        return io.NodeOutput(adapter, report, ui={"loupe_report": [report]})


def _found(file):
    """The file that was chosen; ValueError says what to do where there is none."""
    if file == NONE_YET:
        raise ValueError(
            f"there is no adapter in models/{', models/'.join(KINDS)} yet: put one there, such as "
            "ip-adapter-faceid-plusv2_sdxl.bin"
        )
    return find_adapter(file, adapter_folders())
