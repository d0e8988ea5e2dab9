"""The Close-Up Prompt node, as ComfyUI sees it."""

import json

from ..host import io, model_folders
from .own_files import state_of
from .prompt.phrases import FIELDS, FROM_PRESET, NOT_SAID
from .prompt.prompt import AGE_FROM_PRESET, AGE_NOT_SAID, FORMATS, build_prompts, find_preset
from .prompt.read_phrases import FOLDER, shipped, with_own
from .prompt.vary import COMBINES, VARIED, WIDGETS


def _field(name, tooltip, default=FROM_PRESET):
    """A choice of the pack's options; the preset's, or none."""
    options = [FROM_PRESET, *shipped().fields[name].options, *([] if name == "region" else [NOT_SAID])]  # fmt: skip
    return io.Combo.Input(name, options=options, default=default, tooltip=tooltip)


def _list(name, tooltip):
    return io.String.Input(WIDGETS[name], default="", tooltip=tooltip)


class CloseUpPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        phrases, _ = with_own(shipped(), model_folders(FOLDER))
        presets = [*phrases.presets, *phrases.own]
        every = "Names of options with commas, or * for all. Empty: does not vary."
        return io.Schema(
            node_id="LoupeCloseUpPrompt",
            display_name="Close-Up Prompt",
            category="Loupe/identity",
            description=(
                "The prompt of an extreme close-up that reads real, from a photographer's fields, one or as a "
                "set over ages, skin types, make-up and lights. Says which choices fight each other."
            ),
            search_aliases=[
                "macro portrait", "skin texture", "pores", "iris", "prompt builder", "beauty shot",
                "prompt list", "fitzpatrick", "realistic skin",
            ],
            inputs=[
                io.Combo.Input("preset", options=presets, default=presets[0],
                               tooltip=f"Fills every field that is on {FROM_PRESET!r}; fields set by hand win. Your own, of "
                               f"files in models/{FOLDER}, come last; press R for new ones."),
                io.String.Input("subject", default="",
                                tooltip="Who it is, with the trigger word of a LoRA. Empty: a person."),
                _field("region", "What fills the frame. Only words for what it shows are written."),
                io.Int.Input("age", default=AGE_FROM_PRESET, min=AGE_NOT_SAID, max=100,
                             tooltip="Years. 0: from the preset. -1: not said. Below 18 natural portraits only."),
                _field("skin_type", "Fitzpatrick type I to VI, in plain words."),
                _field("skin_detail", "Pores, freckles, sheen, marks."),
                _field("make_up", "Written for the parts that the region shows."),
                _field("glasses", "Sunglasses hide iris and lashes: their words are left out."),
                _field("iris", "Colour and structure. The catchlight comes with the light."),
                _field("lashes", "Of the upper lid."),
                _field("brows", "Shape and hair."),
                _field("light", "With the catchlight that it makes."),
                _field("palette", "Colour of the whole picture."),
                _field("lens", "Where the focus lies comes with it; in sentences its f-number too."),
                _field("background", "absent: the face fills the frame and no word of it is written. Only 'face and hair' "
                       "shows another.", default="absent"),
                io.String.Input("extra", default="", multiline=True,
                                tooltip="Added at the end as it is typed, emphasis too."),
                io.Combo.Input("format", options=list(FORMATS), default=FORMATS[0],
                               tooltip="sentences: Flux, Qwen-Image, Z-Image. tags with emphasis: SD1.5, SDXL."),
                _list("age", "Such as 25, 45, 70. Empty: does not vary."),
                _list("skin_type", every + " Numerals are enough: II, IV, VI."),
                _list("make_up", every),
                _list("light", every),
                io.Combo.Input("combine", options=list(COMBINES), default=COMBINES[0],
                               tooltip="grid: all combinations, the last list changes fastest, at most 256. row by "
                               "row: first with first; shorter lists repeat their last."),
            ],
            outputs=[
                io.String.Output("prompt", is_output_list=True, tooltip="One for every picture of the set."),
                io.String.Output("negative", is_output_list=True,
                                 tooltip="Holds no word of its prompt. Flux, and turbo models, do not read it."),
                io.String.Output("terms", is_output_list=True, tooltip="JSON for Identity Audit."),
                io.String.Output("label", is_output_list=True, tooltip="What varies, for plates; empty where nothing does."),
                io.Int.Output("count", tooltip="How many prompts."),
                io.String.Output("report", tooltip="Fields, where each is from, and conflicts with what to change."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, preset=None) -> bool | str:
        """True, or why there is no such preset: ComfyUI's own list is as old as the page."""
        phrases, _ = with_own(shipped(), model_folders(FOLDER))
        try:
            return preset is None or bool(find_preset(phrases, preset))
        except ValueError as refusal:
            return str(refusal)

    @classmethod
    def fingerprint_inputs(cls, **_) -> str:
        """Own files that have changed are read again."""
        return state_of(model_folders(FOLDER))

    @classmethod
    def execute(
        cls, preset, subject="", age=AGE_FROM_PRESET, extra="", format=FORMATS[0],
        combine=COMBINES[0], **values,
    ) -> io.NodeOutput:  # fmt: skip
        phrases, remarks = with_own(shipped(), model_folders(FOLDER))
        built = build_prompts(
            phrases, preset=preset, subject=subject, age=age, extra=extra,
            fields={name: values[name] for name in FIELDS if name in values},
            vary={name: values.get(WIDGETS[name], "") for name in VARIED},
            format=format, combine=combine, remarks=remarks,
        )  # fmt: skip
        items = built.items
        return io.NodeOutput(
            [item.prompt for item in items],
            [item.negative for item in items],
            [json.dumps(item.terms) for item in items],
            [item.label for item in items],
            len(items),
            built.report,
            ui={"loupe_report": [built.report]},
        )
