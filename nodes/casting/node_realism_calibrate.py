"""Realism Calibrate, as ComfyUI sees it."""

import json
from datetime import date

from ..framing.detect.files import state_of
from ..framing.find import FOLDER_KINDS
from ..host import io, model_folders, pack_version, progress, save_folder
from .listed import listed, single
from .realism.calibrate import calibrate
from .realism.corridor import ENOUGH, FEWEST
from .realism.plot import draw_corridor
from .realism.skin import COMMON_PX
from .realism.store import EXISTING, FOLDER, check_file_name, save_corridor

MOST_SOCKETS = 32


class RealismCalibrate(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        photo = io.Image.Input(
            "photo", optional=True, tooltip="One photo, a batch, or a list of photos."
        )
        return io.Schema(
            node_id="LoupeRealismCalibrate",
            display_name="Realism Calibrate",
            category="Loupe/casting",
            description="Your own photos of real people become the corridor that Cast Sheet measures skin against. "
            "Only statistics are saved, no picture.",
            search_aliases=["skin realism", "calibrate score", "reference photos", "corridor"],
            inputs=[
                io.Autogrow.Input(
                    "photos",
                    template=io.Autogrow.TemplatePrefix(
                        input=photo, prefix="photo", min=0, max=MOST_SOCKETS
                    ),
                    tooltip=f"Of real people, untouched. {FEWEST} faces at least, {ENOUGH} or more to rely on; each "
                    f"{COMMON_PX:.0f} px tall or more.",
                ),
                io.String.Input(
                    "name",
                    default="my corridor",
                    tooltip=f"A bare name; the file lies in models/{FOLDER}.",
                ),
                io.Combo.Input(
                    "existing",
                    options=list(EXISTING),
                    default=EXISTING[0],
                    tooltip="keep both: a number is added to the name. replace: only a file that is a corridor itself.",
                ),
            ],
            outputs=[
                io.String.Output("corridor", tooltip="Its name, as Cast Sheet takes it."),
                io.Image.Output("plot", tooltip="Every face a dot in every figure."),
                io.String.Output("report", tooltip="What was measured, and how far to rely on it."),
                io.String.Output("json", tooltip="The file's contents: statistics alone."),
            ],
            is_input_list=True,
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_) -> str:
        """A face model that was put there since is used."""
        return state_of([folder for kind in FOLDER_KINDS for folder in model_folders(kind)])

    @classmethod
    def execute(cls, photos=None, name=None, existing=None) -> io.NodeOutput:
        file_name = check_file_name(single(name, "my corridor"), "name")
        made = calibrate(
            [one for socket in listed(photos).values() for one in socket],
            name=file_name.removesuffix(".json"),
            folders={kind: model_folders(kind) for kind in FOLDER_KINDS},
            created=date.today().isoformat(),
            tool=f"portrait-loupe {pack_version()}".strip(),
            progress=progress,
        )
        path, note = save_corridor(
            made.corridor, file_name, saving_folder(), single(existing, EXISTING[0])
        )
        report = f"{note}\n{made.report}"
        return io.NodeOutput(
            path.stem,
            draw_corridor(made.corridor, made.rows),
            report,
            json.dumps(made.corridor.as_json(), allow_nan=False),
            ui={"loupe_report": [report]},
        )


def saving_folder():
    """Where corridors are saved: with the models, or in the output folder where no host names one."""
    named = model_folders(FOLDER)
    return named[0] if named else save_folder() / FOLDER
