"""Prominence, as ComfyUI sees it."""

import json

from ..host import io, progress
from .plan import MODELS
from .prominence import as_json, measure, most_prominent, report


class Prominence(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeProminence",
            display_name="Prominence",
            category="Loupe/framing",
            description="Measures how prominent each face is: its size, the detail that it really holds, pose, "
            "light and cut-off, with units, and says which crop would make it large enough.",
            search_aliases=["face quality", "face size", "sharpness", "blur", "inter-ocular", "ofiq"],
            inputs=[
                io.Image.Input("image", tooltip="The pictures that the faces were found in."),
                io.Custom("LOUPE_FACES").Input("faces", tooltip="Of Find Faces."),
                io.Combo.Input(
                    "model",
                    options=list(MODELS),
                    default="SDXL",
                    tooltip="For which the advice predicts what a crop would give.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    "score",
                    tooltip="0 to 100, to put faces in order; of the most prominent face of the first picture "
                    "that shows one, like the next four.",
                ),
                io.Float.Output(
                    "iod_px", tooltip="Pixels between the pupils, corrected for a known yaw."
                ),
                io.Float.Output(
                    "iod_eff_px", tooltip="The same in pixels that hold detail: less where it is blurred."
                ),
                io.Float.Output(
                    "area_share", tooltip="Share of the picture that the face covers, 0 to 1."
                ),
                io.Float.Output(
                    "ofiq_iod", tooltip="The distance between the eyes on OFIQ's scale, 0 to 100."
                ),
                io.String.Output("report", tooltip="Every face, most prominent first, and advice."),
                io.String.Output("json", tooltip="All figures of every face, units in the names."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, image, faces, model) -> io.NodeOutput:
        measured = measure(image, faces, progress=progress)
        first = most_prominent(measured)
        words = report(measured, faces.backend, model)
        return io.NodeOutput(
            first.score,
            first.iod_px,
            first.iod_eff_px,
            first.area_share,
            first.ofiq_iod,
            words,
            json.dumps(as_json(measured), allow_nan=False),
            ui={"loupe_report": [words]},
        )
