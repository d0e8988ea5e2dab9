"""Save Identity, as ComfyUI sees it."""

from ..host import io, model_folders, save_folder
from .profile import Identity
from .report import NO_CONSENT
from .store import EXISTING, FOLDER, save_identity


def saving_folder():
    """Where identities are saved: with the models, or in the output folder where no host names one."""
    named = model_folders(FOLDER)
    return named[0] if named else save_folder() / FOLDER


class SaveIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeSaveIdentity",
            display_name="Save Identity",
            category="Loupe/identity",
            description=f"Saves an identity as models/{FOLDER}/<name>.safetensors, whole or not at all. Never a pickle.",
            search_aliases=["save face", "save embedding", "identity file", "face model"],
            inputs=[
                io.Custom("LOUPE_IDENTITY").Input("identity", tooltip="Of Identity Profile."),
                io.String.Input(
                    "file_name",
                    default="my identity",
                    tooltip=f"A bare name; the file lies in models/{FOLDER}.",
                ),
                io.Combo.Input(
                    "existing",
                    options=list(EXISTING),
                    default=EXISTING[0],
                    tooltip="keep both: a number is added to the name. replace: only a file that is an identity itself.",
                ),
            ],
            outputs=[
                io.Custom("LOUPE_IDENTITY").Output("identity", tooltip="As it came."),
                io.String.Output("file", tooltip="The file's name, as Load Identity takes it."),
                io.String.Output("report", tooltip="What was saved."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, identity, file_name="my identity", existing=EXISTING[0]) -> io.NodeOutput:
        if not isinstance(identity, Identity):
            raise ValueError(
                f"identity must come from Identity Profile or Load Identity, got {type(identity).__name__}"
            )
        path, note = save_identity(identity, file_name, saving_folder(), existing)
        report = note if identity.consent.strip() else f"{note}\n{NO_CONSENT}"
        return io.NodeOutput(identity, path.name, report, ui={"loupe_report": [report]})
