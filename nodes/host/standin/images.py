"""Pictures in and out of the stand-in host: the four nodes of ComfyUI that a graph of ours needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from ..pictures import read_picture, save_pictures
from . import schema as io


def image_nodes(
    input_folder: Path, output_folder: Path, *, workflow: Any = None, prompt: Any = None
) -> dict[str, type[io.ComfyNode]]:
    """LoadImage, SaveImage, PreviewImage and PreviewAny for these folders, by class type.

    ``workflow`` and ``prompt`` go into saved files, as ComfyUI writes them, so that a picture
    dragged into ComfyUI opens its graph.
    """

    class LoadImage(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            files = sorted(path.name for path in input_folder.glob("*") if path.is_file())
            return io.Schema(
                node_id="LoadImage",
                display_name="Load Image",
                inputs=[io.Combo.Input("image", options=files)],
                outputs=[io.Image.Output(), io.Mask.Output()],
            )

        @classmethod
        def execute(cls, image: str) -> io.NodeOutput:
            return io.NodeOutput(*read_picture(input_folder / image))

    class SaveImage(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="SaveImage",
                display_name="Save Image",
                inputs=[
                    io.Image.Input("images"),
                    io.String.Input("filename_prefix", default="ComfyUI"),
                ],
                is_output_node=True,
            )

        @classmethod
        def execute(cls, images: Tensor, filename_prefix: str = "ComfyUI") -> io.NodeOutput:
            files = save_pictures(
                images, output_folder, filename_prefix, workflow=workflow, prompt=prompt
            )
            return io.NodeOutput(ui={"images": [{"path": str(path)} for path in files]})

    class PreviewImage(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="PreviewImage",
                display_name="Preview Image",
                inputs=[io.Image.Input("images")],
                is_output_node=True,
            )

        @classmethod
        def execute(cls, images: Tensor) -> io.NodeOutput:
            files = save_pictures(images, output_folder, "preview")
            return io.NodeOutput(ui={"images": [{"path": str(path)} for path in files]})

    class PreviewAny(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id="PreviewAny",
                display_name="Preview as Text",
                inputs=[io.AnyType.Input("source")],
                outputs=[io.String.Output()],
                is_output_node=True,
            )

        @classmethod
        def execute(cls, source: Any) -> io.NodeOutput:
            text = source if isinstance(source, str) else json.dumps(source, default=str, indent=2)
            return io.NodeOutput(text, ui={"text": [text]})

    return {
        "LoadImage": LoadImage,
        "SaveImage": SaveImage,
        "PreviewImage": PreviewImage,
        "PreviewAny": PreviewAny,
    }
