"""Cast Lock on a real ComfyUI: what is locked is never made again, whatever becomes of the seeds.

``casting_nodes`` are generators that count their calls: for each of them somebody would have paid.
"""

import copy
import json
import shutil
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from portrait_loupe.nodes.casting.png import read_png16
from portrait_loupe.nodes.casting.take import take_sha256
from portrait_loupe.nodes.host import launch
from portrait_loupe.nodes.host.outcome import HostError
from portrait_loupe.nodes.host.server import Server
from portrait_loupe.nodes.host.standin.graph import GraphError

PAUSE = "casting_pause"
LOCK, SAVE = "7", "8"


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def generator(seed, **more):
    inputs = {"name": "a", "seed": seed, "what": "portrait", "scale": 1.0, **more}
    return node("CountingGenerator", **inputs)


def casting(name, *, seed=1, mode="ask", lock="", distances=""):
    """Two generators, one of them mapped over two seeds; their cast; its lock; a picture saved behind it."""
    return {
        "1": node("CastingSeeds", first=seed, count=2),
        "2": generator(["1", 0], name="list", scale=0.6),
        "3": generator(seed + 100, name="single", scale=0.5),
        "6": node("ScoredCast", distances=distances, take0=["2", 0], take1=["3", 0]),
        LOCK: node("LoupeCastLock", cast=["6", 0], cast_name=name, mode=mode, lock=lock),
        SAVE: node("SaveImage", images=[LOCK, 0], filename_prefix=f"{name}_saved"),
    }


@pytest.fixture
def name(request):
    """A cast of this test's own."""
    return "".join(letter for letter in request.node.name if letter.isalnum())[:60]


# --- offered -------------------------------------------------------------------------------------


def test_an_offer_ends_well_keeps_every_take_and_runs_nothing_behind_the_lock(studio, name):
    outcome, calls = studio.run(casting(name, seed=1000))
    assert calls == 3  # the list of two seeds maps the first generator
    assert SAVE not in outcome.nodes
    assert not [path for path in outcome.files if "saved" in path.name]
    assert outcome.nodes[LOCK].outputs == {}
    told = studio.payload(outcome)
    assert told["locked"] is None
    assert [one["number"] for one in told["takes"]] == [1, 2, 3]
    assert len({(one["width"], one["height"]) for one in told["takes"]}) == 2  # sizes are kept
    for one in told["takes"]:
        picture = read_png16(studio.take(name, one["sha256"]))
        assert picture.shape[1:3] == (one["height"], one["width"])
        assert take_sha256(picture) == one["sha256"]
        with urllib.request.urlopen(view(studio.server, one["view"]), timeout=30) as answer:
            assert answer.read() == studio.take(name, one["sha256"]).read_bytes()
    compared = told["compare"]
    assert told["compare_takes"] == [1, 2, 3]
    assert [panel["label"] for panel in compared["panels"]] == [
        "model 0 #1",
        "model 0 #2",
        "model 1 #3",
    ]
    tile = compared["panels"][0]["levels"][0]["tiles"][0]
    with urllib.request.urlopen(view(studio.server, tile), timeout=30) as answer:
        assert answer.read().startswith(b"\x89PNG")
    assert "pick one in the panel" in studio.report(outcome)
    assert told["cost"] == "3 takes = 2 model 0 + 1 model 1; locked: 0"


def view(server, file):
    words = urllib.parse.urlencode({key: file[key] for key in ("filename", "subfolder", "type")})
    return f"{server.url}/view?{words}"


def test_the_history_says_success_for_an_offer(studio, name):
    studio.run(casting(name))
    with urllib.request.urlopen(f"{studio.server.url}/history?max_items=1", timeout=30) as answer:
        (entry,) = json.load(answer).values()
    assert entry["status"]["status_str"] == "success"
    assert entry["status"]["completed"] is True


# --- locked --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 3])
def test_a_locked_take_is_given_to_the_bit_and_no_generator_runs_with_changed_seeds(
    studio, name, number
):
    told = studio.offer(casting(name))
    lock = studio.pick(told, number)
    for seed in (1, 50, 77):
        outcome, calls = studio.run(casting(name, seed=seed, lock=lock))
        assert calls == 0
        sha = json.loads(lock)["take_sha256"]
        assert np.array_equal(
            studio.saved(outcome), studio.cut(read_png16(studio.member(name, sha)))
        )
        given = outcome.nodes[LOCK].outputs
        assert given["label"] == f"model {0 if number == 1 else 1} #{number}"
        assert given["seed"] == number
        assert json.loads(given["lock"])["take_sha256"] == sha
        assert studio.payload(outcome)["locked"]["take_sha256"] == sha
        assert studio.payload(outcome)["cost"].endswith("locked: 0")


