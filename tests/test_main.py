"""The command line, as far as it can be tried without making an environment."""

import importlib.metadata
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


def test_nothing_is_needed_inside_the_environment_that_was_made(monkeypatch):
    monkeypatch.setattr(command, "is_installed", lambda requirement: False)
    monkeypatch.delenv(command.INSIDE, raising=False)
    assert command.needs("standalone")
    monkeypatch.setenv(command.INSIDE, "standalone")
    assert not command.needs("standalone")
    assert command.needs("test")


@pytest.mark.parametrize("arguments", [[], ["paint"], ["demo", "--size", "9"]])
def test_wrong_use_is_one_clear_line_and_exit_code_2(arguments):
    answer = subprocess.run(
        [sys.executable, str(ROOT), *arguments], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert "error:" in answer.stderr


def test_the_command_line_needs_nothing_but_the_standard_library():
    """On a bare machine it must get as far as making an environment."""
    probe = f"import sys; sys.argv = ['.', '--help']; import runpy; runpy.run_path({str(ROOT / '__main__.py')!r}, run_name='__main__')"
    answer = subprocess.run(
        [sys.executable, "-S", "-c", probe], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    assert "demo" in answer.stdout
