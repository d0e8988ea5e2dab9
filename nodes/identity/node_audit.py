"""Identity Audit, as ComfyUI sees it."""

import json

from ..framing.models import MODELS
from ..framing.regions import SHOTS
from ..host import io, model_folders
from .audit.audit import Asked, audit, report
from .audit.scene import NO_SHOT, SIDES
from .audit.terms import FOLDER, read_lexicon
from .own_files import state_of


class IdentityAudit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeIdentityAudit",
            display_name="Identity Audit",
            category="Loupe/identity",
            description="Before sampling: how much of a face's identity the planned picture and its prompt will "
            "dilute, in plain words with what to change, and whether a second pass on the face is the only cure.",
            search_aliases=["face likeness", "prompt check", "small face", "face detailer", "identity risk"],
            inputs=[
                io.String.Input(
                    "prompt", default="", multiline=True, tooltip="The positive prompt, with its emphasis."
                ),
                io.Combo.Input(
                    "shot",
                    options=[NO_SHOT, *SHOTS],
                    default=NO_SHOT,
                    tooltip="How much of the person the picture shows. Counts where neither plan nor faces is linked.",
                ),
                io.Int.Input("width", default=1024, min=SIDES[0], max=SIDES[1], tooltip="Of the picture to be generated, px."),
                io.Int.Input("height", default=1024, min=SIDES[0], max=SIDES[1], tooltip="Of the picture to be generated, px."),
                io.Combo.Input(
                    "model",
                    options=list(MODELS),
                    default="SDXL",
                    tooltip="For the size of the second pass's crop, for cfg, and whether emphasis reaches it.",
                ),
                io.Float.Input(
                    "focal_mm",
                    default=0.0,
                    min=0.0,
                    max=2000.0,
                    step=1.0,
                    tooltip="Of the camera: 35 mm equivalent, by the diagonal. 0: unknown.",
                ),
                io.Float.Input(
                    "distance_m", default=0.0, min=0.0, max=1000.0, step=0.05, tooltip="From the camera to the face, m. 0: unknown."
                ),
                io.Float.Input("cfg", default=0.0, min=0.0, max=100.0, step=0.1, tooltip="CFG, of Flux its guidance. 0: unknown."),
                io.Float.Input(
                    "denoise", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="Of the sampler; counts where image is linked. 1: the whole picture is new."
                ),
                io.Image.Input("image", optional=True, tooltip="The picture to be edited, with its faces."),
                io.Custom("LOUPE_FACES").Input("faces", optional=True, tooltip="Of Find Faces, in that picture."),
                io.Custom("LOUPE_CROP_PLAN").Input(
                    "plan", optional=True, tooltip="Of Plan Crop, where the model sees a crop."
                ),
                io.Custom("LOUPE_IDENTITY").Input(
                    "identity", optional=True, tooltip="Of Identity Profile or Load Identity."
                ),
                io.String.Input("terms", optional=True, force_input=True, tooltip="Of Close-Up Prompt."),
            ],
            outputs=[
                io.Float.Output("risk", tooltip="0 to 100; to compare plans, not calibrated."),
                io.String.Output("report", tooltip="Every cause, the worst first, with what to change."),
                io.Boolean.Output("second_pass", tooltip="Whether the face is planned below 128 px."),
                io.Custom("LOUPE_CROP_PLAN").Output(
                    "plan", tooltip="For the second pass; the linked one where it shows the face large enough."
                ),
                io.String.Output("json", tooltip="Every figure, units in the names."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, **_) -> str:
        """Own files that have changed are read again."""
        return state_of(model_folders(FOLDER))

    @classmethod
    def execute(
        cls, prompt, shot, width, height, model, focal_mm, distance_m, cfg, denoise,
        image=None, faces=None, plan=None, identity=None, terms=None,
    ) -> io.NodeOutput:  # fmt: skip
        asked = Asked(
            prompt, "" if shot == NO_SHOT else shot, (width, height), model,
            focal_mm, distance_m, cfg, denoise,
        )  # fmt: skip
        found = audit(
            asked, image=image, faces=faces, crop_plan=plan, identity=identity, terms=terms or "",
            lexicon=read_lexicon(model_folders(FOLDER)),
        )  # fmt: skip
        words = report(found)
        return io.NodeOutput(
            found.risk, words, found.second.needed, found.second.plan, json.dumps(found.as_json(), indent=2),
            ui={"loupe_report": [words]},
        )  # fmt: skip
