"""Stitch, as ComfyUI sees it."""

from ..host import io, progress
from .masks import FEATHER, REACH
from .stitch import AUTO, MODES, stitch


class Stitch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeStitch",
            display_name="Stitch",
            category="Loupe/framing",
            description="Puts edited crops back where Crop cut them: no bit changes outside the mask, an "
            "unedited crop gives the original back, and the tone shift of the VAE is taken off.",
            search_aliases=[
                "uncrop",
                "paste back",
                "crop and stitch",
                "composite",
                "inpaint stitch",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The original that was cropped."),
                io.Image.Input(
                    "crop", tooltip="The crops of Crop, edited, all and in their order."
                ),
                io.Custom("LOUPE_CROP_PLAN").Input(
                    "plan", tooltip="Of Plan Crop, the one that Crop used."
                ),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default=AUTO,
                    tooltip="auto takes off the tone shift that shows around the mask; exact adds the change as "
                    "it is; plain replaces the pixels; null_edit takes off what the VAE does to the unedited crop.",
                ),
                io.Mask.Input(
                    "stitch_mask",
                    optional=True,
                    tooltip="Of Crop. Unlinked: the oval of every face in the crop.",
                ),
                io.Image.Input(
                    "unedited",
                    optional=True,
                    tooltip="Only for null_edit: the unedited crops after VAE Encode and VAE Decode.",
                ),
                io.Vae.Input(
                    "vae",
                    optional=True,
                    tooltip="Only for null_edit, instead of unedited: the VAE that the edited crops went through.",
                ),
                io.Float.Input(
                    "feather",
                    default=FEATHER,
                    min=REACH[0],
                    max=REACH[1],
                    step=0.05,
                    tooltip="How softly the edit sets in, in distances between the eyes; only where no "
                    "stitch_mask is linked.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The original with the edits in it."),
                io.Mask.Output("changed", tooltip="Where pixels may differ from the original."),
                io.String.Output(
                    "report", tooltip="What was put where, and the tone shift that was taken off."
                ),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls, image, crop, plan, mode, feather, stitch_mask=None, unedited=None, vae=None
    ) -> io.NodeOutput:
        done = stitch(
            image,
            crop,
            plan,
            mode,
            stitch_mask=stitch_mask,
            unedited=unedited,
            vae=vae,
            feather=feather,
            progress=progress,
        )
        return io.NodeOutput(
            done.picture, done.changed, done.report, ui={"loupe_report": [done.report]}
        )
