"""Align Faces, as ComfyUI sees it."""

import json

from ..host import io, progress
from .align import LARGEST, MAX_YAW_DEG, MOST, REGIONS, SMALLEST, align, gather


class AlignFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        picture = io.Image.Input("image", tooltip="A picture, or a batch. Sizes may differ.")
        return io.Schema(
            node_id="LoupeAlignFaces",
            display_name="Align Faces",
            category="Loupe/framing",
            description="The same region of several pictures of a face, the eyes level and in one place, each "
            "sampled once from its picture. Says how well they fit, and refuses heads turned too far apart.",
            search_aliases=["align", "register", "before after", "flicker compare", "same crop"],
            inputs=[
                io.Autogrow.Input(
                    "images",
                    template=io.Autogrow.TemplatePrefix(
                        input=picture, prefix="image", min=1, max=MOST
                    ),
                    tooltip="2 to 16 pictures; every picture of a batch is one. The first is the measure.",
                ),
                io.Custom("LOUPE_FACES").Input(
                    "faces",
                    optional=True,
                    tooltip="Of Find Faces, for pictures of one size. Without it each is searched.",
                ),
                io.Combo.Input(
                    "region",
                    options=list(REGIONS),
                    default="CU close-up",
                    tooltip="Left and right are the picture's. Only what all pictures hold is shown.",
                ),
                io.Int.Input(
                    "size",
                    default=1024,
                    min=SMALLEST,
                    max=LARGEST,
                    tooltip="Longer side of the aligned pictures, px.",
                ),
                io.Float.Input(
                    "max_yaw_deg",
                    default=MAX_YAW_DEG,
                    min=0.0,
                    max=45.0,
                    step=1.0,
                    tooltip="Heads turned further apart are refused, degrees. Known only where landmarks are.",
                ),
            ],
            outputs=[
                io.Image.Output("aligned", tooltip="A batch, all of one size."),
                io.String.Output("report", tooltip="Scale, roll, yaw and misfit of every picture."),
                io.String.Output(
                    "json", tooltip="The same figures, and the 2x3 matrices between panel and px."
                ),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, images, region, size, max_yaw_deg, faces=None) -> io.NodeOutput:
        pictures, found = gather(images, faces, progress)
        made = align(pictures, found, region, size, max_yaw_deg=max_yaw_deg, progress=progress)
        return io.NodeOutput(
            made.panels,
            made.report,
            json.dumps(made.as_json()),
            ui={"loupe_report": [made.report]},
        )
