"""The Save Plate node, as ComfyUI sees it."""

import logging

from ..host import io, progress, save_folder, save_target, saved_picture, wants_metadata
from .encode import FORMATS, Metadata
from .save import DEFAULT_PREFIX, QUALITIES, save_plate
from .sources import pack


class SavePlate(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeSavePlate",
            display_name="Save Plate",
            category="Loupe/comparison",
            description="Saves a plate without losing a pixel: PNG of 8 or 16 bits, lossless WebP, or JPEG with full "
            "colour. Several pictures become a carousel folder.",
            search_aliases=["save image", "16 bit png", "carousel", "export plate", "lossless"],
            inputs=[
                io.Image.Input(
                    "image", tooltip="One picture is a plate; a batch is a carousel, a folder of slides."
                ),
                io.String.Input(
                    "manifest", optional=True, force_input=True,
                    tooltip="Of Compare: how the plate was made. Goes into the file and lies beside it as JSON.",
                ),
                io.String.Input(
                    "filename_prefix", default=DEFAULT_PREFIX,
                    tooltip="Folder and beginning of the name in the output folder. Takes %date:yyyy-MM-dd%, %width%, %year% and the like.",
                ),
                io.Combo.Input(
                    "format", options=list(FORMATS), default="PNG 8-bit",
                    tooltip="PNG and WebP keep every pixel. 16 bits for further work, JPEG for sites that take nothing else.",
                ),
                io.Int.Input(
                    "quality", default=95, min=QUALITIES[0], max=QUALITIES[1], tooltip="Of a JPEG; 100 is the best and largest."
                ),
                io.Boolean.Input(
                    "share_clean", default=False,
                    tooltip="Leaves out the graph, and of the manifest what names files, prompts or seeds.",
                ),
                io.Custom("LOUPE_PANELS").Input(
                    "sources", optional=True,
                    tooltip="Of Compare: keeps the whole pictures beside the plate, so that it can be drawn again even where they "
                    "were never files. Large.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The picture as it came."),
                io.String.Output("files", tooltip="A path in the output folder per line, pictures first."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls, image, filename_prefix, format, quality, share_clean, manifest=None, sources=None
    ) -> io.NodeOutput:
        saved = save_plate(
            image,
            format,
            filename_prefix,
            save_folder(),
            save_target,
            quality=quality,
            metadata=_metadata(cls.hidden) if wants_metadata() else None,
            manifest=manifest,
            share_clean=share_clean,
            sources=None if sources is None or share_clean else pack(sources),
            progress=progress,
        )
        for note in saved.notes:
            logging.getLogger(__name__).warning("Save Plate: %s", note)
        ui = {"images": [saved_picture(path) for path in saved.pictures]}
        return io.NodeOutput(image, saved.listing, ui=ui)


def _metadata(hidden) -> Metadata:
    """What the host tells of the graph; a node called outside of a run is told nothing."""
    return Metadata(getattr(hidden, "prompt", None), getattr(hidden, "extra_pnginfo", None) or {})
