"""``python . kernels``."""

import json

import pytest

from portrait_loupe import __main__ as line
from portrait_loupe.kernels import report


@pytest.fixture
def ask(monkeypatch, capsys):
    """Run the command line: exit code, what it said, what it complained."""
    monkeypatch.setattr(line, "missing", lambda extra: [])

    def asked(*arguments):
        try:
            code = line.main(list(arguments))
        except SystemExit as stopped:
            code = stopped.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return asked


def test_the_choice_on_this_machine_is_told_in_lines(ask):
    code, said, _ = ask("kernels")
    assert code == 0
    assert said == report.table(report.look()) + "\n"
    assert said.startswith("torch      ")
    for words in ("CUDA", "Triton", "1080p", "8K", "cpu, soft lens"):
        assert words in said


def test_json_is_all_that_it_prints(ask):
    code, said, _ = ask("kernels", "--json")
    assert code == 0
    assert json.loads(said)["cases"] == report.look()["cases"]


def test_wrong_use_is_one_line_and_exit_code_2(ask):
    code, said, complaint = ask("kernels", "--yaml")
    assert code == 2
    assert said == ""
    assert "--yaml" in complaint
    assert len(complaint.strip().splitlines()) == 1
