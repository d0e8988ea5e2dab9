"""Load Identity, as ComfyUI sees it."""

import json

from ..host import io, model_folders, save_folder
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
        if file is None:  # it is linked, and not known yet
            return True
        if not isinstance(file, str):
            return f"file must be the name of a file in models/{FOLDER}, got {file!r}"
        try:
            find_identity(file, loading_folders())
        except ValueError as objection:
            return _none_yet() if file == NONE_YET else str(objection)
        return True

    @classmethod
    def fingerprint_inputs(cls, file=None) -> str:
        """A file that has changed is read again."""
        try:
            found = find_identity(file or "", loading_folders())
            told = found.stat()
        except (ValueError, OSError):
            return "no file"
        return f"{found} {told.st_mtime_ns} {told.st_size}"

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        if file == NONE_YET:
            raise ValueError(_none_yet())
        path = find_identity(file, loading_folders())
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


def _none_yet():
    return f"there is no identity in models/{FOLDER} yet: save one with Save Identity"
