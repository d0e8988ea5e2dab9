"""The Lens node, as ComfyUI sees it."""

import json

from ..host import compute_device, io, progress
from .catalogue import DEFAULT, find_lens, lenses
from .plan import FORMATS_MM, GAIN_LIMITS, HIGHLIGHTS, LEVELS, SOURCES_PX, Settings, check_lens
from .render import render
from .styles import NO_STYLE, find_style, styles


class Lens(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        span = LEVELS[1] - LEVELS[0]
        return io.Schema(
            node_id="LoupeLens",
            display_name="Lens",
            category="Loupe/lens",
            description=(
                "Shows the picture as a lens would have drawn it, from a glowing soft-focus lens to a "
                "perfect one, or gives micro-contrast back to a soft picture: as much as a lens can, "
                "without a halo on any edge. Calculated from the point spread function, in linear light."
            ),
            search_aliases=[
                "soft focus", "bokeh", "psf", "point spread function", "lens blur", "glow", "dreamy",
                "portrait lens", "micro-contrast", "mtf", "vintage lens", "sharpen", "clarity", "mist filter",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The picture or batch of pictures, sRGB as usual."),
                io.Combo.Input(
                    "character", options=list(lenses()), default=DEFAULT,
                    tooltip="The lens of levels below 0. Plausible values, not measurements of a maker's product.",
                ),
                io.Float.Input(
                    "level", default=-1.0, min=LEVELS[0], max=LEVELS[1], step=0.05,
                    tooltip="-1 is the lens in full, 0 the picture as it is, 1 the most contrast that a lens can give "
                    "back to this picture, without halos; up to 2 is presence: texture beyond what a lens can do.",
                ),
                io.Float.Input(
                    "format_mm", default=36.0, min=FORMATS_MM[0], max=FORMATS_MM[1], step=0.5,
                    tooltip="The length on film or sensor that the picture's long side stands for, in mm; "
                    "36 is full frame. Smaller makes the lens's character larger. For levels below 0.",
                ),
                # Optional, so that prompts saved before they existed still run.
                io.Custom("LOUPE_LENS").Input(
                    "lens", optional=True,
                    tooltip="A lens of Lens Profile. Counts before character and style.",
                ),
                io.Mask.Input(
                    "mask", optional=True, tooltip="Where the lens works; elsewhere the picture stays as it is."
                ),
                io.Custom("LOUPE_FACES").Input(
                    "faces", optional=True,
                    tooltip="For skin, eyes and hair; the blur of the source is then measured at the face.",
                ),
                io.Combo.Input(
                    "style", options=[NO_STYLE, *styles()], default=NO_STYLE, optional=True,
                    tooltip="A ready mixture of character and level, which then count instead of the widgets above; its format multiplies format_mm.",
                ),
                io.Float.Input(
                    "focus_um", default=0.0, min=-500.0, max=500.0, step=5.0, optional=True,
                    tooltip="Moves the focus, micrometres: a soft-focus lens glows more one way and is sharper the other.",
                ),
                io.Float.Input(
                    "highlights", default=0.0, min=HIGHLIGHTS[0], max=HIGHLIGHTS[1], step=0.05, optional=True,
                    tooltip="Gives light back to what is clipped, so that catch lights glow. For levels below 0.",
                ),
                io.Boolean.Input(
                    "across_frame", default=False, optional=True,
                    tooltip="Draws corners as the lens's corners: coma, swirl, colour. The picture is taken as the whole frame.",
                ),
                io.Float.Input(
                    "source_px", default=0.0, min=SOURCES_PX[0], max=SOURCES_PX[1], step=0.05, optional=True,
                    tooltip="Blur of the picture, sigma in pixels, for levels above 0. 0 measures it; set it where that fails.",
                ),
                io.Float.Input(
                    "gain_limit", default=2.0, min=GAIN_LIMITS[0], max=GAIN_LIMITS[1], step=0.1, optional=True,
                    tooltip="Most gain at any fineness, for levels above 0. 2 keeps noise down, 3 suits enlarged pictures.",
                ),
                *(
                    io.Float.Input(
                        area, default=0.0, min=-span, max=span, step=0.05, optional=True,
                        tooltip=f"Added to the level on {where}. Needs faces.",
                    )
                    for area, where in (("skin", "the skin of faces"), ("eyes", "the eyes"), ("hair", "the hair"))
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="As the lens would have drawn it."),
                io.String.Output(
                    display_name="report",
                    tooltip="What the lens does at this size, in pixels and contrast, and advice.",
                ),
                io.String.Output(display_name="json", tooltip="The same figures for other programs."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        image,
        character,
        level,
        format_mm,
        lens=None,
        mask=None,
        faces=None,
        style=NO_STYLE,
        focus_um=0.0,
        highlights=0.0,
        across_frame=False,
        source_px=0.0,
        gain_limit=2.0,
        skin=0.0,
        eyes=0.0,
        hair=0.0,
    ) -> io.NodeOutput:
        if lens is not None:
            chosen = check_lens(lens)
        elif style != NO_STYLE:
            ready = find_style(style)
            chosen, level, format_mm = ready.lens, ready.level, format_mm * ready.format_factor
        else:
            chosen = find_lens(character)
        settings = Settings(
            chosen,
            level,
            format_mm,
            focus_um=focus_um,
            highlights=highlights,
            across_frame=across_frame,
            source_px=source_px,
            gain_limit=gain_limit,
        )
        rendered = render(
            image,
            settings,
            mask=mask,
            faces=faces,
            offsets={"skin": skin, "eyes": eyes, "hair": hair},
            device=compute_device(),
            progress=progress,
        )
        return io.NodeOutput(
            rendered.picture,
            rendered.report,
            json.dumps(rendered.as_json()),
            ui={"loupe_report": [rendered.report]},
        )