@pytest.mark.parametrize("mode", ["ask", "auto-best", "first", "locked"])
def test_a_lock_goes_before_every_mode(studio, name, mode):
    lock = studio.pick(studio.offer(casting(name)), 2)
    outcome, calls = studio.run(casting(name, seed=9, mode=mode, lock=lock))
    assert calls == 0
    assert outcome.nodes[LOCK].outputs["label"] == "model 0 #2"


def test_a_program_may_lock_by_the_hash_alone_or_with_the_lock_of_an_earlier_run(studio, name):
    sha = studio.offer(casting(name))["takes"][1]["sha256"]
    outcome, calls = studio.run(casting(name, seed=9, lock=sha))
    assert calls == 0
    given = outcome.nodes[LOCK].outputs
    assert (given["label"], json.loads(given["lock"])["by"]) == ("model 0 #2", "api")
    again, calls = studio.run(casting(name, seed=10, lock=given["lock"]))
    assert calls == 0
    assert again.nodes[LOCK].outputs["lock"] == given["lock"]


def test_once_locked_the_generators_may_be_gone(studio, name):
    lock = studio.pick(studio.offer(casting(name)), 1)
    prompt = casting(name, lock=lock)
    for key in "1236":
        del prompt[key]
    del prompt[LOCK]["inputs"]["cast"]
    outcome, _ = studio.run(prompt)
    assert outcome.nodes[LOCK].outputs["label"] == "model 0 #1"


def test_unlocked_again_the_generators_run_for_new_seeds_alone(studio, name):
    lock = studio.pick(studio.offer(casting(name)), 1)
    studio.run(casting(name, lock=lock))
    assert studio.run(casting(name))[1] == 0  # ComfyUI still has these takes
    assert studio.run(casting(name, seed=40))[1] == 3


def test_the_face_of_a_locked_take_comes_back(studio, name):
    lock = studio.pick(studio.offer(casting(name)), 1)
    prompt = casting(name, lock=lock)
    prompt["9"] = node("LoupeProminence", image=[LOCK, 0], faces=[LOCK, 1], model="SDXL")
    prompt["10"] = node("PreviewAny", source=["9", 0])
    outcome, calls = studio.run(prompt)
    assert calls == 0
    assert outcome.nodes["9"].outputs


def test_a_locked_take_is_loaded_by_name_in_another_workflow(studio, name):
    lock = studio.pick(studio.offer(casting(name)), 3)
    first, _ = studio.run(casting(name, lock=lock))
    sha = json.loads(lock)["take_sha256"]
    member = f"{name}/model 1 #3 [{sha[:8]}]"
    known = Server(studio.server.url).nodes["LoupeCastLoad"]["input"]["required"]["member"]
    assert member in (known[1]["options"] if known[0] == "COMBO" else known[0])
    prompt = {
        LOCK: node("LoupeCastLoad", member=member),
        SAVE: node("SaveImage", images=[LOCK, 0], filename_prefix=f"{name}_saved"),
    }
    outcome, calls = studio.run(prompt)
    assert calls == 0
    assert np.array_equal(studio.saved(outcome), studio.saved(first))
    assert outcome.nodes[LOCK].outputs["lock"] == first.nodes[LOCK].outputs["lock"]
    prompt[LOCK]["inputs"]["member"] = f"{name}/../x [{'0' * 8}]"
    with pytest.raises(GraphError, match="none is called so"):
        studio.server.run(prompt, studio.fetched)
    shutil.rmtree(studio.output / "loupe_cast" / name)
    prompt[LOCK]["inputs"]["member"] = member
    with pytest.raises(GraphError, match="none is called so"):
        studio.server.run(prompt, studio.fetched)


# --- missing, altered, wrong ---------------------------------------------------------------------


