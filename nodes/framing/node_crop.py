"""Plan Crop and Crop, as ComfyUI sees them."""

import json

from ...kernels.picture import check_picture, split_alpha
from ..host import io
from .crop import cut
from .draw import draw_plan
from .plan import CUSTOM, MAX_MEGAPIXELS, MODELS, check_faces, check_plan, plan_crops, report
from .regions import SHOTS


class PlanCrop(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupePlanCrop",
            display_name="Plan Crop",
            category="Loupe/framing",
            description="Plans the crop that shows a face as large as the preset asks, at a size that the "
            "model is fed with, and predicts how large the face will be inside the model.",
            search_aliases=["face crop", "close-up", "headshot", "framing", "bucket"],
            inputs=[
                io.Image.Input("image", tooltip="The picture that the faces were found in."),
                io.Custom("LOUPE_FACES").Input(
                    "faces", tooltip="Of Find Faces; the largest face is framed."
                ),
                io.Combo.Input(
                    "preset",
                    options=list(SHOTS),
                    default="CU close-up",
                    tooltip="Left and right are the picture's. ECU extreme close-up, BCU and CU show the face, "
                    "MCU the chest.",
                ),
                io.Combo.Input(
                    "model",
                    options=[*MODELS, CUSTOM],
                    default="SDXL",
                    tooltip="Whose picture sizes are used. custom takes megapixels and multiple_of.",
                ),
                io.Float.Input(
                    "megapixels",
                    default=1.0,
                    min=0.05,
                    max=MAX_MEGAPIXELS,
                    step=0.05,
                    tooltip="Millions of pixels of the crop; only for the model custom.",
                ),
                io.Int.Input(
                    "multiple_of",
                    default=16,
                    min=1,
                    max=256,
                    tooltip="Both sides of the crop are a multiple of this, in px; only for the model custom.",
                ),
            ],
            outputs=[
                io.Custom("LOUPE_CROP_PLAN").Output(
                    "plan", tooltip="For Crop; serves every picture of this size."
                ),
                io.Image.Output("picture", tooltip="The crop shown over the picture."),
                io.Float.Output(
                    "iod_model_px", tooltip="Pixels between the eyes inside the model."
                ),
                io.Float.Output(
                    "latents_per_eye",
                    tooltip="Latent cells across one eye; 6 and more can hold it.",
                ),
                io.String.Output("report"),
                io.String.Output(
                    "json", tooltip="Crops as x, y, width, height in px, and the predictions."
                ),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, image, faces, preset, model, megapixels, multiple_of) -> io.NodeOutput:
        check_picture(image)
        check_faces(faces, image.shape)
        plan = plan_crops(faces, preset, model, megapixels=megapixels, multiple_of=multiple_of)
        words = report(plan)
        return io.NodeOutput(
            plan,
            draw_plan(split_alpha(image)[0], plan),
            plan.iod_model_px,
            plan.latents_per_eye,
            words,
            json.dumps(plan.as_json()),
            ui={"loupe_report": [words]},
        )


class Crop(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeCrop",
            display_name="Crop",
            category="Loupe/framing",
            description="Cuts what a plan names, at the size that the model is fed with.",
            search_aliases=["crop by plan", "face crop"],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="Any picture, or batch, of the size that the plan was made for.",
                ),
                io.Custom("LOUPE_CROP_PLAN").Input("plan", tooltip="Of Plan Crop."),
            ],
            outputs=[io.Image.Output("crop")],
        )

    @classmethod
    def execute(cls, image, plan) -> io.NodeOutput:
        check_picture(image)
        check_plan(plan, image.shape)
        return io.NodeOutput(cut(image, plan))
