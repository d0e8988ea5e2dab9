"""Plan Crop, as ComfyUI sees it."""

import json

from ...kernels.picture import check_picture, split_alpha
from ..host import io, progress
from .draw import draw_plan
from .models import CUSTOM, MAX_MEGAPIXELS, MODELS
from .plan import (
    LARGEST,
    PRESETS,
    SEVERAL,
    SUBJECT,
    check_faces,
    plan_crops,
    plan_subjects,
    plan_video,
    report,
)
from .regions import Region
from .solver import INSIDE, PADS
from .subjects import subject_boxes


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
                    "faces",
                    optional=True,
                    tooltip="Of Find Faces. Only the preset 'mask or box' does without.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(PRESETS),
                    default="CU close-up",
                    tooltip="Left and right are the picture's. ECU extreme close-up, BCU and CU show the face, "
                    "MCU the chest. custom takes left, right, top and bottom; mask or box frames what is linked there.",
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
                io.Combo.Input(
                    "pad",
                    options=list(PADS),
                    default=INSIDE,
                    tooltip="A crop that does not fit the picture: inside makes it smaller; outpaint lets it stick "
                    "out, and Crop's sampling_mask asks to paint what is missing.",
                ),
                io.Boolean.Input(
                    "level_eyes",
                    default=False,
                    tooltip="Turn the crop so that the eyes stand level. Stitch turns it back.",
                ),
                io.Combo.Input(
                    "several",
                    options=list(SEVERAL),
                    default=LARGEST,
                    tooltip="Of several faces: the largest; all joint in one crop; split, a crop each; or auto, as few "
                    "crops as leave every face min_iod_px.",
                ),
                io.Float.Input(
                    "min_iod_px",
                    default=96.0,
                    min=0.0,
                    max=1024.0,
                    step=1.0,
                    advanced=True,
                    tooltip="For several: auto. Px between the eyes inside the model that no face may fall below.",
                ),
                io.Boolean.Input(
                    "video",
                    default=False,
                    advanced=True,
                    tooltip="The batch is one shot: the crop follows the face smoothly, without flicker of its size.",
                ),
                io.Float.Input(
                    "fps",
                    default=24.0,
                    min=1.0,
                    max=240.0,
                    step=1.0,
                    advanced=True,
                    tooltip="Pictures per second, for video.",
                ),
                io.Float.Input(
                    "left",
                    default=-1.8,
                    min=-30.0,
                    max=30.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Of the preset custom: from between the eyes, in distances between the eyes (IOD).",
                ),
                io.Float.Input(
                    "right",
                    default=1.8,
                    min=-30.0,
                    max=30.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Of the preset custom, IOD.",
                ),
                io.Float.Input(
                    "top",
                    default=-2.0,
                    min=-30.0,
                    max=30.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Of the preset custom, IOD; negative is above the eyes.",
                ),
                io.Float.Input(
                    "bottom",
                    default=2.6,
                    min=-30.0,
                    max=40.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Of the preset custom, IOD.",
                ),
                io.Float.Input(
                    "margin",
                    default=0.25,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Of the preset mask or box: room on each side, as a share of its larger side.",
                ),
                io.Mask.Input(
                    "mask", optional=True, tooltip="For the preset mask or box: a hand, anything."
                ),
                io.BoundingBox.Input(
                    "bounding_box",
                    optional=True,
                    force_input=True,
                    tooltip="For the preset mask or box; counts before the mask.",
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
                io.String.Output(
                    "report", tooltip="Each crop, and how large the face will be in it."
                ),
                io.String.Output(
                    "json", tooltip="Crops as x, y, width, height in px, and the predictions."
                ),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls, image, faces=None, preset="CU close-up", model="SDXL", megapixels=1.0, multiple_of=16, pad=INSIDE,
        level_eyes=False, several=LARGEST, min_iod_px=96.0, video=False, fps=24.0, left=-1.8, right=1.8, top=-2.0,
        bottom=2.6, margin=0.25, mask=None, bounding_box=None,
    ) -> io.NodeOutput:  # fmt: skip
        check_picture(image)
        fed = {"megapixels": megapixels, "multiple_of": multiple_of, "pad": pad}
        if preset == SUBJECT:
            subjects = subject_boxes(mask, bounding_box, image.shape)
            size = (image.shape[2], image.shape[1])
            plan = plan_subjects(subjects, size, model, margin=margin, **fed)
        else:
            check_faces(faces, image.shape)
            region = Region(left, right, top, bottom) if preset == CUSTOM else None
            framing = {"level_eyes": level_eyes, "region": region, **fed}
            plan = (
                plan_video(faces, preset, model, fps=fps, **framing)
                if video
                else plan_crops(
                    faces, preset, model, several=several, min_iod_px=min_iod_px, **framing
                )
            )
        words = report(plan)
        return io.NodeOutput(
            plan,
            draw_plan(split_alpha(image)[0], plan, progress),
            plan.iod_model_px,
            plan.latents_per_eye,
            words,
            json.dumps(plan.as_json()),
            ui={"loupe_report": [words]},
        )
