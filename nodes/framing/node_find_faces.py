"""Find Faces, as ComfyUI sees it."""

import json

from ...kernels.picture import split_alpha
from ..host import io, model_folders, progress
from .choose import RULES
from .detect.files import state_of
from .draw import draw_faces
from .faces import Face
from .find import BACKENDS, FOLDER_KINDS, find_faces


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
                    tooltip="auto: what is linked or typed, else the first of SCRFD ONNX, insightface, kornia YuNet and "
                    "YuNet ONNX whose files are there, else embedded: frontal faces, no file needed. "
                    "By name: always look at the pixels with that one.",
                ),
                io.String.Input(
                    "eyes",
                    default="",
                    placeholder="x,y x,y",
                    tooltip="The two pupil centres in pixels, for example 233,245 313,243. Empty: look for them.",
                ),
                # Optional, so that prompts saved before they existed still run.
                io.Boolean.Input(
                    "allow_download",
                    default=False,
                    optional=True,
                    tooltip="Lets kornia YuNet fetch its weights (0.4 MB) where there are none. Nothing else goes online.",
                ),
                io.Combo.Input(
                    "keep",
                    options=list(RULES),
                    default=RULES[0],
                    optional=True,
                    tooltip="Which faces are kept. most prominent: the highest score of Prominence. in mask: those whose middle "
                    "the mask covers; the mask then finds none itself. like identity: the one most like the linked identity.",
                ),
                io.String.Input(
                    "point",
                    default="",
                    placeholder="x,y",
                    optional=True,
                    tooltip="For keep = nearest point: a point in pixels, for example 320,200.",
                ),
                io.Int.Input(
                    "index",
                    default=0,
                    min=0,
                    max=63,
                    optional=True,
                    tooltip="For keep = index left to right: 0 is the leftmost face.",
                ),
                io.Custom("LOUPE_IDENTITY").Input(
                    "identity",
                    optional=True,
                    tooltip="For keep = like identity: whose face is meant. Needs a face encoder.",
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
                io.Custom("FACE_LANDMARKS").Output(
                    "face_landmarks",
                    tooltip="The linked landmarks of the kept faces; empty where the faces came from elsewhere.",
                ),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_) -> str:
        """A detector that was put there since is used."""
        return state_of([folder for kind in FOLDER_KINDS for folder in model_folders(kind)])

    @classmethod
    def execute(
        cls,
        image,
        backend,
        eyes,
        face_landmarks=None,
        bounding_box=None,
        mask=None,
        allow_download=False,
        keep=RULES[0],
        point="",
        index=0,
        identity=None,
    ) -> io.NodeOutput:
        found = find_faces(
            image,
            backend=backend,
            eyes=eyes,
            face_landmarks=face_landmarks,
            bounding_box=bounding_box,
            mask=mask,
            folders={kind: model_folders(kind) for kind in FOLDER_KINDS},
            allow_download=allow_download,
            keep=keep,
            point=point,
            index=index,
            identity=identity,
            progress=progress,
        )
        return io.NodeOutput(
            found.faces,
            [[bounding_box_of(face) for face in frame] for frame in found.faces.frames],
            draw_faces(split_alpha(image)[0], found.faces.frames, progress),
            found.report,
            json.dumps(found.faces.as_json()),
            found.face_landmarks,
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
