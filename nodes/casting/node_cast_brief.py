"""Cast Brief, as ComfyUI sees it."""

from ..host import io, model_folders
from ..identity.own_files import state_of
from .brief import ASPECTS, MOST_SEED, MOST_TAKES, plan_brief
from .routing import FOLDER, NEEDS, load_routing


class CastBrief(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeCastBrief",
            display_name="Cast Brief",
            category="Loupe/casting",
            description="One brief for several models: the prompt, a seed for each take, one size, and models that are "
            "suggested for a need, each with its reason.",
            search_aliases=["casting", "seeds", "model suggestion", "best of n", "variations"],
            inputs=[
                io.String.Input("prompt", multiline=True, tooltip="The same for every model."),
                io.String.Input(
                    "negative", multiline=True, default="", tooltip="For models that take one; the report names those that do not."
                ),
                io.Int.Input(
                    "takes", default=4, min=1, max=MOST_TAKES, tooltip="How many pictures of each model."
                ),
                io.Int.Input(
                    "base_seed", default=0, min=0, max=MOST_SEED, tooltip="Take i has base_seed + i."
                ),
                io.Combo.Input(
                    "aspect", options=list(ASPECTS), default="4:5", tooltip="Width : height."
                ),
                io.Float.Input(
                    "megapixels", default=1.0, min=0.1, max=32.0, step=0.05, tooltip="1 is 1024x1024 px."
                ),
                io.Int.Input(
                    "multiple_of", default=64, min=1, max=256, tooltip="Width and height are multiples of this, px."
                ),
                io.Combo.Input(
                    "need",
                    options=list(NEEDS),
                    default=NEEDS[0],
                    tooltip=f"What the suggestions are ranked for. Your own: JSON files in models/{FOLDER}.",
                ),
            ],
            outputs=[
                io.String.Output("prompt", tooltip="As typed."),
                io.String.Output("negative", tooltip="As typed."),
                io.Int.Output(
                    "seeds",
                    is_output_list=True,
                    tooltip="A list: what it is linked to runs once for each. For samplers, and API nodes with n = 1.",
                ),
                io.Int.Output("width", tooltip="Pixels."),
                io.Int.Output("height", tooltip="Pixels."),
                io.Int.Output("takes", tooltip="For n or batch_size, where one call gives several; then leave seeds unlinked."),
                io.String.Output("report", tooltip="Seeds, the size that came out, and the suggestions."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, **_) -> str:
        """Hints that were written since are read."""
        return state_of(model_folders(FOLDER))

    @classmethod
    def execute(
        cls, prompt, negative="", takes=4, base_seed=0, aspect="4:5", megapixels=1.0, multiple_of=64, need=NEEDS[0]
    ) -> io.NodeOutput:  # fmt: skip
        brief = plan_brief(
            prompt,
            negative,
            load_routing(model_folders(FOLDER)),
            takes=takes,
            base_seed=base_seed,
            aspect=aspect,
            megapixels=megapixels,
            multiple_of=multiple_of,
            need=need,
        )
        return io.NodeOutput(
            brief.prompt,
            brief.negative,
            list(brief.seeds),
            brief.width,
            brief.height,
            takes,
            brief.report,
            ui={"loupe_report": [brief.report]},
        )
