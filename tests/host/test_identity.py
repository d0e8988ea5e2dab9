"""The identity room in a real ComfyUI: photos become a profile, the profile a file, and the file a measure.

The faces are drawn and the packs that know them are of kilobytes: see tests/onnx_packs.py. What ComfyUI
tells is held against the same functions called here, on the same pixels.
"""

import json
import pickle
import shutil
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_loupe.nodes.framing.find import find_faces
from portrait_loupe.nodes.host import pack_version
from portrait_loupe.nodes.host.outcome import Watch
from portrait_loupe.nodes.host.standin.graph import GraphError, NodeError
from portrait_loupe.nodes.host.workflow import slots_of
from portrait_loupe.nodes.identity.audit.audit import Asked, audit
from portrait_loupe.nodes.identity.audit.terms import read_lexicon
from portrait_loupe.nodes.identity.drift import drift
from portrait_loupe.nodes.identity.encode.arcface import open_encoders
from portrait_loupe.nodes.identity.gather import build_identity
from portrait_loupe.nodes.identity.node_prompt import CloseUpPrompt
from portrait_loupe.nodes.identity.store import save_identity

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = "identity_profile_and_audit"
ADA, BOB = 5, 9  # who is drawn
PACKS = ("buffalo_l", "antelopev2")
ENCODERS = {"glintr100", "w600k_r50"}
# Figures are rounded to four places; onnxruntime adds in an order of its own.
NEAR = {"rel": 1e-4, "abs": 2e-4}
SIZES = {"a": ((480, 560), 80), "b": ((640, 512), 96), "c": ((420, 700), 66)}


