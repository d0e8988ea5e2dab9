"""Identity ControlNet, as ComfyUI sees it."""

from ..host import io
from .control.control import MOST_STRENGTH, When, control_identity, controlled_words
from .control.points import MOST_SIDE


class IdentityControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeIdentityControlNet",
            display_name="Identity ControlNet",
            category="Loupe/identity",
            description="InstantID's other half: its ControlNet is shown the five points of the face and told the "
            "identity's tokens in place of the prompt.",
            search_aliases=["instantid", "identitynet", "apply instantid", "face keypoints", "kps"],
            inputs=[
                io.Custom("CONDITIONING").Input("positive", tooltip="The positive prompt. In its half of sampling the ControlNet is told who the identity is."),
                io.Custom("CONDITIONING").Input("negative", tooltip="The negative prompt. In its half the ControlNet is told of nobody."),
                io.Custom("CONTROL_NET").Input("control_net", tooltip="InstantID's, of Load ControlNet Model."),
                io.Custom("LOUPE_IDENTITY_ADAPTER").Input(
                    "adapter", tooltip="InstantID, of Load Identity Adapter."
                ),
                io.Custom("LOUPE_IDENTITY").Input("identity", tooltip="Of Identity Profile or Load Identity."),
                io.Custom("LOUPE_FACES").Input(
                    "faces", tooltip="Of Find Faces: where and how the face shall stand. Five points; anybody's face."
                ),
                io.Float.Input(
                    "strength", default=0.8, min=0.0, max=MOST_STRENGTH, step=0.05,
                    tooltip="0.8 as published. Less leaves more freedom to pose and colour.",
                ),
                io.Float.Input(
                    "start", default=0.0, min=0.0, max=1.0, step=0.01,
                    tooltip="Share of sampling at which it begins; 0 is pure noise.",
                ),
                io.Float.Input(
                    "end", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="Share of sampling at which it ends."
                ),
                io.Int.Input(
                    "width", default=0, min=0, max=MOST_SIDE, step=8,
                    tooltip="Of the new picture, px. 0: the plan's, or that of faces.",
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=MOST_SIDE, step=8, tooltip="Of the new picture, px: set both, or neither."
                ),
                io.Float.Input(
                    "noise", default=0.0, min=0.0, max=1.0, step=0.05, advanced=True,
                    tooltip="As in Apply Identity: noise in place of zeros for the negative prompt.",
                ),
                io.Custom("LOUPE_CROP_PLAN").Input(
                    "plan", optional=True, tooltip="Of Plan Crop: the points as they fall into its crops."
                ),
                io.Mask.Input("mask", optional=True, tooltip="Where it acts. Stretched over the picture."),
            ],
            outputs=[
                io.Custom("CONDITIONING").Output("positive", tooltip="A copy with the ControlNet on it."),
                io.Custom("CONDITIONING").Output("negative", tooltip="The same for the negative prompt."),
                io.Image.Output("hint", tooltip="The drawing that the ControlNet is shown."),
                io.String.Output("report", tooltip="What it is shown and told, and when it acts."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls, positive, negative, control_net, adapter, identity, faces,
        strength=0.8, start=0.0, end=1.0, width=0, height=0, noise=0.0, plan=None, mask=None,
    ) -> io.NodeOutput:  # fmt: skip
        when = When(strength, start, end)
        done = control_identity(
            positive, negative, control_net, adapter, identity, faces, when,
            plan=plan, size=(width, height), mask=mask, noise=noise,
        )  # fmt: skip
        report = controlled_words(done, adapter, identity, faces, when)
        return io.NodeOutput(
            done.positive, done.negative, done.hint, report, ui={"loupe_report": [report]}
        )
