"""Injected Energy, as ComfyUI sees it."""

import json

from ..host import io
from .apply.draw_energy import as_json, draw_energy, energy_words
from .apply.measured import measured_of


class InjectedEnergy(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeInjectedEnergy",
            display_name="Injected Energy",
            category="Loupe/identity",
            description="How strong an identity was beside what it is added to, in every layer at every step of the last "
            "sampling.",
            search_aliases=["identity strength", "attention energy", "layer weights", "ipadapter debug"],
            inputs=[
                io.Custom("MODEL").Input("model", tooltip="The model that was sampled, of Apply Identity with energy on."),
                io.Custom("LATENT").Input("samples", tooltip="What the sampler made of it: so that this runs after it."),
            ],
            outputs=[
                io.Image.Output("map", tooltip="Layers from top to bottom, steps from left to right."),
                io.String.Output("report", tooltip="The map in words."),
                io.String.Output("json", tooltip="All figures."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, model, samples) -> io.NodeOutput:
        measured = measured_of(model)
        words = energy_words(measured)
        return io.NodeOutput(
            draw_energy(measured),
            words,
            json.dumps(as_json(measured), allow_nan=False),
            ui={"loupe_report": [words]},
        )
