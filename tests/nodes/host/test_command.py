"""``python . run`` and ``python . nodes``, as far as they need no ComfyUI."""

import json
from pathlib import Path

import pytest
import torch

from portrait_loupe import __main__ as line
from portrait_loupe.nodes.host import IN_COMFYUI, command
from portrait_loupe.nodes.host.pictures import save_pictures

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = str(ROOT / "workflows" / "extreme_close_up_comparison.json")
COPY = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "one.png"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
}


OWN_FOLDER = pytest.mark.skipif(
    IN_COMFYUI, reason="on ComfyUI's own classes Save Plate saves into ComfyUI's folder"
)


@pytest.fixture
def ask(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder: exit code, what it said, what it complained."""
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    monkeypatch.setattr(line, "missing", lambda extra: [])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copy.json").write_text(json.dumps(COPY), "utf-8")

    def asked(*arguments):
        try:
            code = line.main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = stopped.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return asked


@pytest.fixture
def folder(tmp_path):
    """Three pictures, the middle one broken."""
    pictures = tmp_path / "pictures"
    for index, value in enumerate((0.2, 0.5, 0.8)):
        (path,) = save_pictures(torch.full((1, 8, 8, 3), value), pictures, f"p{index}")
        path.rename(pictures / f"p{index}.png")
    (pictures / "p1.png").write_bytes(b"no picture")
    (pictures / "notes.txt").write_text("not a picture either")
    return pictures


@OWN_FOLDER
def test_a_run_says_what_it_does_and_where_its_files_lie(ask, tmp_path):
    code, said, _ = ask("run", SHIPPED, "--output", "out")
    assert code == 0
    assert "on the stand-in host" in said
    assert "px between the eyes" in said
    assert str(tmp_path / "out" / "loupe" / "extreme_close_up_comparison_00001_.png") in said


@OWN_FOLDER
def test_json_is_all_that_it_prints(ask, tmp_path):
    code, said, _ = ask("run", SHIPPED, "--json", "--set", "Compare.region=lips")
    told = json.loads(said)
    assert code == 0
    assert told["ok"] is True
    output = tmp_path / "output"
    assert set(told["files"]) == {
        str(output / "loupe" / "extreme_close_up_comparison_00001_.png"),
        str(output / "preview_00001_.png"),
    }
    by_type = {node["type"]: node for node in told["nodes"].values()}
    assert by_type["LoupeCompare"]["outputs"]["report"].startswith("lips")
    assert by_type["LoupeFindFaces"]["ui"]["loupe_report"]


def test_a_picture_is_bound(ask, folder):
    code, said, _ = ask("run", "copy.json", "--input", folder / "p0.png")
    assert code == 0
    assert "copy_00001_.png" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "WORKFLOW.json"),
        (["run", "nowhere.json"], "nowhere.json does not exist"),
        (["run", "copy.json"], "asks for one.png"),
        (["run", "copy.json", "--input", "nix.png"], "nix.png does not exist"),
        (["run", "copy.json", "--set", "2.prefix=a"], "no widget 'prefix'"),
        (["run", "copy.json", "--set", "2"], "NODE.INPUT=VALUE"),
        (["run", "copy.json", "--batch", "nowhere"], "--batch takes a folder, got nowhere"),
        (["run", "copy.json", "--batch", "empty"], "empty holds no picture"),
        (["run", "copy.json", "--input", "a.png", "--batch", "pictures"], "no free Load Image"),
        (["run", "copy.json", "--server", "ftp://x"], "--server takes an address"),
        (["run", "copy.json", "--turbo"], "--turbo"),
        (["run", "unknown.json"], "this graph needs KSampler"),
        (["run", "range.json"], "level must be between -1 and 2, got 5"),
        (["nodes", "--yaml"], "--yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_one_line_and_exit_code_2(ask, tmp_path, folder, arguments, words):
    (tmp_path / "empty").mkdir()
    unknown = {**COPY, "3": {"class_type": "KSampler", "inputs": {}}}
    (tmp_path / "unknown.json").write_text(json.dumps(unknown))
    lens = {"class_type": "LoupeLens", "inputs": {"image": ["1", 0], "character": "soft focus 90 mm f/2.2", "level": 5, "format_mm": 36}}  # fmt: skip
    save = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}
    beyond = {"1": {"class_type": "LoadImage", "inputs": {"image": "pictures/p0.png"}}, "3": lens, "2": save}  # fmt: skip
    (tmp_path / "range.json").write_text(json.dumps(beyond))
    code, _, complaint = ask(*arguments)
    assert code == 2
    assert words in complaint
    assert len(complaint.strip().splitlines()) == 1


def test_a_complaint_in_json_is_json(ask):
    code, said, _ = ask("run", "nowhere.json", "--json")
    assert code == 2
    assert json.loads(said) == {"ok": False, "error": "nowhere.json does not exist"}


def test_comfyui_path_that_holds_no_comfyui_is_wrong_use(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    code, _, complaint = ask("run", SHIPPED)
    assert code == 2
    assert "holds no ComfyUI" in complaint


def test_a_server_that_is_not_there_is_said(ask):
    code, _, complaint = ask("run", SHIPPED, "--server", "http://127.0.0.1:9")
    assert code == 1
    assert "cannot be reached" in complaint


def test_a_node_that_fails_is_named_and_the_code_is_1(ask, folder):
    code, _, complaint = ask("run", "copy.json", "--input", folder / "p1.png")
    assert code == 1
    assert complaint.startswith("node 1 (Load Image): p1.png is not a picture")


# --- batches ---------------------------------------------------------------------------------------


def test_a_batch_goes_on_after_a_failure_and_says_at_the_end_what_failed(ask, folder, tmp_path):
    code, said, _ = ask("run", "copy.json", "--batch", folder, "--output", "out")
    assert code == 1
    assert "2 done, 0 done before, 1 failed" in said
    assert "p1.png: node 1 (Load Image): p1.png is not a picture" in said
    made = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png") if path.is_file())  # fmt: skip
    assert made == ["p0.png/copy_00001_.png", "p2.png/copy_00001_.png"]


def test_a_batch_goes_on_where_it_was_stopped(ask, folder):
    ask("run", "copy.json", "--batch", folder, "--output", "out")
    (good,) = save_pictures(torch.zeros(1, 8, 8, 3), folder, "new")
    good.replace(folder / "p1.png")
    code, said, _ = ask("run", "copy.json", "--batch", folder, "--output", "out")
    assert code == 0
    assert "1 done, 2 done before, 0 failed" in said


def test_what_has_changed_is_done_again(ask, folder, tmp_path):
    ask("run", "copy.json", "--batch", folder, "--output", "out")
    (tmp_path / "out/p0.png/copy_00001_.png").unlink()  # its file has gone
    (other,) = save_pictures(torch.zeros(1, 9, 9, 3), folder, "new")
    other.replace(folder / "p2.png")  # another picture of the same name
    (folder / "p1.png").unlink()
    _, said, _ = ask("run", "copy.json", "--batch", folder, "--output", "out")
    assert "2 done, 0 done before" in said
    _, said, _ = ask("run", "copy.json", "--batch", folder, "--output", "out")
    assert "0 done, 2 done before" in said
    _, said, _ = ask(
        "run", "copy.json", "--batch", folder, "--output", "out", "--set", "2.filename_prefix=b"
    )
    assert "2 done, 0 done before" in said


def test_a_broken_record_counts_as_none(ask, folder, tmp_path):
    ask("run", "copy.json", "--batch", folder, "--output", "out")
    (tmp_path / "out/p0.png/run.json").write_text("{")
    _, said, _ = ask("run", "copy.json", "--batch", folder, "--output", "out")
    assert "1 done, 1 done before, 1 failed" in said


def test_a_batch_in_json_has_an_entry_for_every_picture(ask, folder):
    code, said, _ = ask("run", "copy.json", "--batch", folder, "--json")
    told = json.loads(said)
    assert code == 1
    assert (told["ok"], told["done"], told["failed"], told["skipped"]) == (False, 2, 1, 0)
    assert [run["state"] for run in told["runs"]] == ["done", "failed", "done"]
    assert told["runs"][0]["files"]


def test_a_lost_host_ends_the_batch_and_the_next_run_goes_on(ask, folder, monkeypatch):
    (folder / "p1.png").unlink()
    run, calls = command.StandIn.run, []

    def lost_at_the_second(self, *arguments, **keywords):
        calls.append(1)
        if len(calls) == 2:
            raise command.HostError("it is gone")
        return run(self, *arguments, **keywords)

    monkeypatch.setattr(command.StandIn, "run", lost_at_the_second)
    code, said, complaint = ask("run", "copy.json", "--batch", folder)
    assert code == 1
    assert "1 done" in said
    assert "it is gone\nThe same command goes on from here." in complaint
    code, said, _ = ask("run", "copy.json", "--batch", folder)
    assert code == 0
    assert "1 done, 1 done before" in said


# --- the list of nodes -----------------------------------------------------------------------------


def test_the_nodes_are_listed_in_lines(ask):
    code, said, _ = ask("nodes")
    assert code == 0
    assert len(said.splitlines()) == len(line.our_nodes())
    assert said.startswith("LoupeFindFaces ")


def test_the_nodes_are_told_as_json(ask):
    code, said, _ = ask("nodes", "--json")
    told = {node["id"]: node for node in json.loads(said)}
    assert code == 0
    level = next(slot for slot in told["LoupeLens"]["inputs"] if slot["id"] == "level")
    assert (level["type"], level["min"], level["max"]) == ("FLOAT", -1, 2)
    assert level["tooltip"]
    grows = next(slot for slot in told["LoupeCompare"]["inputs"] if slot["id"] == "panels")["grows"]
    assert (grows["prefix"], grows["max"]) == ("panel", 16)
