"""Compare Panel, as ComfyUI sees it."""

from ..host import io
from .panels import panel_of


class ComparePanel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeComparePanel",
            display_name="Compare Panel",
            category="Loupe/comparison",
            description="One entry of a comparison: a picture with its name and its own face. The face may come "
            "from another version of the same picture, so that both show exactly the same region.",
            search_aliases=["comparison entry", "label"],
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
                    "label", default="", tooltip="What stands under the panel: the model, the lens."
                ),
            ],
            outputs=[io.Custom("LOUPE_PANEL").Output("panel", tooltip="For Compare.")],
        )

    @classmethod
    def execute(cls, image, label, faces=None) -> io.NodeOutput:
        return io.NodeOutput(panel_of(image, label, faces))