def spoilt(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(Path.unlink, "is missing"), (spoilt, "was altered")],
    ids=["deleted", "altered"],
)
def test_a_locked_file_that_is_not_as_it_was_is_an_error_and_never_a_new_take(
    studio, name, spoil, words
):
    told = studio.offer(casting(name))
    lock = studio.pick(told, 1)
    sha = told["takes"][0]["sha256"]
    studio.run(casting(name, lock=lock))
    for path in (studio.take(name, sha), studio.member(name, sha)):
        spoil(path)
    for seed in (1, 60):  # the very prompt that had run, and one with other seeds
        said, calls = studio.fails(casting(name, seed=seed, lock=lock))
        assert calls == 0
        assert words in said
        assert f"loupe_cast/{name}/" in said
        assert "press Unlock" in said
    outcome, calls = studio.run(casting(name))  # unlocked, the cast is offered again
    assert SAVE not in outcome.nodes


@pytest.mark.parametrize(
    ("mode", "lock", "words"),
    [
        ("locked", "", "mode is locked, but no take is"),
        ("ask", "take three", "lock must be the JSON"),
        ("ask", "{}", "take_sha256"),
        ("first", "ab" * 32, "is missing"),
    ],
)
def test_a_lock_that_is_none_is_an_error_and_no_generator_runs(studio, name, mode, lock, words):
    said, calls = studio.fails(casting(name, mode=mode, lock=lock))
    assert calls == 0
    assert words in said


def test_a_lock_cannot_lead_out_of_the_casts(studio, name):
    stolen = studio.output / f"{'ab' * 32}.png"
    stolen.write_bytes(b"secret")
    lock = json.dumps({"take_sha256": "ab" * 32, "file": f"loupe_cast/../{'ab' * 32}.png"})
    said, calls = studio.fails(casting(name, lock=lock))
    assert calls == 0
    assert "is missing" in said


@pytest.mark.parametrize("bad", ["../out", "a/b", "", "nul"])
def test_a_name_that_is_no_folders_is_refused(studio, bad):
    said, _ = studio.fails(casting(bad))
    assert "cast_name must be a bare name" in said
    assert not (studio.output.parent / "out").exists()


# --- the modes of programs -----------------------------------------------------------------------


def test_first_gives_a_take_in_one_run_and_a_lock_for_the_next(studio, name):
    outcome, calls = studio.run(casting(name, seed=2000, mode="first"))
    assert calls == 3
    given = outcome.nodes[LOCK].outputs
    assert given["label"] == "model 0 #1"
    assert studio.saved(outcome).shape == (360, 307, 3)
    _, calls = studio.run(casting(name, seed=30, mode="first", lock=given["lock"]))
    assert calls == 0


def test_auto_best_opens_when_blind_picks_have_earned_it_and_asks_on_a_tie(studio, name):
    log = studio.output / "loupe_cast" / "votes.jsonl"
    kept = log.read_bytes() if log.exists() else b""
    try:
        clear = {"mode": "auto-best", "distances": "3.0 1.0 5.0"}
        votes(log, 19)
        outcome, _ = studio.run(casting(name, **clear))
        assert SAVE not in outcome.nodes
        assert "auto-best stays closed" in studio.report(outcome)
        assert studio.payload(outcome)["trust"]["of"] == 19
        votes(log, 20)
        outcome, calls = studio.run(casting(name, **clear))
        assert calls == 0  # decided anew, from takes that ComfyUI still has
        assert outcome.nodes[LOCK].outputs["label"] == "model 0 #2"
        assert studio.payload(outcome)["trust"]["earned"] is True
        assert json.loads(outcome.nodes[LOCK].outputs["lock"])["by"] == "auto-best"
        outcome, _ = studio.run(casting(name, mode="auto-best", distances="1.9 1.0 5.0"))
        assert SAVE not in outcome.nodes
        assert "takes 2, 1 are too close to call" in studio.report(outcome)
    finally:
        log.write_bytes(kept)


def votes(log: Path, count: int) -> None:
    """So many blind picks, each of the best of an offer of its own."""
    log.parent.mkdir(exist_ok=True)
    lines = []
    for n in range(count):
        offered = [
            {"sha256": f"{n}{one}", "model": one, "score": score, "rank": rank}
            for one, score, rank in (("x", 1.0, 1), ("y", 2.0, 2))
        ]
        lines.append(
            {"by": "blind pick", "picked": f"{n}x", "at": str(n), "cast": "c", "offered": offered}
        )
    log.write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")


