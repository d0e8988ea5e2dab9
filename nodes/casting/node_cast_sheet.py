"""Cast Sheet, as ComfyUI sees it."""

import json

from ..comparison.captions import NOTHING, caption_of
from ..comparison.node_compare_panel import graph_in_file
from ..comparison.regions import PLATE_REGIONS
from ..framing.detect.files import state_of
from ..framing.find import FOLDER_KINDS
from ..host import io, model_folders, progress
from ..identity.encode.arcface import open_encoders
from ..identity.own_files import state_of as state_of_own
from .gather import Socket, gather_takes
from .likeness import likeness_of_takes
from .listed import listed, number_of, single
from .realism import FOLDER, SHIPPED, evidence_of, list_corridors, load_corridor
from .sheet import draw_sheet
from .take import Cast
from .words import as_json, write_report

MOST_SOCKETS = 16
REGION = "left cheek"


class CastSheet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        take = io.Image.Input(
            "take", tooltip="The takes of one model: a picture, a batch, or a list of either."
        )
        return io.Schema(
            node_id="LoupeCastSheet",
            display_name="Cast Sheet",
            category="Loupe/casting",
            description="Takes of several models beside each other, the same region at the same scale, ranked by how "
            "far the skin's texture is from that of real photographs. Blank, doubled and faceless ones are named.",
            search_aliases=["contact sheet", "casting", "best of n", "rank images", "realism score"],
            inputs=[
                io.Autogrow.Input(
                    "takes",
                    template=io.Autogrow.TemplatePrefix(
                        input=take, prefix="take", min=1, max=MOST_SOCKETS
                    ),
                    tooltip="A socket for each model. Sizes may differ; nothing is scaled.",
                ),
                io.String.Input(
                    "labels",
                    default="",
                    multiline=True,
                    tooltip="A line for each socket. An empty one takes the model's name from the graph.",
                ),
                io.Int.Input(
                    "seeds", optional=True, force_input=True, tooltip="Of Cast Brief: the first is that of each socket's first call."
                ),
                io.String.Input(
                    "prompt", optional=True, force_input=True, tooltip="Of Cast Brief. Not linked: what the graph says."
                ),
                io.Combo.Input(
                    "region",
                    options=list(PLATE_REGIONS),
                    default=REGION,
                    tooltip="What the sheet shows of every face. Left and right are the picture's.",
                ),
                io.Custom("LOUPE_IDENTITY").Input(
                    "identity",
                    optional=True,
                    tooltip="Tells how like it each take is; the rank does not change.",
                ),
                io.Combo.Input(
                    "corridor",
                    options=list_corridors(model_folders(FOLDER)),
                    default=SHIPPED,
                    tooltip=f"The real photographs that takes are held against. Your own: Realism Calibrate, models/{FOLDER}.",
                ),
            ],
            outputs=[
                io.Custom("LOUPE_CAST").Output("cast", tooltip="For Cast Lock."),
                io.Image.Output("sheet", tooltip="Every take at the region, with number, rank and reason."),
                io.String.Output("report", tooltip="Rank, reason and figures of every take, and why others were rejected."),
                io.String.Output("json", tooltip="All of it."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            is_input_list=True,
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, corridor=None, takes=None) -> bool | str:
        """True, or why there is no such corridor: ComfyUI's own list is as old as the page.

        ComfyUI hands over ``takes`` as well, as it does every group of sockets. No ``**_``: that would
        switch off its own checks of all other inputs.
        """
        name = single(corridor, SHIPPED)
        known = list_corridors(model_folders(FOLDER))
        if name in known:
            return True
        return (
            f"corridor must be one of {', '.join(known)} (models/{FOLDER}); got {str(name)[:80]!r}"
        )

    @classmethod
    def fingerprint_inputs(cls, **_) -> str:
        """A corridor or a detector that was put there since is used."""
        kinds = [folder for kind in FOLDER_KINDS for folder in model_folders(kind)]
        return f"{state_of(kinds)}\n{state_of_own(model_folders(FOLDER))}"

    @classmethod
    def execute(
        cls, takes=None, labels=None, seeds=None, prompt=None, region=None, identity=None, corridor=None
    ) -> io.NodeOutput:  # fmt: skip
        real = load_corridor(single(corridor, SHIPPED), model_folders(FOLDER))
        region, prompt = single(region, REGION), single(prompt, "")
        gathered = gather_takes(
            cls._sockets(takes, single(labels, "")),
            seeds=[one for one in seeds or [] if one is not None],
            prompt=prompt,
            folders={kind: model_folders(kind) for kind in FOLDER_KINDS},
            judge=lambda picture, face: evidence_of(picture, face, real),
            progress=progress,
        )
        known, notes = single(identity, None), gathered.notes
        likeness = {}
        if known is not None:
            opened = open_encoders(model_folders("insightface"))
            likeness, remarks = likeness_of_takes(gathered.takes, known, opened)
            notes = (*notes, *remarks)
        told = {
            "corridor": real.key,
            "region": region,
            "faces_backend": gathered.faces_backend,
            "likeness": likeness,
            "notes": notes,
        }
        report = write_report(gathered.takes, **told)
        cast = Cast(gathered.takes, region, prompt, real.key, report, gathered.faces_backend)
        return io.NodeOutput(
            cast,
            draw_sheet(cast),
            report,
            json.dumps(as_json(gathered.takes, prompt=prompt, **told), allow_nan=False),
            ui={"loupe_report": [report]},
        )

    @classmethod
    def _sockets(cls, takes, labels):
        """What arrived at each socket, with its label and what the graph says of it."""
        lines = labels.splitlines()
        sockets = []
        for name, values in listed(takes).items():
            made = NOTHING
            if cls.hidden and cls.hidden.prompt:
                graph, own = cls.hidden.prompt, cls.hidden.unique_id
                made = caption_of(graph, own, f"takes.{name}", graph_in_file)
            label = next(iter(lines[number_of(name) :]), "")
            sockets.append(Socket(name, values, label, made))
        return sockets
