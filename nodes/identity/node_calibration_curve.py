"""Calibration Curve, as ComfyUI sees it."""

from datetime import date

from ..framing.detect.files import state_of
from ..framing.find import FOLDER_KINDS
from ..host import io, model_folders, progress
from .apply.planned import factor_of, planned_size
from .calibration.calibrate import calibrate
from .calibration.measure import measure, numbers_of, renders_of
from .calibration.weights import EXAMPLE, MOST_RENDERS
from .encode.arcface import BACKENDS, ENCODERS, open_encoders
from .injection.weight import MODES


class CalibrationCurve(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        image = io.Image.Input(
            "image", optional=True, tooltip="A picture, a list of them, or a batch of one weight and seed."
        )  # fmt: skip
        return io.Schema(
            node_id="LoupeCalibrationCurve",
            display_name="Calibration Curve",
            category="Loupe/identity",
            description="How likeness grows with the identity's weight, from pictures that were rendered at several: a curve "
            "with its errors, and the smallest weight that brings nearly all it can. Identity Calibrate renders and links them.",
            search_aliases=["best weight", "likeness curve", "weight sweep"],
            inputs=[
                io.Autogrow.Input(
                    "images",
                    template=io.Autogrow.TemplatePrefix(input=image, prefix="image", min=1, max=MOST_RENDERS),
                    tooltip="Rendered with the same settings but the weight.",
                ),
                io.String.Input(
                    "weights", default=EXAMPLE, tooltip="Of Apply Identity, one for each image, in their order."
                ),
                io.String.Input(
                    "seeds", default="", tooltip="One for each image. Empty: the images of each weight are counted."
                ),
                io.Custom("LOUPE_IDENTITY").Input("identity", tooltip="The identity that was applied."),
                io.Custom("LOUPE_IDENTITY_ADAPTER").Input("adapter", tooltip="The adapter that it was applied with."),
                io.Custom("MODEL").Input("model", tooltip="The base model: a calibration holds for it alone."),
                io.Combo.Input(
                    "prominence", options=list(MODES), default=MODES[0],
                    tooltip="As on Apply Identity when it was rendered. Needs plan or faces.",
                ),
                io.Custom("LOUPE_CROP_PLAN").Input("plan", optional=True, tooltip="As on Apply Identity."),
                io.Custom("LOUPE_FACES").Input("faces", optional=True, tooltip="As on Apply Identity."),
                io.Float.Input(
                    "weight_list", default=0.0, optional=True, force_input=True,
                    tooltip="In place of weights: the list of numbers that Apply Identity was given.",
                ),
                io.Combo.Input(
                    "encoder", options=list(ENCODERS), default=ENCODERS[0],
                    tooltip="What measures likeness. all found: the first that the adapter does not follow.",
                ),
                io.Combo.Input(
                    "backend", options=list(BACKENDS), default=BACKENDS[0], advanced=True,
                    tooltip="What runs the encoder. auto: onnxruntime.",
                ),
                io.String.Input(
                    "how", default="", advanced=True, tooltip="The other settings, in your words: kept with the curve."
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
            is_input_list=True,
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, **_) -> str:
        """A pack that was put there since is used."""
        return state_of([folder for kind in FOLDER_KINDS for folder in model_folders(kind)])

    @classmethod
    def execute(
        cls, images, weights, identity, adapter, model, seeds=None, prominence=None, plan=None, faces=None,
        weight_list=None, encoder=None, backend=None, how=None,
    ) -> io.NodeOutput:  # fmt: skip
        folders = {kind: model_folders(kind) for kind in FOLDER_KINDS}
        renders = renders_of(
            _pictures(images), numbers_of(weights, weight_list or []), ",".join(seeds or [])
        )
        mode = _single(prominence, MODES[0])
        factor = factor_of(mode, planned_size(_single(plan, None), _single(faces, None)))
        opened = open_encoders(
            folders["insightface"], _single(encoder, ENCODERS[0]), _single(backend, BACKENDS[0])
        )
        used = _single(adapter, None)
        measured = measure(
            renders, _single(identity, None), opened.encoders, folders, factor=factor, steering=used.encoder,
            progress=progress,
        )  # fmt: skip
        done = calibrate(
            measured, _single(identity, None), used, _single(model, None), factor=factor,
            how=_single(how, ""), created=date.today().isoformat(), remarks=opened.remarks,
        )  # fmt: skip
        return io.NodeOutput(
            done.identity, done.weight, done.plot, done.grid, done.report, done.json,
            ui={"loupe_report": [done.report]},
        )  # fmt: skip


def _pictures(images):
    """Of all sockets, in the order of their numbers."""
    sockets = sorted(images, key=lambda name: int(name.removeprefix("image")))
    return [one for name in sockets for one in images[name] or () if one is not None]


def _single(given, otherwise):
    """The first of an input that arrives as a list, or what stands for it."""
    return given[0] if given and given[0] is not None else otherwise
