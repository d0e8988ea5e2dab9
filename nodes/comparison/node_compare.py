"""Compare, as ComfyUI sees it."""

import json

from ...kernels.resample import KERNELS
from ..host import io, model_folders, pack_version, progress, temp_folder
from ..typography import find_font
from .captions import NOTHING, caption_of
from .design import MOST_ZOOM, PLACES, POLICIES, Settings
from .layout import FREE, LARGEST, PLATES, SMALLEST, plate_size
from .locks import LOCKS, ROLLS, lock
from .manifest import write_manifest
from .node_compare_panel import graph_in_file
from .panels import MOST, gather
from .plate import compare
from .regions import CUSTOM, PLATE_REGIONS, regions_of
from .viewer import UI_KEY, view_payload


class Compare(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        panel = io.MultiType.Input(
            "panel",
            [io.Image, io.Custom("LOUPE_PANEL")],
            tooltip="A picture, a batch, or a Compare Panel.",
        )
        return io.Schema(
            node_id="LoupeCompare",
            display_name="Compare",
            category="Loupe/comparison",
            description="The same region of 2 to 16 faces side by side at the same scale, each panel cut from its "
            "source in one honest resample: exact area, linear light, nothing sharpened.",
            search_aliases=["image compare", "side by side", "xy plot", "grid", "extreme crop"],
            inputs=[
                io.Autogrow.Input(
                    "panels",
                    template=io.Autogrow.TemplatePrefix(
                        input=panel, prefix="panel", min=1, max=MOST
                    ),
                    tooltip="2 to 16 entries; every picture of a batch is one.",
                ),
                io.Custom("LOUPE_FACES").Input(
                    "faces",
                    optional=True,
                    tooltip="For panels that are bare pictures. Without it each is searched for its face.",
                ),
                io.Combo.Input(
                    "region",
                    options=[*PLATE_REGIONS, CUSTOM],
                    default="eyes",
                    tooltip="Left and right are the picture's. custom box: the bounding_box of each Compare Panel.",
                ),
                io.Combo.Input(
                    "plate",
                    options=[*PLATES, FREE],
                    default="4:5 1080x1350",
                    tooltip="Width and height in px; of prints in cm.",
                ),
                io.Int.Input(
                    "width",
                    default=1600,
                    min=SMALLEST,
                    max=LARGEST,
                    tooltip="Of a free plate, px.",
                ),
                io.Int.Input(
                    "height",
                    default=1200,
                    min=SMALLEST,
                    max=LARGEST,
                    tooltip="Of a free plate, px.",
                ),
                io.String.Input(
                    "title", default="", tooltip="Above the panels. Empty: the region's name."
                ),
                io.String.Input(
                    "labels",
                    default="",
                    multiline=True,
                    tooltip="A line for each panel: its name, and after a vertical bar its second line. An empty line keeps the panel's own.",
                ),
                # Optional, so that prompts saved before they existed still run.
                io.Combo.Input(
                    "policy",
                    options=list(POLICIES),
                    default=POLICIES[0],
                    optional=True,
                    tooltip="same region: the same part of every face. native: one whole zoom for all, true source pixels. "
                    "levelled: all reduced to the pixels of the poorest first, so that resolution does not decide.",
                ),
                io.Int.Input(
                    "native_zoom",
                    default=0,
                    min=0,
                    max=MOST_ZOOM,
                    optional=True,
                    tooltip="Plate pixels per source pixel of the policy native; 0 takes what fits the region.",
                ),
                io.Combo.Input(
                    "lock_scale",
                    options=list(LOCKS),
                    default=LOCKS[0],
                    optional=True,
                    tooltip="What is equally large in all panels: the distance between the eyes, the similarity of eyes, nose and "
                    "mouth, or the iris, which is nearly the same in all adults.",
                ),
                io.Combo.Input(
                    "roll",
                    options=list(ROLLS),
                    default=ROLLS[0],
                    optional=True,
                    tooltip="keep: the head's tilt stays. level: the eyes are brought level inside the one resample.",
                ),
                io.Combo.Input(
                    "kernel",
                    options=list(KERNELS),
                    default=KERNELS[0],
                    optional=True,
                    tooltip="area is exact and sharpens nothing. mitchell and lanczos3 overshoot edges, and the plate says so.",
                ),
                io.Boolean.Input(
                    "show_figures",
                    default=False,
                    optional=True,
                    tooltip="Writes measured texture, flat skin and halos under each panel; the figures output has them always.",
                ),
                io.Boolean.Input(
                    "blind",
                    default=False,
                    optional=True,
                    tooltip="Letters instead of names, in an order that blind_seed draws; blind_key tells which is which.",
                ),
                io.Int.Input(
                    "blind_seed",
                    default=0,
                    min=0,
                    max=2**31 - 1,
                    optional=True,
                    tooltip="Of the order of a blind plate.",
                ),
                io.String.Input(
                    "slides",
                    default="",
                    optional=True,
                    placeholder="lips, left eye",
                    tooltip="More regions, parted by commas: a carousel of one slide each, and one that tells the method.",
                ),
                io.Combo.Input(
                    "label_place",
                    options=list(PLACES),
                    default=PLACES[0],
                    optional=True,
                    tooltip="below covers no pore. on the picture: larger panels, letters legible on any pixels.",
                ),
                io.Boolean.Input(
                    "show_method",
                    default=True,
                    optional=True,
                    tooltip="The line at the foot that tells how the panels were made. Hidden, the manifest says so.",
                ),
                io.String.Input(
                    "font",
                    default="",
                    optional=True,
                    placeholder="MyFont.ttf",
                    tooltip="A font file in ComfyUI's models/fonts folder. What it lacks is drawn with others.",
                ),
                io.Boolean.Input(
                    "auto_caption",
                    default=True,
                    optional=True,
                    tooltip="Names bare pictures after the model that the graph names.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "plate", tooltip="The labelled plate; with slides a batch, the plate first."
                ),
                io.Image.Output("panels", tooltip="The panels alone, as a batch of equal size."),
                io.String.Output(
                    "report", tooltip="Zoom and face size of every panel, and how it was sampled."
                ),
                io.Image.Output("blind_key", tooltip="Which letter is which entry."),
                io.String.Output("figures", tooltip="What was measured of each panel, JSON."),
                io.String.Output(
                    "manifest",
                    tooltip="For Save Plate. Rebuilds the plate byte for byte: python . plate FILE.json",
                ),
                io.Image.Output(
                    "difference",
                    tooltip="Each further panel against the first: colour difference, black 0 to yellow 20 (CIE76). "
                    "Hatched where they do not show the same.",
                ),
                io.Custom("LOUPE_PANELS").Output(
                    "sources",
                    tooltip="For Save Plate, where pictures made in this graph shall be kept to draw the plate again.",
                ),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        panels,
        region,
        plate,
        width,
        height,
        title,
        labels,
        faces=None,
        policy=POLICIES[0],
        native_zoom=0,
        lock_scale=LOCKS[0],
        roll=ROLLS[0],
        kernel=KERNELS[0],
        show_figures=False,
        blind=False,
        blind_seed=0,
        slides="",
        label_place=PLACES[0],
        show_method=True,
        font="",
        auto_caption=True,
    ) -> io.NodeOutput:
        settings = Settings(
            region=region,
            size=plate_size(plate, width, height),
            title=title,
            policy=policy,
            native_zoom=native_zoom,
            lock_scale=lock_scale,
            roll=roll,
            kernel=kernel,
            show_figures=show_figures,
            blind=blind,
            blind_seed=blind_seed,
            slides=regions_of(slides),
            label_place=label_place,
            show_method=show_method,
            font=str(find_font(font, model_folders("fonts"))) if font.strip() else "",
        )

        def caption(socket):
            if not (auto_caption and cls.hidden):
                return NOTHING
            prompt, own = cls.hidden.prompt, cls.hidden.unique_id
            return caption_of(prompt, own, f"panels.{socket}", graph_in_file)

        entries = gather(panels, faces, labels, caption, progress)
        made = compare(entries, settings, progress)
        report, shown = made.report, {}
        placed = [entries[index] for index in made.design.order]
        payload, note = view_payload(
            placed,
            made.design.slides[0],
            lock(placed, region, by=lock_scale, roll=roll),
            [panel.label for panel in placed],
            [None, *made.maps],
            region,
            blind,
            temp_folder(),
            progress=progress,
        )
        if payload:
            shown[UI_KEY] = [payload]
        if note:
            report += f"\n{note}"
        return io.NodeOutput(
            made.picture,
            made.panels,
            report,
            made.key,
            json.dumps(made.figures, indent=1),
            write_manifest(made, entries, settings, version=pack_version()),
            made.difference,
            entries,
            ui={"loupe_report": [report], **shown},
        )
