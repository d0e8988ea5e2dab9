"""Find Faces, as ComfyUI sees it."""

import json

from ...kernels.picture import split_alpha
from ..host import io, progress
from .draw import draw_faces
from .faces import Face
from .find import BACKENDS, find_faces


class FindFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeFindFaces",
            display_name="Find Faces",
            category="Loupe/framing",
            description="Finds the faces of a picture and their pupils, with no download. "
            "Link landmarks, a box or a mask, or type two eye points, to say where they are.",
            search_aliases=["face detection", "face detector", "eyes", "landmarks"],
            inputs=[
                io.Image.Input("image", tooltip="One picture or a batch."),
                io.Custom("FACE_LANDMARKS").Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="Of MediaPipe Face Landmarker. Counts before everything else.",
                ),
                io.BoundingBox.Input(
                    "bounding_box",
                    optional=True,
                    force_input=True,
                    tooltip="Boxes around faces, forehead to chin; the pupils are found inside.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="A mask of one face, of the picture's size; the pupils are found inside.",
                ),
                io.Combo.Input(
                    "backend",
                    options=list(BACKENDS),
                    default=BACKENDS[0],
                    tooltip="auto: what is linked or typed, else the embedded detector. "
                    "embedded: always look at the pixels; frontal faces, no download.",
                ),
                io.String.Input(
                    "eyes",
                    default="",
                    placeholder="x,y x,y",
                    tooltip="The two pupil centres in pixels, for example 233,245 313,243. Empty: look for them.",
                ),
            ],
            outputs=[
                io.Custom("LOUPE_FACES").Output("faces", tooltip="For the other Loupe nodes."),
                io.BoundingBox.Output(
                    "bounding_boxes", tooltip="A box around every face, forehead to chin."
                ),
                io.Image.Output("overlay", tooltip="The faces drawn over the picture."),
                io.String.Output("report", tooltip="What was found, and what was passed over."),
                io.String.Output(
                    "json",
                    tooltip="Pupils in px, image-left first; boxes x, y, width, height; scores.",
                ),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls, image, backend, eyes, face_landmarks=None, bounding_box=None, mask=None
    ) -> io.NodeOutput:
        found = find_faces(
            image,
            backend=backend,
            eyes=eyes,
            face_landmarks=face_landmarks,
            bounding_box=bounding_box,
            mask=mask,
            progress=progress,
        )
        return io.NodeOutput(
            found.faces,
            [[bounding_box_of(face) for face in frame] for frame in found.faces.frames],
            draw_faces(split_alpha(image)[0], found.faces.frames),
            found.report,
            json.dumps(found.faces.as_json()),
            ui={"loupe_report": [found.report]},
        )


def bounding_box_of(face: Face) -> dict:
    """A face as ComfyUI's BOUNDING_BOX."""
    box = face.box
    return {
        "x": round(box.x),
        "y": round(box.y),
        "width": round(box.width),
        "height": round(box.height),
        "label": "face",
        "score": face.score,
    }
