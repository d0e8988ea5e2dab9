"""Apply Identity, as ComfyUI sees it."""

from ..host import io, model_folders, model_hooks, previewed
from .apply.apply import apply_identity
from .apply.draw_prominence import draw_prominence
from .apply.face_area import AREAS
from .apply.looks import Eyes
from .apply.report import applied_words
from .apply.settings import MOST_WEIGHT, TWICE, Settings
from .calibration.base import base_of
from .calibration.report import known_words
from .injection.curve import CURVES, EXAMPLE
from .injection.weight import MODES


class ApplyIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeApplyIdentity",
            display_name="Apply Identity",
            category="Loupe/identity",
            description="Adds an identity to all cross-attention layers of SD1.5 and SDXL, the middle block too, or to FLUX.1 by "
            "PuLID. weight = base x prominence x schedule x layer curve x mask.",
            search_aliases=["ipadapter", "faceid", "instantid", "pulid", "apply ip-adapter", "face weight"],
            inputs=[
                io.Custom("MODEL").Input("model", tooltip="SD1.5, SDXL or FLUX.1, as the adapter is."),
                io.Custom("LOUPE_IDENTITY_ADAPTER").Input("adapter", tooltip="Of Load Identity Adapter."),
                io.Custom("LOUPE_IDENTITY").Input("identity", tooltip="Of Identity Profile or Load Identity."),
                io.Float.Input(
                    "weight", default=0.8, min=0.0, max=MOST_WEIGHT, step=0.05,
                    tooltip="How strongly the identity acts. 0: the model is as it was, to the bit.",
                ),
                io.Combo.Input(
                    "prominence", options=list(MODES), default=MODES[0],
                    tooltip="By the face's share of the canvas. follow: small faces get less; compensate: more. Needs plan or faces.",
                ),
                io.Float.Input(
                    "start", default=0.0, min=0.0, max=1.0, step=0.01,
                    tooltip="Share of sampling at which it begins; 0 is pure noise.",
                ),
                io.Float.Input(
                    "end", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="Share of sampling at which it ends."
                ),
                io.Float.Input(
                    "fade_in", default=0.0, min=0.0, max=1.0, step=0.01, advanced=True,
                    tooltip="Share of sampling over which it comes, after start.",
                ),
                io.Float.Input(
                    "fade_out", default=0.0, min=0.0, max=1.0, step=0.01, advanced=True,
                    tooltip="Share of sampling over which it goes, before end.",
                ),
                io.Combo.Input(
                    "curve", options=list(CURVES), default=CURVES[0],
                    tooltip="How the weight is spread over the layers. style and composition: SDXL alone.",
                ),
                io.String.Input(
                    "layers", default="", advanced=True,
                    tooltip=f"In place of curve: transformers and their factors, such as {EXAMPLE}; * is the rest, else 0.",
                ),
                io.Boolean.Input(
                    "lora", default=True, tooltip="The LoRA inside a FaceID file; a LoRA file beside it is not needed."
                ),
                io.Float.Input(
                    "lora_weight", default=0.6, min=0.0, max=2.0, step=0.05,
                    tooltip="It changes the model itself: all of sampling, everywhere.",
                ),
                io.Float.Input(
                    "shortcut", default=TWICE, min=TWICE, max=2 * MOST_WEIGHT, step=0.05, advanced=True,
                    tooltip="FaceID Plus V2: how much of what CLIP sees is added. -1: twice the weight.",
                ),
                io.Float.Input(
                    "noise", default=0.0, min=0.0, max=1.0, step=0.05, advanced=True,
                    tooltip="InstantID: noise in place of zeros for the negative prompt.",
                ),
                io.Mask.Input("mask", optional=True, tooltip="Where it acts. Stretched over the picture."),
                io.Custom("LOUPE_CROP_PLAN").Input(
                    "plan", optional=True, tooltip="Of Plan Crop: tells the size of the face inside the model."
                ),
                io.Custom("LOUPE_FACES").Input(
                    "faces", optional=True, tooltip="Of Find Faces, in a picture that is composed as the new one will be."
                ),
                io.Custom("CLIP_VISION").Input(
                    "clip_vision", optional=True, tooltip="FaceID Plus: CLIP-ViT-H of Load CLIP Vision."
                ),
                io.Custom("LOUPE_EVA_CLIP").Input(
                    "eva_clip", optional=True, tooltip="PuLID-Flux: EVA02-CLIP-L-336 of Load EVA CLIP."
                ),
                io.Combo.Input(
                    "area", options=list(AREAS), default=AREAS[0],
                    tooltip="face: within the oval of the face that plan or faces show, softly. Times the mask.",
                ),
                io.Boolean.Input(
                    "energy", default=False, advanced=True,
                    tooltip="Measure how strong it is in every layer at every step; Injected Energy shows it.",
                ),
            ],
            outputs=[
                io.Custom("MODEL").Output("model", tooltip="With the identity. Apply others after it: they add up."),
                io.String.Output("report", tooltip="What acts where, when and how strongly."),
                io.Image.Output("curve", tooltip="The prominence factor over the face's share, with this face's point."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model,
        adapter,
        identity,
        mask=None,
        plan=None,
        faces=None,
        clip_vision=None,
        eva_clip=None,
        **chosen,
    ) -> io.NodeOutput:
        settings = Settings(**chosen)
        hooks = model_hooks()
        if eva_clip is not None and eva_clip.patcher is not None:
            hooks.load(eva_clip.patcher)
        eyes = Eyes(
            clip=None if clip_vision is None else seen_by(clip_vision),
            eva=eva_clip,
            parsers=model_folders("facexlib"),
        )
        applied = apply_identity(
            model, adapter, identity, settings, hooks, mask=mask, plan=plan, faces=faces, eyes=eyes
        )
        report = applied_words(applied, adapter, identity, settings)
        if identity.calibrations:
            known = known_words(identity, adapter.sha256, base_of(model)[1], applied.factor)
            report = "\n".join(filter(None, (report, known)))
        share = applied.planned.share if applied.planned else None
        curve = draw_prominence(settings.prominence, share)
        shown = previewed(curve) if share is not None else {}
        return io.NodeOutput(applied.model, report, curve, ui={"loupe_report": [report], **shown})


def seen_by(clip_vision):
    """What a host's CLIP vision model makes of pictures, before its last layer."""
    return lambda pictures: clip_vision.encode_image(pictures)["penultimate_hidden_states"]