@pytest.fixture(scope="session")
def made_packs(face_pack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("insightface")
    for name in PACKS:
        face_pack(folder, name)
    return folder


@pytest.fixture
def models(host):
    """The host's models folder with no face pack and no identity, before and after."""
    folder = host.started.base / "models"

    def clear():
        for kind in ("insightface", "identity_profiles"):
            shutil.rmtree(folder / kind, ignore_errors=True)

    clear()
    yield folder
    clear()


@pytest.fixture
def packs(models, runs_onnx, made_packs):
    """Both packs, where the host looks for them."""
    return Path(shutil.copytree(made_packs, models / "insightface"))


@pytest.fixture(scope="session")
def photos(marker_face, tmp_path_factory):
    """Files of drawn people: three of Ada in three sizes, two more of one size, and both together."""
    folder = tmp_path_factory.mktemp("photos")

    def face(who, x, y, iod, roll=0.0):
        return {"x": x, "y": y, "iod": iod, "identity": who, "roll_deg": roll}

    drawn = {
        name: (size, [face(ADA, size[0] // 2, size[1] // 2, iod)])
        for name, (size, iod) in SIZES.items()
    }
    drawn["new"] = ((512, 512), [face(ADA, 260, 230, 88, 6)])
    drawn["other"] = ((512, 512), [face(BOB, 250, 240, 84, -4)])
    drawn["both"] = ((900, 500), [face(ADA, 220, 200, 60), face(BOB, 640, 220, 90)])
    for name, (size, faces) in drawn.items():
        pixels, _ = marker_face(size, faces)
        Image.fromarray((pixels * 255).round().astype(np.uint8)).save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in drawn}


def tensor(file):
    """A photo as ComfyUI's Load Image gives it."""
    with Image.open(file) as picture:
        return torch.from_numpy(np.asarray(picture.convert("RGB")).astype(np.float32) / 255)[None]


def built_here(photos, packs, names, **other):
    return build_identity(
        [tensor(photos[name]) for name in names],
        encoders=open_encoders([packs]).encoders,
        folders={"insightface": [packs]},
        tool=f"portrait-loupe {pack_version()}",
        **other,
    ).identity


@pytest.fixture(scope="session")
def profile(runs_onnx, made_packs, photos):
    return built_here(photos, made_packs, "abc", name="Ada", consent="she is drawn")


@pytest.fixture
def ada(models, packs, profile):
    """A profile that lies among the host's models."""
    save_identity(profile, "ada", models / "identity_profiles")
    return profile


def loads(host, photos, names):
    """A Load Image node for each photo, called as the photo is."""
    return {
        name: node("LoadImage", image=host.server.place(photos[name], f"identity-{name}.png"))
        for name in names
    }


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def ours(host, kind, **inputs):
    """A node of ours with its widgets as a page has them at first."""
    slots = slots_of(host.server.nodes[kind])
    widgets = {
        slot.name: slot.default for slot in slots if slot.has_widget and slot.default is not None
    }
    return node(kind, **{**widgets, **inputs})


def sockets(names, group="photos"):
    """Links into the sockets of an Identity Profile, the first to the first."""
    prefix = {"photos": "photo", "faces": "faces"}[group]
    return {f"{group}.{prefix}{index}": [name, 0] for index, name in enumerate(names)}


def leaves(plain, path=""):
    """Every value of a nested structure by its place."""
    if isinstance(plain, (dict, list)):
        pairs = plain.items() if isinstance(plain, dict) else enumerate(plain)
        return {k: v for key, value in pairs for k, v in leaves(value, f"{path}/{key}").items()}
    return {path: plain}


def check_alike(told, expected):
    """The same figures within ``NEAR``, the same of everything else; the day may differ."""
    told, expected = (leaves(json.loads(json.dumps(one))) for one in (told, expected))
    figures = {path for path, value in expected.items() if type(value) in (int, float)}
    assert told.keys() == expected.keys()
    assert [told[path] for path in figures] == pytest.approx([expected[path] for path in figures], **NEAR)  # fmt: skip
    for path in expected.keys() - figures - {"/created"}:
        assert told[path] == expected[path], path


def choices(host):
    """The files that Load Identity offers now."""
    with urllib.request.urlopen(f"{host.started.url}/object_info/LoupeLoadIdentity") as answer:
        (slot,) = slots_of(json.load(answer)["LoupeLoadIdentity"])
    return list(slot.options)


def runs(host, prompt, output):
    """What came out, and the nodes that were run for it."""
    ran = []
    outcome = host.server.run(prompt, output, watch=Watch(node=lambda id, title: ran.append(id)))
    return outcome.nodes, ran


def test_three_photos_become_a_profile_that_a_later_prompt_loads_and_measures_with(
    host, packs, profile, photos, tmp_path
):
    assert choices(host) == ["(none saved yet)"]
    first = {
        **loads(host, photos, "abc"),
        "profile": ours(host, "LoupeIdentityProfile", **sockets("abc"), name="Ada", consent="she is drawn"),
        "save": ours(host, "LoupeSaveIdentity", identity=["profile", 0], file_name="ada"),
        "sheet": node("PreviewImage", images=["profile", 1]),
        "aligned": node("PreviewImage", images=["profile", 2]),
    }  # fmt: skip
    made, _ = runs(host, first, tmp_path)
    told = made["profile"].outputs
    check_alike(json.loads(told["json"]), profile.as_json())
    assert {one["encoder"] for one in json.loads(told["json"])["encoders"]} == ENCODERS
    assert told["report"].startswith("Ada: 3 faces from 3 photos\n")
    assert len(made["aligned"].ui["images"]) == 3
    assert made["save"].outputs["file"] == "ada.safetensors"
    assert made["save"].ui["loupe_report"] == ["Saved as identity_profiles/ada.safetensors."]
    assert choices(host) == ["ada.safetensors"]
    sheet = pixels(made["sheet"])

    second = {
        "load": node("LoupeLoadIdentity", file="ada.safetensors"),
        **loads(host, photos, ["new", "other"]),
        "batch": node("ImageBatch", image1=["new", 0], image2=["other", 0]),
        "drift": ours(host, "LoupeIdentityDrift", image=["batch", 0], identity=["load", 0]),
        "shown": node("PreviewImage", images=["drift", 2]),
        "sheet": node("PreviewImage", images=["load", 1]),
    }
    made, _ = runs(host, second, tmp_path)
    assert made["load"].outputs["json"] == told["json"]  # not a figure is lost in the file
    assert np.array_equal(pixels(made["sheet"]), sheet)
    batch = torch.cat([tensor(photos["new"]), tensor(photos["other"])])
    faces = find_faces(batch, folders={"insightface": [packs]}).faces
    here = drift(batch, faces, profile, open_encoders([packs]).encoders)
    there = made["drift"].outputs
    check_alike(json.loads(there["json"]), here.as_json())
    assert there["similarity"] == pytest.approx(
        [one.likeness[0].cosine for one in here.best], abs=1e-4
    )
    assert there["can_tell"] == [True, True]
    own, stranger = there["similarity"]
    assert own > 0.9
    assert abs(stranger) < 0.3  # of 512 numbers two strangers' share little
    assert len(made["shown"].ui["images"]) == 1


def pixels(shown):
    with Image.open(shown.ui["images"][0]) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_stranger_is_rejected_and_shown_and_a_batch_and_a_folder_are_photos_too(
    host, packs, photos, tmp_path
):
    folder = host.started.base / "input" / "people"
    folder.mkdir(exist_ok=True)
    for name in "abc":
        shutil.copyfile(photos[name], folder / f"{name}.png")
    profile = "LoupeIdentityProfile"
    find, profile, four = "LoupeFindFaces", "LoupeIdentityProfile", ["a", "b", "c", "other"]
    found = [f"found {name}" for name in four]
    linked = {**sockets(four), **sockets(found, "faces")}
    prompt = {
        **loads(host, photos, [*four, "new"]),
        **{f"found {name}": ours(host, find, image=[name, 0]) for name in four},
        "mixed": ours(host, profile, **linked),
        "kept": ours(host, profile, **linked, overrides="+4 -1"),
        "folder": node("LoadImageDataSetFromFolder", folder="people"),
        "of folder": ours(host, find, image=["folder", 0]),
        "listed": ours(host, profile, **sockets(["folder", "new"]), **sockets(["of folder"], "faces"), encoder="w600k_r50"),
        "batch": node("ImageBatch", image1=["new", 0], image2=["other", 0]),
        "two": ours(host, profile, **sockets(["batch"]), encoder="none"),
        "sheet": node("PreviewImage", images=["mixed", 1]),
        "aligned": node("PreviewImage", images=["mixed", 2]),
        **{f"see {name}": node("PreviewAny", source=[name, 3]) for name in ("kept", "listed", "two")},
    }  # fmt: skip
    made, _ = runs(host, prompt, tmp_path)
    mixed = made["mixed"].outputs
    assert "rejected face 4: score " in mixed["report"]
    check_alike(json.loads(mixed["json"]), built_here(photos, packs, four).as_json())
    assert len(made["aligned"].ui["images"]) == 3
    assert pixels(made["sheet"]).shape[1] > 400
    fates = [face["kept"] for face in json.loads(made["kept"].outputs["json"])["faces"]]
    assert fates == [False, True, True, True]
    listed = json.loads(made["listed"].outputs["json"])
    in_order = [tuple(face["image_size"]) for face in listed["faces"]]
    assert in_order[3] == (512, 512)  # after the folder's three, which come as the disk has them
    assert sorted(in_order[:3]) == sorted(size for size, _ in SIZES.values())
    assert [one["encoder"] for one in listed["encoders"]] == ["w600k_r50"]
    assert all(listed["encoders"][0]["keep"])
    assert len(json.loads(made["two"].outputs["json"])["faces"]) == 2
    assert "no embedding" in made["two"].outputs["report"]


def test_find_faces_keeps_who_is_like_an_identity(host, ada, photos, marker_face, tmp_path):
    prompt = {
        **loads(host, photos, ["both"]),
        "load": node("LoupeLoadIdentity", file="ada"),  # as it was typed, without its ending
        "old": node("LoupeFindFaces", image=["both", 0], backend="auto", eyes=""),
        "like": ours(host, "LoupeFindFaces", image=["both", 0], keep="like identity", identity=["load", 0]),
        "see": node("PreviewAny", source=["old", 4]),
        "see too": node("PreviewAny", source=["like", 4]),
    }  # fmt: skip
    made, _ = runs(host, prompt, tmp_path)
    old, like = (json.loads(made[name].outputs["json"])["frames"][0] for name in ("old", "like"))
    assert [len(old), len(like)] == [2, 1]
    assert np.ravel(old[0]["eyes"])[::2].mean() == pytest.approx(
        640, abs=1
    )  # the larger face first
    assert np.ravel(like[0]["eyes"])[::2].mean() == pytest.approx(220, abs=1)


def test_every_prompt_of_a_set_is_audited_and_its_plan_cuts_the_face_out(
    host, ada, photos, packs, tmp_path
):
    prompt = {
        **loads(host, photos, ["both"]),
        "load": node("LoupeLoadIdentity", file="ada.safetensors"),
        "like": ours(host, "LoupeFindFaces", image=["both", 0], keep="like identity", identity=["load", 0]),
        "words": ours(host, "LoupeCloseUpPrompt", vary_ages="25, 70", vary_skin_types="II, V"),
        "audit": ours(host, "LoupeIdentityAudit", prompt=["words", 0], terms=["words", 2], image=["both", 0],
                      faces=["like", 0], identity=["load", 0], width=900, height=500),
        "crop": ours(host, "LoupeCrop", image=["both", 0], plan=["audit", 3]),
        "shown": node("PreviewImage", images=["crop", 0]),
        "see": node("PreviewAny", source=["audit", 1]),
    }  # fmt: skip
    made, _ = runs(host, prompt, tmp_path)
    words, told = made["words"].outputs, made["audit"].outputs
    count = words["count"]
    assert count == 4
    here = CloseUpPrompt.execute(**prompt["words"]["inputs"])
    told_here = dict(zip(("prompt", "negative", "terms", "label"), here.args, strict=False))
    assert told_here == {name: words[name] for name in told_here}
    assert len(set(words["terms"])) == len(set(words["label"])) == count
    picture = tensor(photos["both"])
    faces = find_faces(
        picture, folders={"insightface": [packs]}, keep="like identity", identity=ada
    )
    here = [
        audit(
            Asked(each, size=(900, 500)), image=picture, faces=faces.faces, identity=ada, terms=terms,
            lexicon=read_lexicon([]),
        )
        for each, terms in zip(words["prompt"], words["terms"], strict=True)
    ]  # fmt: skip
    assert told["risk"] == pytest.approx([one.risk for one in here], rel=1e-4)
    assert told["second_pass"] == [one.second.needed for one in here]
    assert len(made["see"].ui["text"]) == count
    plan = here[0].second.plan
    assert plan is not None
    files = made["shown"].ui["images"]
    assert len(files) == count
    for file in files:
        with Image.open(file) as cut:
            assert cut.size == plan.output_size


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("nobody.safetensors", "there is no nobody.safetensors. There are ada.safetensors."),
        ("../identity_profiles/ada.safetensors", "file must be a bare file name"),
        ("/etc/passwd", "file must be a bare file name"),
        ("..", "file must be a bare file name"),
        (7, "file must be"),
    ],
)
def test_a_name_that_is_no_identity_is_refused_in_our_words_before_anything_runs(
    host, ada, tmp_path, file, words
):
    prompt = {
        "load": node("LoupeLoadIdentity", file=file),
        "see": node("PreviewImage", images=["load", 1]),
    }
    with pytest.raises(GraphError) as refused:
        runs(host, prompt, tmp_path)
    (problem,) = refused.value.problems
    assert words in problem
    assert "not in" not in problem  # ComfyUI's own "Value not in list"


def test_a_name_to_save_under_stays_in_its_folder(host, packs, photos, tmp_path):
    prompt = {
        **loads(host, photos, "a"),
        "profile": ours(host, "LoupeIdentityProfile", **sockets("a")),
        "save": ours(host, "LoupeSaveIdentity", identity=["profile", 0], file_name="../ada"),
    }
    with pytest.raises(NodeError, match="file_name must be a bare file name"):
        runs(host, prompt, tmp_path)
    assert not list(host.started.base.rglob("ada.safetensors"))


def test_a_file_that_is_no_identity_is_named_and_left_alone(host, ada, models, tmp_path):
    folder = models / "identity_profiles"
    whole = (folder / "ada.safetensors").read_bytes()
    broken = {
        "pickle": pickle.dumps({"a": Bomb(tmp_path / "boom")}),
        "half": whole[: len(whole) // 2],
    }
    for name, content in broken.items():
        file = folder / f"{name}.safetensors"
        file.write_bytes(content)
        prompt = {
            "load": node("LoupeLoadIdentity", file=file.name),
            "see": node("PreviewImage", images=["load", 1]),
        }
        with pytest.raises(NodeError, match=f"{file.name} is not used: ") as refused:
            runs(host, prompt, tmp_path)
        assert "The file was left alone." in str(refused.value)
        assert "Traceback" not in str(refused.value)
        assert file.read_bytes() == content
        replaced = {
            "load": node("LoupeLoadIdentity", file="ada.safetensors"),
            "save": ours(host, "LoupeSaveIdentity", identity=["load", 0], file_name=name, existing="replace"),
        }  # fmt: skip
        with pytest.raises(NodeError, match="only an identity that can be read is replaced"):
            runs(host, replaced, tmp_path)
        assert file.read_bytes() == content
    assert not (tmp_path / "boom").exists()


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_file_is_read_again_when_it_has_changed_and_only_then(
    host, ada, models, photos, tmp_path
):
    prompt = {
        **loads(host, photos, ["new"]),
        "load": node("LoupeLoadIdentity", file="ada.safetensors"),
        "sheet": node("PreviewImage", images=["load", 1]),
        "drift": ours(host, "LoupeIdentityDrift", image=["new", 0], identity=["load", 0]),
        "shown": node("PreviewImage", images=["drift", 2]),
    }
    made, ran = runs(host, prompt, tmp_path)
    assert {"load", "drift"} <= set(ran)
    before = made["load"].outputs["report"]
    assert "\nAda: 3 faces\n" in before
    made, ran = runs(host, prompt, tmp_path)
    assert ran == []
    assert made["load"].outputs["report"] == before
    save_identity(replace(ada, name="Countess"), "ada", models / "identity_profiles", "replace")
    made, ran = runs(host, prompt, tmp_path)
    assert {"load", "drift"} <= set(ran)
    assert "new" not in ran
    assert "\nCountess: 3 faces\n" in made["load"].outputs["report"]


def test_an_encoder_that_was_put_there_since_is_used_without_a_new_start(
    host, models, profile, made_packs, photos, tmp_path
):
    """Who does what the report says must not be told the same again."""
    save_identity(profile, "ada", models / "identity_profiles")

    def found(name, x, y, iod):
        """Typed: no detector is there either, and the embedded one knows no drawn face."""
        eyes = f"{x - iod / 2},{y} {x + iod / 2},{y}"
        return {f"found {name}": ours(host, "LoupeFindFaces", image=[name, 0], eyes=eyes)}

    (width, height), iod = SIZES["a"]
    prompt = {
        **loads(host, photos, ["a", "new"]),
        **found("a", width // 2, height // 2, iod),
        **found("new", 260, 230, 88),
        "profile": ours(host, "LoupeIdentityProfile", **sockets("a"), **sockets(["found a"], "faces")),
        "sheet": node("PreviewImage", images=["profile", 1]),
        "load": node("LoupeLoadIdentity", file="ada.safetensors"),
        "drift": ours(host, "LoupeIdentityDrift", image=["new", 0], faces=["found new", 0], identity=["load", 0]),
        "shown": node("PreviewImage", images=["drift", 2]),
    }  # fmt: skip
    made, _ = runs(host, prompt, tmp_path)
    assert "no face encoder is here" in made["profile"].outputs["report"]
    assert made["drift"].outputs["can_tell"] == [False]
    shutil.copytree(made_packs, models / "insightface")
    made, ran = runs(host, prompt, tmp_path)
    assert {"found a", "found new", "profile", "sheet", "drift", "shown"} == set(ran)
    assert "w600k_r50 (sha " in made["profile"].outputs["report"]
    assert made["drift"].outputs["can_tell"] == [True]
    _, ran = runs(host, prompt, tmp_path)
    assert ran == []


# In the page

SHOWN = """
(type) => app.graph._nodes.filter((node) => node.type === type).map((node) => {
  const element = document.querySelector(`[data-node-id="${node.id}"]`);
  const pictures = [...(node.imgs ?? []), ...(element?.querySelectorAll('img') ?? [])];
  return Math.max(0, ...pictures.map((picture) => picture.naturalWidth));
})
"""
REPORTS = """
() => Object.fromEntries(app.graph._nodes.filter((node) => node.type.startsWith('Loupe')).map((node) => [
  node.type, node.widgets?.find((widget) => widget.element?.classList?.contains('portraitloupe-report')
    || widget.element?.querySelector?.('.portraitloupe-report'))?.element?.innerText ?? '']))
"""
LOOK_AT = """
([x, y, scale]) => {
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset = [-x, -y];
  app.canvas.setDirty(true, true);
}
"""


def test_the_shipped_workflow_shows_its_sheets_and_reports_without_a_model(
    host, models, page, opens, queue, picture
):
    saved = json.loads((ROOT / "workflows" / f"{WORKFLOW}.json").read_text("utf-8"))
    opens(saved, WORKFLOW)
    page.wait_for_timeout(1000)
    assert queue() == "success"
    page.wait_for_timeout(1500)
    page.evaluate("() => app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_timeout(1000)
    picture("identity")
    for name, place in (("profile", (0, -40, 0.9)), ("audit", (640, 480, 0.9)), ("drift", (1000, -40, 0.9))):  # fmt: skip
        page.evaluate(LOOK_AT, place)
        page.wait_for_timeout(800)
        picture(f"identity-{name}")
    widths = page.evaluate(SHOWN, "PreviewImage")
    assert len(widths) == 3  # of the profile, of the second pass, of the drift
    assert min(widths) > 200
    reports = page.evaluate(REPORTS)
    for kind, words in {
        "IdentityProfile": "no embedding: no encoder was here",
        "SaveIdentity": "aved as identity_profiles/my identity.safetensors.",
        "IdentityAudit": " of 100",
        "CloseUpPrompt": "natural window",
        "IdentityDrift": "cannot be told",
    }.items():
        assert words in reports[f"Loupe{kind}"], kind


def test_the_page_offers_what_was_saved_since(host, ada, models, page, picture):
    page.evaluate(
        "() => { app.graph.clear(); app.graph.add(LiteGraph.createNode('LoupeLoadIdentity')); }"
    )
    save_identity(replace(ada, name="Bea"), "bea", models / "identity_profiles")
    page.evaluate("async () => { await app.refreshComboInNodes(); }")  # what R does
    offered = page.evaluate(
        "() => app.graph._nodes[0].widgets.find((widget) => widget.name === 'file').options.values"
    )
    assert offered == ["ada.safetensors", "bea.safetensors"]
