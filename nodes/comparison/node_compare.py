"""Compare, as ComfyUI sees it."""

from ..host import io
from .layout import FREE, LARGEST, PLATES, SMALLEST, plate_size
from .panels import MOST, gather
from .plate import make_plate
from .regions import PLATE_REGIONS


class Compare(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        panel = io.MultiType.Input(
            "panel",
            [io.Image, io.Custom("LOUPE_PANEL")],
            tooltip="A picture, a batch, or a Compare Panel.",
        )
        return io.Schema(
            node_id="LoupeCompare",
            display_name="Compare",
            category="Loupe/comparison",
            description="The same region of 2 to 16 faces side by side at the same scale, each panel cut from its "
            "source in one honest resample: exact area, linear light, nothing sharpened.",
            search_aliases=["image compare", "side by side", "xy plot", "grid", "extreme crop"],
            inputs=[
                io.Autogrow.Input(
                    "panels",
                    template=io.Autogrow.TemplatePrefix(
                        input=panel, prefix="panel", min=1, max=MOST
                    ),
                    tooltip="2 to 16 entries; every picture of a batch is one.",
                ),
                io.Custom("LOUPE_FACES").Input(
                    "faces",
                    optional=True,
                    tooltip="For panels that are bare pictures. Without it each is searched for its face.",
                ),
                io.Combo.Input(
                    "region",
                    options=list(PLATE_REGIONS),
                    default="eyes",
                    tooltip="Left and right are the picture's.",
                ),
                io.Combo.Input(
                    "plate", options=[*PLATES, FREE], default="4:5 1080x1350", tooltip="Size in px."
                ),
                io.Int.Input(
                    "width",
                    default=1600,
                    min=SMALLEST,
                    max=LARGEST,
                    tooltip="Of a free plate, px.",
                ),
                io.Int.Input(
                    "height",
                    default=1200,
                    min=SMALLEST,
                    max=LARGEST,
                    tooltip="Of a free plate, px.",
                ),
                io.String.Input(
                    "title", default="", tooltip="Above the panels. Empty: the region's name."
                ),
                io.String.Input(
                    "labels",
                    default="",
                    multiline=True,
                    tooltip="A line for each panel. An empty line keeps the panel's own label.",
                ),
            ],
            outputs=[
                io.Image.Output("plate"),
                io.Image.Output("panels", tooltip="The panels alone, as a batch of equal size."),
                io.String.Output(
                    "report", tooltip="Zoom and face size of every panel, and how it was sampled."
                ),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls, panels, region, plate, width, height, title, labels, faces=None
    ) -> io.NodeOutput:
        entries = gather(panels, faces, labels)
        made = make_plate(entries, region, plate_size(plate, width, height), title)
        return io.NodeOutput(
            made.picture, made.panels, made.report, ui={"loupe_report": [made.report]}
        )
