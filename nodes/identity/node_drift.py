"""Identity Drift, as ComfyUI sees it."""

import json

from ..framing.detect.files import state_of
from ..framing.find import FOLDER_KINDS
from ..host import io, model_folders, progress
from .draw_drift import draw_drift
from .drift import drift, faces_or_none, report
from .encode.arcface import BACKENDS, ENCODERS, open_encoders


class IdentityDrift(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeIdentityDrift",
            display_name="Identity Drift",
            category="Loupe/identity",
            description="How like a stored identity the face of a picture is: a cosine for each encoder, beside what "
            "the identity's own photos reach.",
            search_aliases=["face similarity", "likeness", "arcface", "face distance", "cosine"],
            inputs=[
                io.Image.Input("image", tooltip="The finished picture, or a batch."),
                io.Custom("LOUPE_IDENTITY").Input("identity", tooltip="Of Identity Profile or Load Identity."),
                io.Custom("LOUPE_FACES").Input(
                    "faces", optional=True, tooltip="Of Find Faces. Not linked: they are looked for here."
                ),
                io.Combo.Input(
                    "encoder",
                    options=list(ENCODERS),
                    default=ENCODERS[0],
                    tooltip="Whose cosine is told. Better one that did not steer the picture.",
                ),
                io.Combo.Input(
                    "backend",
                    options=list(BACKENDS),
                    default=BACKENDS[0],
                    advanced=True,
                    tooltip="What runs the encoder. auto: onnxruntime.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    "similarity",
                    is_output_list=True,
                    tooltip="Of each picture the cosine of its most alike face, by the first encoder in the list of encoder; 0 where it cannot be told.",
                ),
                io.Boolean.Output(
                    "can_tell",
                    is_output_list=True,
                    tooltip="Whether it can be told at all: a face of 112 px or more, and an encoder.",
                ),
                io.Image.Output("sheet", tooltip="The faces beside those of the profile."),
                io.String.Output("report", tooltip="The figures, and how far they are to be believed."),
                io.String.Output("json", tooltip="All figures of every face."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, **_) -> str:
        """A pack that was put there since is used."""
        return state_of([folder for kind in FOLDER_KINDS for folder in model_folders(kind)])

    @classmethod
    def execute(
        cls, image, identity, faces=None, encoder=ENCODERS[0], backend=BACKENDS[0]
    ) -> io.NodeOutput:
        folders = {kind: model_folders(kind) for kind in FOLDER_KINDS}
        if faces is None:
            faces = faces_or_none(image, folders, progress)
        opened = open_encoders(folders["insightface"], encoder, backend)
        found = drift(image, faces, identity, opened.encoders, progress=progress)
        words = "\n".join([report(found), *opened.remarks])
        likeness = [one.likeness[0] if one and one.likeness else None for one in found.best]
        return io.NodeOutput(
            [one.cosine if one else 0.0 for one in likeness],
            [one is not None for one in likeness],
            draw_drift(found, identity, image),
            words,
            json.dumps(found.as_json(), allow_nan=False),
            ui={"loupe_report": [words]},
        )
