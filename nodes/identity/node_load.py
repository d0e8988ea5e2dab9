"""Load Identity, as ComfyUI sees it."""

import json

from ..host import io, model_folders, save_folder
from ..offered_files import check_choice, state_of_choice
from .report import write_report
from .sheet import draw_sheet
from .store import FOLDER, find_identity, list_identities, read_identity

NONE_YET = "(none saved yet)"


def loading_folders():
    """Where identities may lie: with the models, and in the output folder."""
    folders = list(model_folders(FOLDER))
    try:
        return [*folders, save_folder() / FOLDER]
    except RuntimeError:  # no host names an output folder
        return folders


class LoadIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        files = list_identities(loading_folders()) or [NONE_YET]
        return io.Schema(
            node_id="LoupeLoadIdentity",
            display_name="Load Identity",
            category="Loupe/identity",
            description="A saved identity. A file that is damaged, changed or of another kind is named and left alone.",
            search_aliases=["load face", "face embedding", "identity file", "face model"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files,
                    tooltip=f"Of models/{FOLDER}; press R for files saved since.",
                )
            ],
            outputs=[
                io.Custom("LOUPE_IDENTITY").Output("identity", tooltip="As it was saved."),
                io.Image.Output("sheet", tooltip="Every face with its number, quality, score and fate."),
                io.String.Output("report", tooltip="Who is in it, in plain words."),
                io.String.Output("json", tooltip="All figures. No embeddings."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, file=None) -> bool | str:
        """True, or why there is no such file: ComfyUI's own list is as old as the page."""
        return check_choice(file, _found, f"models/{FOLDER}")

    @classmethod
    def fingerprint_inputs(cls, file=None) -> str:
        """A file that has changed is read again."""
        return state_of_choice(file, _found)

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        path = _found(file)
        identity = read_identity(path)
        made = " by ".join(part for part in (identity.created, identity.tool) if part)
        report = f"{path.name}{f', made {made}' if made else ''}\n{write_report(identity)}"
        if identity.consent.strip():
            report += f"\nconsent note: {identity.consent.strip()}"
        return io.NodeOutput(
            identity,
            draw_sheet(identity),
            report,
            json.dumps(identity.as_json(), allow_nan=False),
            ui={"loupe_report": [report]},
        )


def _found(file):
    """The file that was chosen; ValueError says what to do where there is none."""
    if file == NONE_YET:
        raise ValueError(
            f"there is no identity in models/{FOLDER} yet: save one with Save Identity"
        )
    return find_identity(file, loading_folders())
