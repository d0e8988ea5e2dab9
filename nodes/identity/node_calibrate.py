"""Identity Calibrate, as ComfyUI sees it."""

from ..host import IN_COMFYUI, io, sampler_choices
from .calibration.graph import lay_out, settings_words
from .calibration.weights import EXAMPLE, MOST_SEEDS, weights_to_render
from .encode.arcface import BACKENDS, ENCODERS
from .injection.curve import CURVES
from .injection.weight import MODES

LARGEST_SEED = 2**53 - MOST_SEEDS  # the browser counts exactly up to 2**53
SCHEDULER = "normal"  # the default on every ComfyUI, whichever its list begins with


class IdentityCalibrate(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        samplers, schedulers = sampler_choices()
        return io.Schema(
            node_id="LoupeIdentityCalibrate",
            display_name="Identity Calibrate",
            category="Loupe/identity",
            description="Renders pictures at several identity weights and fixed seeds, measures how like the identity they "
            "are, and suggests a weight. What was measured goes with the identity.",
            search_aliases=["best weight", "weight sweep", "xy plot", "tune identity", "likeness curve"],
            inputs=[
                io.Custom("MODEL").Input("model", raw_link=True, tooltip="Without the identity; other LoRA may be on it."),
                io.Custom("LOUPE_IDENTITY_ADAPTER").Input(
                    "adapter", raw_link=True, tooltip="Of Load Identity Adapter."
                ),
                io.Custom("LOUPE_IDENTITY").Input(
                    "identity", raw_link=True, tooltip="Of Identity Profile or Load Identity."
                ),
                io.Custom("CONDITIONING").Input("positive", raw_link=True, tooltip="The prompt, as it will be used."),
                io.Custom("CONDITIONING").Input("negative", raw_link=True, tooltip="The negative prompt."),
                io.Vae.Input("vae", raw_link=True, tooltip="Decodes the pictures."),
                io.Custom("LATENT").Input(
                    "latent", raw_link=True, tooltip="What sampling begins with, of the size that will be used."
                ),
                io.String.Input(
                    "weights", default=EXAMPLE, tooltip="Of Apply Identity. Three or more; 0 shows what the model does alone."
                ),
                io.Int.Input(
                    "seeds", default=3, min=2, max=MOST_SEEDS, step=1,
                    tooltip="Pictures at each weight. More seeds make the curve surer: 5 weights x 3 seeds are 15 renders.",
                ),
                io.Int.Input(
                    "first_seed", default=0, min=0, max=LARGEST_SEED, step=1,
                    tooltip="The others count up from it. The same seeds are used at every weight.",
                ),
                io.Int.Input("steps", default=20, min=1, max=10000, step=1, tooltip="Of KSampler, as it will be used."),
                io.Float.Input("cfg", default=7.0, min=0.0, max=100.0, step=0.1, tooltip="Of KSampler."),
                io.Combo.Input(
                    "sampler_name", options=list(samplers), default=samplers[0], tooltip="Of KSampler."
                ),
                io.Combo.Input(
                    "scheduler", options=list(schedulers),
                    default=SCHEDULER if SCHEDULER in schedulers else schedulers[0], tooltip="Of KSampler.",
                ),
                io.Float.Input(
                    "denoise", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="Of KSampler. 1: the whole picture is new."
                ),
                io.Combo.Input(
                    "prominence", options=list(MODES), default=MODES[0],
                    tooltip="Of Apply Identity. The curve is over weight x its factor. Needs plan or faces.",
                ),
                io.Float.Input(
                    "start", default=0.0, min=0.0, max=1.0, step=0.01, advanced=True, tooltip="As on Apply Identity: share of sampling at which it begins."
                ),
                io.Float.Input(
                    "end", default=1.0, min=0.0, max=1.0, step=0.01, advanced=True, tooltip="As on Apply Identity: share of sampling at which it ends."
                ),
                io.Combo.Input(
                    "curve", options=list(CURVES), default=CURVES[0], advanced=True, tooltip="As on Apply Identity."
                ),
                io.Float.Input(
                    "lora_weight", default=0.6, min=0.0, max=2.0, step=0.05, advanced=True,
                    tooltip="Of Apply Identity. It stays the same at all weights but 0, where the LoRA does not act.",
                ),
                io.Custom("LOUPE_CROP_PLAN").Input(
                    "plan", optional=True, raw_link=True, tooltip="Of Plan Crop: tells the size of the face."
                ),
                io.Custom("LOUPE_FACES").Input(
                    "faces", optional=True, raw_link=True,
                    tooltip="Of Find Faces, in a picture that is composed as the new ones will be.",
                ),
                io.Custom("CLIP_VISION").Input(
                    "clip_vision", optional=True, raw_link=True, tooltip="FaceID Plus: CLIP-ViT-H of Load CLIP Vision."
                ),
                io.Custom("LOUPE_EVA_CLIP").Input(
                    "eva_clip", optional=True, raw_link=True, tooltip="PuLID-Flux: EVA02-CLIP-L-336 of Load EVA CLIP."
                ),
                io.Combo.Input(
                    "encoder", options=list(ENCODERS), default=ENCODERS[0],
                    tooltip="What measures likeness. all found: the first that the adapter does not follow.",
                ),
                io.Combo.Input(
                    "backend", options=list(BACKENDS), default=BACKENDS[0], advanced=True,
                    tooltip="What runs the encoder. auto: onnxruntime.",
                ),
            ],
            outputs=[
                io.Custom("LOUPE_IDENTITY").Output("identity", tooltip="With the calibration in it: save it with Save Identity."),
                io.Float.Output("weight", tooltip="Suggested, for Apply Identity; 0.8 where none is."),
                io.Image.Output("plot", tooltip="The cosine over the weight, with the curve."),
                io.Image.Output("grid", tooltip="All pictures: weights across, seeds down."),
                io.String.Output("report", tooltip="What was measured, and how far to believe it."),
                io.String.Output("json", tooltip="All figures."),
            ],
            hidden=[io.Hidden.unique_id],
            enable_expand=True,
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, weights=EXAMPLE, seeds=3, first_seed=0, **given) -> io.NodeOutput:
        tested = weights_to_render(weights, seeds)
        if not IN_COMFYUI:
            raise RuntimeError(
                "Identity Calibrate lays out a graph of samplers, which only ComfyUI can run: run it there."
            )
        prefix = f"{cls.hidden.unique_id}.calibrate."
        graph, outputs = lay_out(
            prefix, tested, range(first_seed, first_seed + seeds), given, settings_words(given)
        )
        return io.NodeOutput(*outputs, expand=graph)