def test_a_blind_pick_is_counted_once_and_an_open_one_earns_nothing(studio, name):
    log = studio.output / "loupe_cast" / "votes.jsonl"
    kept = log.read_bytes() if log.exists() else b""
    try:
        log.unlink(missing_ok=True)
        told = studio.offer(casting(name, distances="3.0 1.0 5.0"))
        studio.run(casting(name, lock=studio.pick(told, 1)))
        for seed in (5, 6, 7):
            outcome, _ = studio.run(
                casting(name, seed=seed, lock=studio.pick(told, 2, by="blind pick"))
            )
        assert len(log.read_text("utf-8").splitlines()) == 2
        told = studio.payload(outcome)["trust"]
        assert (told["agrees"], told["of"], told["earned"]) == (1, 1, False)
    finally:
        log.write_bytes(kept)


# --- what runs generators all the same -----------------------------------------------------------


def test_a_preview_on_a_generator_runs_it_although_locked_and_the_node_says_so(studio, name):
    lock = studio.pick(studio.offer(casting(name)), 1)
    prompt = casting(name, seed=70, lock=lock)
    prompt["20"] = node("PreviewImage", images=["3", 0])
    outcome, calls = studio.run(prompt)
    assert calls == 1  # only what the preview asks for
    assert "PreviewImage (20) still runs the generators" in studio.report(outcome)
    (warning,) = studio.payload(outcome)["warnings"]
    assert "PreviewImage (20)" in warning
    del prompt["20"]
    outcome, calls = studio.run(prompt)
    assert calls == 0
    assert studio.payload(outcome)["warnings"] == []


def test_a_preview_behind_the_lock_runs_nothing(studio, name):
    lock = studio.pick(studio.offer(casting(name)), 1)
    prompt = casting(name, seed=71, lock=lock)
    prompt["20"] = node("PreviewImage", images=[LOCK, 0])
    outcome, calls = studio.run(prompt)
    assert calls == 0
    assert studio.payload(outcome)["warnings"] == []


# --- stopped, restarted, at once -----------------------------------------------------------------


def test_an_offer_that_is_interrupted_leaves_nothing_half_written(studio, name):
    takes = studio.output / "loupe_cast" / name / "takes"
    prompt = casting(name)
    prompt["1"]["inputs"]["count"] = 3
    prompt["2"]["inputs"]["scale"] = 4.0  # 5 megapixels: seconds to write
    stopped = threading.Thread(target=interrupted_when, args=[studio.server.url, takes])
    stopped.start()
    with pytest.raises(HostError, match="was stopped"):
        studio.server.run(prompt, studio.fetched)
    stopped.join()
    files = sorted(takes.iterdir())
    assert not [path for path in files if path.suffix == ".tmp"]
    assert len([path for path in files if path.suffix == ".png"]) < 4
    assert not (takes.parent / "offer.json").exists()
    for path in files:
        if path.suffix == ".png":
            assert take_sha256(read_png16(path)) == path.stem
    outcome, calls = studio.run(prompt)
    assert calls == 0  # nothing is paid for twice
    assert len(studio.payload(outcome)["takes"]) == 4


def interrupted_when(url: str, takes: Path) -> None:
    """Stop what runs as soon as a take is being written."""
    until = time.monotonic() + 90
    while time.monotonic() < until and not list(takes.glob(".saving-*")):
        time.sleep(0.02)
    urllib.request.urlopen(urllib.request.Request(f"{url}/interrupt", b"{}", method="POST"), timeout=30).close()  # fmt: skip


def test_a_generator_that_is_interrupted_leaves_no_offer(studio, name):
    (studio.output / PAUSE).touch()
    try:
        before = len(studio.calls)
        thread = threading.Thread(target=interrupted_after_call, args=[studio, before])
        thread.start()
        with pytest.raises(HostError, match="was stopped"):
            studio.server.run(casting(name, seed=900), studio.fetched)
        thread.join()
    finally:
        (studio.output / PAUSE).unlink(missing_ok=True)
    assert not (studio.output / "loupe_cast" / name).exists()
    outcome, _ = studio.run(casting(name, seed=900))
    assert len(studio.payload(outcome)["takes"]) == 3


