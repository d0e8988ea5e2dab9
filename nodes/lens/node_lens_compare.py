"""The Lens Compare node, as ComfyUI sees it."""

import json

from ..host import compute_device, io, progress
from .catalogue import DEFAULT, find_lens, lenses
from .compare import COMPARED, SHOWN, TILES_PX, entries, make_comparison
from .plan import FORMATS_MM, LEVELS, Settings, check_lens


class LensCompare(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeLensCompare",
            display_name="Lens Compare",
            category="Loupe/lens",
            description=(
                "One picture through many lenses, styles or levels, side by side with names and measured "
                "figures: choose one, and set it in Lens."
            ),
            search_aliases=["lens strip", "contact sheet", "soft focus test", "style chooser"],
            inputs=[
                io.Image.Input("image", tooltip="The picture; of a batch the first."),
                io.Combo.Input(
                    "compare", options=list(COMPARED), default=COMPARED[0],
                    tooltip="styles: ready mixtures. characters: lenses, at the level below. levels: one lens at many.",
                ),
                io.String.Input(
                    "choices", default="", multiline=True, placeholder="all",
                    tooltip="Names of styles or characters, or levels such as -1, -0.5, 0, 1; by commas or lines. Empty: all.",
                ),
                io.Combo.Input(
                    "character", options=list(lenses()), default=DEFAULT,
                    tooltip="The lens, when levels are compared.",
                ),
                io.Float.Input(
                    "level", default=-1.0, min=LEVELS[0], max=LEVELS[1], step=0.05,
                    tooltip="The level, when characters are compared.",
                ),
                io.Float.Input(
                    "format_mm", default=36.0, min=FORMATS_MM[0], max=FORMATS_MM[1], step=0.5,
                    tooltip="What the picture's long side stands for, mm, as in Lens.",
                ),
                io.Combo.Input(
                    "show", options=list(SHOWN), default=SHOWN[1],
                    tooltip="face needs faces. detail at 1:1: pixel for pixel, at the largest face or in the middle.",
                ),
                io.Int.Input(
                    "tile_px", default=384, min=TILES_PX[0], max=TILES_PX[1], step=16,
                    tooltip="The longer side of a tile, px.",
                ),
                io.Custom("LOUPE_FACES").Input(
                    "faces", optional=True, tooltip="Where the face or its detail is."
                ),
                io.Custom("LOUPE_LENS").Input(
                    "lens", optional=True, tooltip="A lens of Lens Profile, when levels are compared."
                ),
            ],
            outputs=[
                io.Image.Output("strip", tooltip="The tiles with names and figures, one picture."),
                io.String.Output("report", tooltip="A line for each entry."),
                io.String.Output("json", tooltip="Names and figures for other programs."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        image,
        compare,
        choices,
        character,
        level,
        format_mm,
        show,
        tile_px,
        faces=None,
        lens=None,
    ) -> io.NodeOutput:
        chosen = find_lens(character) if lens is None else check_lens(lens)
        wanted = entries(compare, choices, Settings(chosen, level, format_mm))
        strip = make_comparison(
            image, wanted, show, tile_px, faces=faces, device=compute_device(), progress=progress
        )
        told = [
            {"name": name, "applied": one.changes, "declined": one.declined or None, "micro_contrast": change[0], "sharpness": change[1]}
            for name, one, change in zip(strip.names, strip.renderings, strip.changes, strict=True)
        ]  # fmt: skip
        return io.NodeOutput(
            strip.picture,
            strip.report,
            json.dumps({"box": strip.box, "entries": told}),
            ui={"loupe_report": [strip.report]},
        )
