"""Reference Weight, as ComfyUI sees it."""

from ..host import io, model_hooks
from .references.apply import weigh_references
from .references.report import weighed_words
from .references.settings import REFERENCE_TOKENS, Settings
from .references.weights import EXAMPLE, MOST_WEIGHT


class ReferenceWeight(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeReferenceWeight",
            display_name="Reference Weight",
            category="Loupe/identity",
            description="Exact weights for the reference pictures of edit models: each multiplies the odds of reading that "
            "reference in all attention. 1 changes nothing, 0 is no reference, 2 is having it twice.",
            search_aliases=["reference strength", "kontext strength", "reference latent weight", "edit model", "flux.2", "qwen image edit", "z-image omni"],
            inputs=[
                io.Custom("MODEL").Input(
                    "model", tooltip="Flux Kontext, Flux.2, Qwen-Image-Edit, Z-Image Omni, Krea 2, Mage-Flow."
                ),
                io.Custom("CONDITIONING").Input(
                    "conditioning", tooltip="With the references, as it goes to the sampler: link it there too."
                ),
                io.Float.Input(
                    "weight", default=1.0, min=0.0, max=MOST_WEIGHT, step=0.05,
                    tooltip="Odds of every reference. 1: as it was, to the bit. 0: no reference. 2: each twice.",
                ),
                io.String.Input(
                    "weights", default="",
                    tooltip=f"One a reference in place of weight, such as {EXAMPLE}; * is the rest.",
                ),
                io.Float.Input(
                    "start", default=0.0, min=0.0, max=1.0, step=0.01,
                    tooltip="Share of sampling at which it begins; 0 is pure noise. Outside, references are at 1.",
                ),
                io.Float.Input(
                    "end", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="Share of sampling at which it ends."
                ),
                io.Float.Input(
                    "fade_in", default=0.0, min=0.0, max=1.0, step=0.01, advanced=True,
                    tooltip="Share of sampling over which it comes, after start: log(weight) in a straight line.",
                ),
                io.Float.Input(
                    "fade_out", default=0.0, min=0.0, max=1.0, step=0.01, advanced=True,
                    tooltip="Share of sampling over which it goes, before end.",
                ),
                io.Boolean.Input(
                    "size_invariant", default=False,
                    tooltip=f"A larger reference has more tokens and pulls more. On: times {REFERENCE_TOKENS} / its tokens; 1024 x 1024 px is 1.",
                ),
                io.Mask.Input(
                    "region", optional=True, tooltip="Of the new picture: only there are references weighed. Slower."
                ),
                io.Custom("LOUPE_CROP_PLAN").Input(
                    "plan", optional=True, tooltip="Of Plan Crop: its face is such a region. Times region."
                ),
                io.Mask.Input(
                    "reference_region", optional=True,
                    tooltip="Of the references: only that part is weighed. One for each, or one for all.",
                ),
                io.Custom("LOUPE_FACES").Input(
                    "reference_faces", optional=True,
                    tooltip="Of Find Faces, in the references as they are encoded: their faces are such regions.",
                ),
            ],
            outputs=[
                io.Custom("MODEL").Output("model", tooltip="With the weights. Apply others after it: they multiply."),
                io.String.Output("report", tooltip="Which reference, by which weight, where and when."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model,
        conditioning,
        region=None,
        plan=None,
        reference_region=None,
        reference_faces=None,
        **chosen,
    ) -> io.NodeOutput:
        settings = Settings(**chosen)
        weighed = weigh_references(
            model,
            conditioning,
            settings,
            model_hooks(),
            region=region,
            plan=plan,
            reference_region=reference_region,
            reference_faces=reference_faces,
        )
        report = weighed_words(weighed, settings)
        return io.NodeOutput(weighed.model, report, ui={"loupe_report": [report]})