def interrupted_after_call(studio, before: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and len(studio.calls) == before:
        time.sleep(0.05)
    urllib.request.urlopen(urllib.request.Request(f"{studio.server.url}/interrupt", b"{}", method="POST"), timeout=30).close()  # fmt: skip
    time.sleep(0.3)
    (studio.output / PAUSE).unlink(missing_ok=True)


def test_two_prompts_at_once_keep_their_casts_apart(studio, name):
    names = [f"{name}A", f"{name}B"]
    found, failed = {}, []

    def work(one, seed):
        try:
            server = Server(studio.server.url)
            told = studio.payload(server.run(casting(one, seed=seed), studio.fetched / one))
            lock = studio.pick(told, 1)
            found[one] = (
                told,
                server.run(casting(one, seed=seed + 7, lock=lock), studio.fetched / one),
            )
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=[one, 300 * n]) for n, one in enumerate(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    shas = [{take["sha256"] for take in found[one][0]["takes"]} for one in names]
    assert not shas[0] & shas[1]
    for one, mine in zip(names, shas, strict=True):
        kept = {path.stem for path in (studio.output / "loupe_cast" / one / "takes").glob("*.png")}
        assert kept == mine
        assert json.loads(found[one][1].nodes[LOCK].outputs["lock"])["take_sha256"] in mine


def test_a_lock_survives_a_restart(checkout, casting_studio, portraits, tmp_path):
    """A ComfyUI of its own, started twice in the same folder."""
    base = tmp_path / "base"
    launch.install_pack(base / "custom_nodes")
    shutil.copytree(
        Path(__file__).parent / "casting_nodes", base / "custom_nodes" / "casting_nodes"
    )
    (base / "input").mkdir()
    shutil.copyfile(portraits / "portrait_a.png", base / "input" / "portrait_a.png")
    python, prompt = launch.python_of(checkout), casting("Marta")
    with launch.comfyui(checkout, python, base, arguments=["--cpu"]) as started:
        studio = casting_studio.Studio(Server(started.url), base / "output", tmp_path / "one")
        lock = studio.pick(studio.offer(prompt), 2)
        assert len(studio.calls) == 3
    with launch.comfyui(checkout, python, base, arguments=["--cpu"]) as started:
        studio = casting_studio.Studio(Server(started.url), base / "output", tmp_path / "two")
        outcome, calls = studio.run(casting("Marta", seed=11, lock=lock))
        assert calls == 0
        assert outcome.nodes[LOCK].outputs["label"] == "model 0 #2"
        assert len(studio.payload(outcome)["takes"]) == 3  # the offer is still known


# --- with Cast Sheet -----------------------------------------------------------------------------


def sheet(name, **lock):
    """Generators of all kinds into Cast Sheet."""
    return {
        "1": node("CastingSeeds", first=1, count=2),
        "2": generator(["1", 0], name="list"),
        "3": generator(1, name="twin"),  # the same picture as the first of the list
        "4": generator(5, name="zeros", what="zeros RGBA"),
        "5": generator(6, name="noise", what="no face"),
        "9": generator(7, name="small", scale=0.6),
        "6": node(
            "LoupeCastSheet",
            **{f"takes.take{n}": [key, 0] for n, key in enumerate("23459")},
            labels="list\ntwin\nzeros\nnoise\nsmall", region="left cheek", corridor="shipped",
        ),
        LOCK: node("LoupeCastLock", cast=["6", 0], cast_name=name, mode="ask", lock="", **lock),
        SAVE: node("SaveImage", images=[LOCK, 0], filename_prefix=f"{name}_saved"),
    }  # fmt: skip


def test_what_is_no_take_is_rejected_with_its_reason_and_cannot_be_locked(studio, name):
    prompt = sheet(name)
    outcome, calls = studio.run(prompt)
    assert calls == 6
    told = {one["number"]: one for one in studio.payload(outcome)["takes"]}
    rejected = {number: one["rejected"] for number, one in told.items() if one["rejected"]}
    assert set(rejected) == {3, 4, 5}
    assert "duplicate of 1" in rejected[3]
    assert "blank" in rejected[4]
    assert "no face" in rejected[5]
    sizes = [(one["width"], one["height"]) for one in told.values() if not one["rejected"]]
    assert sizes == [(512, 600), (512, 600), (307, 360)]
    assert studio.payload(outcome)["compare_takes"] == [1, 2, 6]
    for number in (4, 5):
        locked = copy.deepcopy(prompt)
        locked[LOCK]["inputs"]["lock"] = studio.pick(studio.payload(outcome), number)
        said, calls = studio.fails(locked)
        assert calls == 0
        assert "not offered" in said
    prompt["2"]["inputs"]["seed"] = 4000
    prompt[LOCK]["inputs"]["lock"] = studio.pick(studio.payload(outcome), 6)
    outcome, calls = studio.run(prompt)
    # neither the lock nor we, who read the sheet's report, ask the generators
    assert calls == 0
    assert studio.saved(outcome).shape == (360, 307, 3)
