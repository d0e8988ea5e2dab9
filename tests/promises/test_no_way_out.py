"""No name that a user types leads out of the host's folders: nothing is written there, nothing is read."""

import json
import os
import sys
from contextlib import suppress

import pytest
import torch

from portrait_loupe.nodes.casting.lock import TakeLock
from portrait_loupe.nodes.host import IN_COMFYUI
from portrait_loupe.nodes.identity import node_load_adapter, node_load_eva

pytestmark = pytest.mark.skipif(IN_COMFYUI, reason="the folders are those of the checkout there")

# Every input that takes a text, or a file from a list: those that name a file or a folder ...
FILES = {
    ("LoupeSaveIdentity", "file_name"), ("LoupeLoadIdentity", "file"), ("LoupeLoadIdentityAdapter", "file"),
    ("LoupeLoadEvaClip", "file"), ("LoupeLensProfile", "load"), ("LoupeLensProfile", "save_as"),
    ("LoupeCompare", "font"), ("LoupeSavePlate", "filename_prefix"), ("LoupeSavePlate", "manifest"),
    ("LoupeCastSheet", "corridor"), ("LoupeCastLock", "cast_name"), ("LoupeCastLock", "lock"),
    ("LoupeCastLoad", "member"), ("LoupeRealismCalibrate", "name"),
}  # fmt: skip
# ... and those that do not: words, numbers, places within a picture.
WORDS = {
    ("LoupeFindFaces", "eyes"), ("LoupeFindFaces", "point"), ("LoupeIdentityProfile", "name"),
    ("LoupeIdentityProfile", "overrides"), ("LoupeIdentityProfile", "consent"), ("LoupeCloseUpPrompt", "subject"),
    ("LoupeCloseUpPrompt", "extra"), ("LoupeCloseUpPrompt", "vary_ages"), ("LoupeCloseUpPrompt", "vary_skin_types"),
    ("LoupeCloseUpPrompt", "vary_make_up"), ("LoupeCloseUpPrompt", "vary_light"), ("LoupeIdentityAudit", "prompt"),
    ("LoupeIdentityAudit", "terms"), ("LoupeApplyIdentity", "layers"), ("LoupeIdentityCalibrate", "weights"),
    ("LoupeCalibrationCurve", "weights"), ("LoupeCalibrationCurve", "seeds"), ("LoupeCalibrationCurve", "how"),
    ("LoupeReferenceWeight", "weights"), ("LoupeLensProfile", "name"), ("LoupeLensCompare", "choices"),
    ("LoupeComparePanel", "label"), ("LoupeComparePanel", "subline"), ("LoupeComparePanel", "points"),
    ("LoupeCompare", "title"), ("LoupeCompare", "labels"), ("LoupeCompare", "slides"), ("LoupeCastBrief", "prompt"),
    ("LoupeCastBrief", "negative"), ("LoupeCastSheet", "labels"), ("LoupeCastSheet", "prompt"),
}  # fmt: skip

OUTSIDE = "secret"  # a file and a folder beside the host's folders, planted
NAMES = {
    "parent": "..", "up": "../{0}", "up without the ending": "../{0}.json", "far up": "../../../../../../tmp/{0}",
    "through a folder": "a/../../{0}", "absolute": "{1}/{0}", "backslashes": "..\\{0}", "drive": "C:\\{0}",
    "drive alone": "C:{0}", "unc": "\\\\server\\share\\{0}", "unc with slashes": "//server/share/{0}",
    "nul byte": "a\0b", "nul byte at the end": "../{0}\0.json", "line": "a\nb", "device": "CON",
    "device with an ending": "nul.json", "device with a blank": "aux .x", "point at the end": "dot.",
    "blank at the end of a folder": "a /b", "only points": "...", "home": "~/{0}", "variable": "$HOME/{0}",
    "variable of windows": "%USERPROFILE%\\{0}", "address": "file:///{1}/{0}", "stream": "a:stream",
    "300 letters": "x" * 300, "300 letters of four bytes": "\U0001f600" * 300, "right to left": "a\u202egnp.exe",
    "zero width": "a\u200bb", "half a pair": "\ud800", "through a link": "link/{0}", "a link": "linked",
    "a link with the ending": "linked.json", "percent": "%2e%2e%2f{0}", "wide points": "\uff0e\uff0e/{0}",
}  # fmt: skip


def typed(ours):
    """Every input whose value is a text, and every list of files."""
    found = set()
    for name, node in ours.items():
        for one in node.define_schema().inputs:
            kind = one.get_io_type()
            if kind == "STRING" or (kind == "COMBO" and one.id in ("file", "member", "corridor")):
                found.add((name, one.id))
    return found


