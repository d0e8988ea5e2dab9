"""The Lens node, as ComfyUI sees it."""

from ..host import io, progress
from .catalogue import DEFAULT, find_lens, lenses
from .render import FORMATS_MM, LEVELS, render


class Lens(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeLens",
            display_name="Lens",
            category="Loupe/lens",
            description=(
                "Shows the picture as a lens would have drawn it: a soft-focus portrait lens with a "
                "sharp core and a glow, a fast double Gauss, or a perfect lens that only diffraction "
                "limits. The blur is calculated from the lens's wavefront, in linear light, so "
                "highlights bloom and no edge gets a halo."
            ),
            search_aliases=[
                "soft focus", "bokeh", "psf", "point spread function", "lens blur", "glow", "dreamy",
                "portrait lens", "micro-contrast", "mtf", "vintage lens",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The picture or batch of pictures, sRGB as usual."),
                io.Combo.Input(
                    "character", options=list(lenses()), default=DEFAULT,
                    tooltip="The lens. Plausible values, not measurements of a maker's product.",
                ),
                io.Float.Input(
                    "level", default=-1.0, min=LEVELS[0], max=LEVELS[1], step=0.05,
                    tooltip="0 leaves the picture as it is, -1 is the lens in full; between them both are "
                    "mixed, as two exposures on one film. Positive values will be added later.",
                ),
                io.Float.Input(
                    "format_mm", default=36.0, min=FORMATS_MM[0], max=FORMATS_MM[1], step=0.5,
                    tooltip="The length on film or sensor that the picture's long side stands for, in mm; "
                    "36 is full frame. Smaller makes the lens's character larger.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image"),
                io.String.Output(
                    display_name="report",
                    tooltip="What the lens does at this size, in pixels and contrast, and advice.",
                ),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, image, character, level, format_mm) -> io.NodeOutput:
        picture, rendering = render(
            image, find_lens(character), level, format_mm, progress=progress
        )
        report = rendering.report()
        return io.NodeOutput(picture, report, ui={"loupe_report": [report]})
