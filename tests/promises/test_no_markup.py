"""What users, models and files are called is shown as text: no script of the pack makes markup of data."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(ROOT.glob("web/**/*.js"))
# What turns a text into markup or into a program.
MARKUP = re.compile(
    r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|srcdoc|createContextualFragment|setHTMLUnsafe|parseFromString|"
    r"DOMParser|eval|execScript|importScripts)\b|\bdocument\s*\.\s*write(?:ln)?\b|\bnew\s+Function\b|\bFunction\s*\(|"
    r"\bset(?:Timeout|Interval)\s*\(\s*[\"'`]|javascript:|\bimport\s*\(\s*[^\"'`)]"
)
# Attributes by which a text can run or lead elsewhere: each place that sets one, and why it is safe.
LEADING = re.compile(r"\.(?:href|src|srcset|action|formAction|on[a-z]+)\s*=(?!=)")
SAFE = {
    "web/casting/takes.js": {".src": "the address of ComfyUI's /view, made by viewUrl"},
    "web/comparer/save.js": {".href": "a blob of the canvas that is shown"},
}  # fmt: skip
OWN_ATTRIBUTES = re.compile(
    r"setAttribute\(\s*(?:[\w.]+\s*,\s*)?[\"'](href|src|srcset|style|on\w+|srcdoc)[\"']"
)


def code_of(text: str) -> str:
    """A script without its comments; texts stay, because markup hides in them."""
    return re.sub(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_script_makes_markup_or_programs_of_text(path):
    code = code_of(path.read_text("utf-8"))
    assert MARKUP.findall(code) == []
    assert OWN_ATTRIBUTES.findall(code) == []


def test_only_known_places_set_where_a_picture_or_a_link_leads():
    found = {}
    for path in SCRIPTS:
        places = {
            one.split("=")[0].strip() for one in LEADING.findall(code_of(path.read_text("utf-8")))
        }
        if places:
            found[path.relative_to(ROOT).as_posix()] = places
    assert {key: set(value) for key, value in SAFE.items()} == found


@pytest.mark.parametrize(
    "line",
    [
        "a.innerHTML = b", "a.outerHTML=b", "a.insertAdjacentHTML('x', b)", "document.write(b)", "eval(b)",
        "new Function(b)", "setTimeout('b()', 1)", "a.srcdoc = b", "location = 'javascript:b'", "import(b)",
        "new DOMParser()",
    ],
)  # fmt: skip
def test_what_is_planted_is_found(line):
    assert MARKUP.findall(code_of(line)) != []


@pytest.mark.parametrize("line", ["a.href = b", "a.src=b", "a.onclick = b", "image.srcset = b"])
def test_a_planted_address_is_found(line):
    assert LEADING.findall(code_of(line)) != []


@pytest.mark.parametrize(
    "line",
    [
        "// never innerHTML",
        "/* eval(x) */",
        "a.textContent = b",
        "if (a.src == b)",
        "setTimeout(() => b, 1)",
        "import('./a.js')",
    ],
)
def test_what_is_harmless_is_not(line):
    assert MARKUP.findall(code_of(line)) + LEADING.findall(code_of(line)) == []
