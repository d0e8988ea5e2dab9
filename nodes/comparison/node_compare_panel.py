"""Compare Panel, as ComfyUI sees it."""

from ..host import input_file, io, progress
from .captions import NOTHING, caption_of, read_graph_of
from .panels import POINTS_ARE, PUPILS, panel_of


class ComparePanel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeComparePanel",
            display_name="Compare Panel",
            category="Loupe/comparison",
            description="One entry of a comparison: a picture with its name and its own face. The face may come "
            "from another version of the same picture, so that both show exactly the same region.",
            search_aliases=["comparison entry", "label", "caption"],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The whole picture, not a crop of it: the plate cuts it itself.",
                ),
                io.Custom("LOUPE_FACES").Input(
                    "faces",
                    optional=True,
                    tooltip="Of Find Faces, in this picture or one of the same size. Without it the picture is searched.",
                ),
                io.String.Input(
                    "label",
                    default="",
                    tooltip="What stands under the panel: the model, the lens. Empty: the model that the graph names.",
                ),
                # Optional, so that prompts saved before they existed still run.
                io.String.Input(
                    "subline",
                    default="",
                    optional=True,
                    tooltip="A second, smaller line. Empty: version, LoRAs and seed, as far as the graph names them.",
                ),
                io.Boolean.Input(
                    "auto_caption",
                    default=True,
                    optional=True,
                    tooltip="Fills empty lines from the graph that made the picture, or from the one in its file.",
                ),
                io.String.Input(
                    "points",
                    default="",
                    placeholder="x,y x,y",
                    optional=True,
                    tooltip="Two points in pixels, for pictures too close for any detector. Counts before all else.",
                ),
                io.Combo.Input(
                    "points_are",
                    options=list(POINTS_ARE),
                    default=PUPILS,
                    optional=True,
                    tooltip="What the two points mark. Mark every panel of a plate in the same way.",
                ),
                io.Custom("FACE_LANDMARKS").Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="Of MediaPipe Face Landmarker. Counts before faces; its irises give millimetres.",
                ),
                io.BoundingBox.Input(
                    "bounding_box",
                    optional=True,
                    force_input=True,
                    tooltip="What Compare shows of this picture when its region is custom box: a hand, an earring.",
                ),
            ],
            outputs=[io.Custom("LOUPE_PANEL").Output("panel", tooltip="For Compare.")],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        image,
        label,
        faces=None,
        subline="",
        auto_caption=True,
        points="",
        points_are=PUPILS,
        face_landmarks=None,
        bounding_box=None,
    ) -> io.NodeOutput:
        caption = NOTHING
        if auto_caption and cls.hidden:
            caption = caption_of(cls.hidden.prompt, cls.hidden.unique_id, "image", graph_in_file)
        return io.NodeOutput(
            panel_of(
                image,
                label,
                faces,
                subline=subline,
                face_landmarks=face_landmarks,
                bounding_box=bounding_box,
                points=points,
                points_are=points_are,
                caption=caption,
                progress=progress,
            )
        )


def graph_in_file(name: str):
    """The graph inside a picture of ComfyUI's folders, or None."""
    path = input_file(name)
    return None if path is None else read_graph_of(path)