def test_every_text_that_is_typed_is_in_one_of_the_tables(ours):
    assert not FILES & WORDS
    assert typed(ours) == FILES | WORDS


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Host folders in a folder with something to find beside them, and links to it in every folder."""
    base = tmp_path / "base"
    for variable, folder in (
        ("LOUPE_MODELS", "models"),
        ("LOUPE_OUTPUT", "output"),
        ("LOUPE_TEMP", "temp"),
    ):
        (base / folder).mkdir(parents=True)
        monkeypatch.setenv(variable, str(base / folder))
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    for folder in (tmp_path, outside):
        for ending in ("", ".json", ".safetensors", ".png", ".bin", ".pt", ".ttf"):
            (folder / f"{OUTSIDE}{ending}").write_text('{"planted": "SECRET"}', "utf-8")
    kinds = ("models/identity_profiles", "models/ipadapter", "models/clip", "models/loupe_lenses", "models/fonts",
             "models/loupe_corridors", "output", "output/loupe_cast", "output/loupe")  # fmt: skip
    for kind in kinds:
        (base / kind).mkdir(parents=True, exist_ok=True)
        for link, target in (
            ("link", outside), ("linked", outside), ("linked.json", outside / f"{OUTSIDE}.json"),
            ("linked.safetensors", outside / f"{OUTSIDE}.safetensors"), ("linked.bin", outside / f"{OUTSIDE}.bin"),
        ):  # fmt: skip
            with suppress(OSError):  # a system without links
                (base / kind / link).symlink_to(target, target_is_directory=target == outside)
    monkeypatch.chdir(base)
    return tmp_path


def outside_of(place):
    """All that lies beside the host's folders, with its size and age."""
    beside = [path for path in place.rglob("*") if not path.is_relative_to(place / "base")]
    return {
        str(path.relative_to(place)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in beside
    } | {f"base/{path.name}": () for path in (place / "base").iterdir()}


class Watch:
    """What is opened of the planted files. Python keeps such hooks for ever: there is one for all tests."""

    def __init__(self):
        self.place, self.opened = None, []
        sys.addaudithook(self.seen)

    def seen(self, event, given):
        if event == "open" and self.place and isinstance(given[0], (str, bytes, os.PathLike)):
            path = os.path.realpath(os.fsdecode(given[0]))
            inside = path.startswith(os.path.join(self.place, "base"))
            if path.startswith(self.place) and not inside:
                self.opened.append(path)


@pytest.fixture(scope="session")
def watch():
    return Watch()


@pytest.fixture
def opened(watch, place):
    """The planted files that are opened from now on."""
    watch.place, watch.opened = str(place.resolve()), []
    yield watch.opened
    watch.place = None


def test_a_planted_file_that_is_opened_would_be_seen(opened, place):
    (place / "base" / "output" / "linked.json").read_bytes()
    assert len(opened) == 1


@pytest.fixture(scope="module")
def parts(ours, hopper):
    """What the nodes below are given beside the name."""
    picture = torch.nn.functional.interpolate(
        hopper.movedim(-1, 1), (300, 256), mode="area"
    ).movedim(1, -1)

    def of(name):
        return ours[name].execute

    identity = of("LoupeIdentityProfile")(
        photos={"photo0": [picture]}, name=["a"], encoder=["none"]
    ).args[0]
    cast = of("LoupeCastSheet")(takes={"take0": [picture]}, labels=["a"], region=["left cheek"], corridor=["shipped"]).args[0]  # fmt: skip
    return {"picture": picture, "identity": identity, "cast": cast, "small": picture[:, :64, :64]}


def calls(parts):
    """How a name gets to each input of ``FILES``: a function of the name that runs the node."""
    sha = parts["cast"].takes[0].sha256
    lock = json.dumps(TakeLock(sha, file="NAME").as_json())
    return {
        ("LoupeSaveIdentity", "file_name"): lambda node, name: [
            node.execute(identity=parts["identity"], file_name=name, existing=one) for one in ("keep both", "replace")
        ],
        ("LoupeLoadIdentity", "file"): lambda node, name: node.execute(file=name),
        ("LoupeLoadIdentityAdapter", "file"): lambda node, name: node.execute(file=name, version="auto"),
        ("LoupeLoadEvaClip", "file"): lambda node, name: node.execute(file=name),
        ("LoupeLensProfile", "load"): lambda node, name: node.execute(load=name),
        ("LoupeLensProfile", "save_as"): lambda node, name: node.execute(save_as=name),
        ("LoupeCompare", "font"): lambda node, name: node.execute(
            panels={"panel0": parts["small"]}, region="eyes", plate="custom", width=320, height=240, title="",
            labels="a", font=name),
        ("LoupeSavePlate", "filename_prefix"): lambda node, name: node.execute(
            image=parts["small"], filename_prefix=name, format="PNG 8-bit", quality=95, share_clean=False),
        ("LoupeSavePlate", "manifest"): lambda node, name: node.execute(
            image=parts["small"].expand(2, -1, -1, -1), filename_prefix="loupe/plate", format="PNG 8-bit", quality=95,
            share_clean=False, manifest=json.dumps({"slides": [name, {"name": name}], "design": {"font": name}})),
        ("LoupeCastSheet", "corridor"): lambda node, name: node.execute(
            takes={"take0": [parts["small"]]}, labels=["a"], region=["left cheek"], corridor=[name]),
        ("LoupeCastLock", "cast_name"): lambda node, name: [
            node.execute(cast=parts["cast"], cast_name=name, mode="first"),
            node.execute(cast=None, cast_name=name, mode="ask", lock=sha),
        ],
        ("LoupeCastLock", "lock"): lambda node, name: [
            node.execute(cast_name="mine", mode="ask", lock=lock.replace('"NAME"', json.dumps(name))),
            node.execute(cast_name="mine", mode="ask", lock=name),
        ],
        ("LoupeCastLoad", "member"): lambda node, name: node.execute(member=name),
        ("LoupeRealismCalibrate", "name"): lambda node, name: node.execute(photos={}, name=[name]),
    }  # fmt: skip


def said(call, node, name):
    """What a node says against a name, in the pack's own words; nothing where it takes it."""
    try:
        call(node, name)
    except (ValueError, RuntimeError) as objection:
        refused = objection
    else:
        return ""
    assert type(refused).__module__.split(".")[0] in ("builtins", "portrait_loupe"), repr(name)
    assert not isinstance(refused, UnicodeError), f"{name!r}: {refused}"
    assert 20 < len(str(refused)) < 1500, repr(name)
    return str(refused)


def test_every_name_of_a_file_is_tried_below(parts):
    assert set(calls(parts)) == FILES


@pytest.mark.parametrize("one", sorted(FILES), ids=".".join)
def test_no_name_writes_or_reads_outside(one, place, opened, parts, ours, monkeypatch):
    """Refused with the input's name, or taken as the harmless name that it is: the disk shows which."""
    kinds = {"ipadapter": place / "base/models/ipadapter", "clip": place / "base/models/clip"}
    monkeypatch.setattr(
        node_load_adapter, "adapter_folders", lambda: {"ipadapter": [kinds["ipadapter"]]}
    )
    monkeypatch.setattr(node_load_eva, "eva_folders", lambda: {"clip": [kinds["clip"]]})
    node, call = ours[one[0]], calls(parts)[one]
    before = outside_of(place)
    for what, pattern in NAMES.items():
        name = pattern.replace("{0}", OUTSIDE).replace("{1}", str(place))
        told = said(call, node, name)
        assert "SECRET" not in told, what
        assert outside_of(place) == before, what
        assert opened == [], f"{what} read {opened}"
        if what in REFUSED.get(one, ()):
            assert told, f"{what} was taken"
            assert one[1] in told, told


# What must be refused by all that write a file under the name itself.
WRITERS = [("LoupeSaveIdentity", "file_name"), ("LoupeLensProfile", "save_as"), ("LoupeCastLock", "cast_name"),
           ("LoupeRealismCalibrate", "name")]  # fmt: skip
FINE = {
    "percent",
    "a link",
    "a link with the ending",
}  # plain names: another number is added beside a link
REFUSED = {
    **{one: set(NAMES) - FINE for one in WRITERS},
    ("LoupeSavePlate", "filename_prefix"): {"parent", "up", "far up", "through a folder", "absolute", "backslashes",
        "drive", "drive alone", "unc", "unc with slashes", "nul byte", "nul byte at the end", "line", "device",
        "device with an ending", "device with a blank", "point at the end", "only points", "address", "stream",
        "300 letters", "300 letters of four bytes", "right to left", "zero width", "half a pair", "through a link"},
    ("LoupeLoadIdentity", "file"): set(NAMES),
    ("LoupeLoadIdentityAdapter", "file"): set(NAMES),
    ("LoupeLoadEvaClip", "file"): set(NAMES),
    ("LoupeLensProfile", "load"): set(NAMES),
    ("LoupeCastSheet", "corridor"): set(NAMES),
    ("LoupeCastLoad", "member"): set(NAMES),
}  # fmt: skip
