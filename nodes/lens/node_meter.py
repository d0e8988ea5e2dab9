"""The Micro-Contrast Meter, as ComfyUI sees it."""

import json

from ..host import io, progress
from .measure import measure


class MicroContrastMeter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeMicroContrastMeter",
            display_name="Micro-Contrast Meter",
            category="Loupe/lens",
            description=(
                "Measures faint texture and the sharpness of edges, as multiples of a reference: what an edit, "
                "an upscaler or a lens did to the picture, and where."
            ),
            search_aliases=["mtf", "sharpness", "acutance", "texture", "measure", "sfr", "mtf50"],
            inputs=[
                io.Image.Input("image", tooltip="What is measured."),
                io.Image.Input(
                    "reference", optional=True,
                    tooltip="What it is compared with, of the same size: the picture before the edit.",
                ),
                io.Mask.Input("mask", optional=True, tooltip="Where it is measured; else everywhere."),
                io.Custom("LOUPE_FACES").Input(
                    "faces", optional=True,
                    tooltip="Adds figures at the nose, the lips, the brows and the cheeks of the largest face.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    "micro_contrast",
                    tooltip="Faint texture as a multiple of the reference's; mean of the batch; 1 without a reference.",
                ),
                io.Float.Output(
                    "sharpness",
                    tooltip="Contrast that edges keep, as a multiple of the reference's; mean of the batch; 1 without one.",
                ),
                io.Image.Output(
                    "overlay", tooltip="Orange where there is more texture than in the reference, blue where less."
                ),
                io.String.Output("report", tooltip="All figures in words."),
                io.String.Output("json", tooltip="All figures for other programs, with the curve of a straight edge."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, image, reference=None, mask=None, faces=None) -> io.NodeOutput:
        found = measure(image, reference, mask=mask, faces=faces, progress=progress)
        return io.NodeOutput(
            found.micro_contrast,
            found.sharpness,
            found.overlay,
            found.report,
            json.dumps(found.as_json()),
            ui={"loupe_report": [found.report]},
        )
