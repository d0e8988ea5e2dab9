"""Crop, as ComfyUI sees it."""

from ...kernels.picture import check_picture
from ..host import io, progress
from .crop import cut
from .masks import FEATHER, GROW, REACH, sampling_masks, stitch_masks
from .plan import check_plan


class Crop(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeCrop",
            display_name="Crop",
            category="Loupe/framing",
            description="Cuts what a plan names, at the size that the model is fed with, with a mask for the "
            "sampler and one for Stitch.",
            search_aliases=["crop by plan", "face crop", "inpaint crop", "crop and stitch"],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="Any picture, or batch, of the size that the plan was made for.",
                ),
                io.Custom("LOUPE_CROP_PLAN").Input("plan", tooltip="Of Plan Crop."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What shall be repainted, of the picture's size. Unlinked: the oval of every face "
                    "in the crop, or the region of an extreme close-up.",
                ),
                io.Float.Input(
                    "grow",
                    default=GROW,
                    min=REACH[0],
                    max=REACH[1],
                    step=0.05,
                    optional=True,
                    tooltip="How far the sampling mask reaches beyond the face's oval, in distances between "
                    "the eyes. A linked mask is taken as it is.",
                ),
                io.Float.Input(
                    "feather",
                    default=FEATHER,
                    min=REACH[0],
                    max=REACH[1],
                    step=0.05,
                    optional=True,
                    tooltip="How softly the stitch mask rises inside the sampling mask, in distances between "
                    "the eyes; at most a third of its width.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "crop", tooltip="For the sampler, or VAE Encode: a picture for each crop."
                ),
                io.Mask.Output(
                    "sampling_mask",
                    tooltip="For the sampler (Set Latent Noise Mask, inpainting): where to repaint.",
                ),
                io.Mask.Output(
                    "stitch_mask", tooltip="For Stitch: how much of the edit comes back."
                ),
            ],
        )

    @classmethod
    def execute(cls, image, plan, mask=None, grow=GROW, feather=FEATHER) -> io.NodeOutput:
        check_picture(image)
        check_plan(plan, image.shape)
        tick = progress(3)
        crops = cut(image, plan, lambda: tick(0))
        sampling = sampling_masks(plan, len(image), mask=mask, grow=grow, tick=lambda: tick(1))
        stitching = stitch_masks(sampling, plan, len(image), feather=feather, tick=lambda: tick(2))
        tick(3)
        return io.NodeOutput(crops, sampling, stitching)
