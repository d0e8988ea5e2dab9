"""Identity Profile, as ComfyUI sees it."""

import json

from ..framing.detect.files import state_of
from ..framing.find import FOLDER_KINDS
from ..host import io, model_folders, pack_version, progress
from .aggregate import LIMIT
from .encode.arcface import BACKENDS, ENCODERS, open_encoders
from .gather import build_identity
from .several import SEVERAL
from .sheet import aligned_faces, draw_sheet

MOST_SOCKETS = 32


class IdentityProfile(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        photo = io.Image.Input(
            "photo", optional=True, tooltip="One photo, a batch, or a list of photos."
        )
        faces = io.Custom("LOUPE_FACES").Input(
            "faces",
            optional=True,
            tooltip="Of Find Faces in the photo of the same number. Without it the photo is searched.",
        )
        return io.Schema(
            node_id="LoupeIdentityProfile",
            display_name="Identity Profile",
            category="Loupe/identity",
            description="One or many photos of a person become a profile: embeddings kept apart by encoder, weighted "
            "by quality, strangers found and shown face by face. Nothing is downloaded.",
            search_aliases=[
                "face embedding", "faceid", "arcface", "insightface", "instantid", "pulid", "reference faces",
            ],
            inputs=[
                io.Autogrow.Input(
                    "photos",
                    template=io.Autogrow.TemplatePrefix(
                        input=photo, prefix="photo", min=0, max=MOST_SOCKETS
                    ),
                    tooltip="Of one person; 5 to 12 are good. Sizes may differ.",
                ),
                io.Autogrow.Input(
                    "faces",
                    template=io.Autogrow.TemplatePrefix(
                        input=faces, prefix="faces", min=0, max=MOST_SOCKETS
                    ),
                    tooltip="faces0 belongs to photo0.",
                ),
                io.Custom("LOUPE_IDENTITY").Input(
                    "identity",
                    optional=True,
                    tooltip="Photos are added to it. Without photos the encoders here embed its stored faces.",
                ),
                io.String.Input("name", default="", tooltip="Whose identity. Empty: as before."),
                io.Combo.Input(
                    "encoder",
                    options=list(ENCODERS),
                    default=ENCODERS[0],
                    tooltip="w600k_r50 for IP-Adapter FaceID, glintr100 for InstantID and PuLID. Adapters take no other's.",
                ),
                io.String.Input(
                    "overrides",
                    default="",
                    placeholder="+3 -5",
                    tooltip="+3 keeps face 3 whatever its score, -5 rejects face 5. Numbers as on the sheet.",
                ),
                io.Combo.Input(
                    "several",
                    options=list(SEVERAL),
                    default=SEVERAL[0],
                    tooltip="Which face of a photo with several. most alike: the one that the other photos show too.",
                ),
                io.String.Input(
                    "consent",
                    default="",
                    multiline=True,
                    advanced=True,
                    tooltip="Whose face this is and that they agree. Kept in the profile.",
                ),
                io.Combo.Input(
                    "backend",
                    options=list(BACKENDS),
                    default=BACKENDS[0],
                    advanced=True,
                    tooltip="What runs the encoder. auto is onnxruntime.",
                ),
                io.Float.Input(
                    "impostor_limit",
                    default=LIMIT,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Faces whose likeness to the others is below this share of the median are rejected. 0 keeps all.",
                ),
                io.Boolean.Input(
                    "store_crops",
                    default=True,
                    advanced=True,
                    tooltip="Keeps the aligned faces, so that other encoders can embed them later.",
                ),
            ],
            outputs=[
                io.Custom("LOUPE_IDENTITY").Output("identity", tooltip="For Save Identity and all that use it."),
                io.Image.Output("sheet", tooltip="Every face with its number, quality, score and fate."),
                io.Image.Output("aligned", tooltip="The kept faces, 512 px, best first."),
                io.String.Output("report", tooltip="In plain words, with each rejection and how to override it."),
                io.String.Output("json", tooltip="All figures. No embeddings."),
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
        cls, photos=None, faces=None, identity=None, name=None, encoder=None, overrides=None, several=None,
        consent=None, backend=None, impostor_limit=None, store_crops=None,
    ) -> io.NodeOutput:  # fmt: skip
        pictures, found = _paired(photos, faces)
        opened = open_encoders(
            model_folders("insightface"),
            _single(encoder, ENCODERS[0]),
            _single(backend, BACKENDS[0]),
        )
        built = build_identity(
            pictures,
            found,
            encoders=opened.encoders,
            name=_single(name, ""),
            consent=_single(consent, ""),
            base=_single(identity, None),
            overrides=_single(overrides, ""),
            several=_single(several, SEVERAL[0]),
            limit=_single(impostor_limit, LIMIT),
            store_crops=_single(store_crops, True),
            progress=progress,
            folders={kind: model_folders(kind) for kind in FOLDER_KINDS},
            tool=f"portrait-loupe {pack_version()}".strip(),
            notes=opened.remarks,
        )
        return io.NodeOutput(
            built.identity,
            draw_sheet(built.shown),
            aligned_faces(built.shown),
            built.report,
            json.dumps(built.identity.as_json(), allow_nan=False),
            ui={"loupe_report": [built.report]},
        )


def _single(value, default):
    """What a list of one holds: every input of this node arrives as a list."""
    if isinstance(value, (list, tuple)):
        value = next((one for one in value if one is not None), None)
    return default if value is None else value


def _listed(group):
    """Socket number to the list of what arrived there; empty sockets are left out."""
    if isinstance(group, (list, tuple)):
        group = group[0] if group else None
    listed = {}
    for socket, values in (group or {}).items():
        values = values if isinstance(values, (list, tuple)) else [values]
        values = [one for one in values if one is not None]
        if values:
            listed[int("".join(filter(str.isdigit, socket)) or 0)] = values
    return listed


def _paired(photos, faces):
    """The photos in the order of their sockets, and for each its faces or None."""
    shown, found = _listed(photos), _listed(faces)
    pictures, theirs = [], []
    for socket, values in sorted(shown.items()):
        mine = found.pop(socket, None) or [None] * len(values)
        if len(mine) != len(values):
            raise ValueError(
                f"faces{socket} holds {len(mine)} entries, photo{socket} holds {len(values)}: link Find Faces to "
                "the same photos, or unlink it"
            )
        pictures += values
        theirs += mine
    if found:
        socket = min(found)
        raise ValueError(
            f"faces{socket} belongs to photo{socket}, which is not linked: link the photo, or unlink the faces"
        )
    return pictures, theirs
