import sys

import pytest

from portrait_loupe.nodes.identity.encode import licence
from portrait_loupe.nodes.identity.encode.licence import licence_of

RESEARCH = "research only, not for trade"


def test_without_a_licence_file_a_pack_is_for_research(tmp_path):
    assert licence_of(tmp_path, "w600k_r50") == f"no MODEL.LICENSE: {RESEARCH}"


def test_insightface_says_the_same_of_a_pack_without_one(tmp_path):
    """So it need not be asked."""
    theirs = pytest.importorskip(
        "insightface.model_zoo.model_license", reason="insightface 2 is not installed"
    )
    found = theirs.inspect_model_package_license(tmp_path)
    assert found.status == "default_non_commercial"
    assert licence._inspected(tmp_path) == licence_of(tmp_path, "glintr100")


@pytest.mark.parametrize("content", [b"", b"{}", b"commercial use granted", b"\xff\x00"])
def test_a_licence_file_that_is_not_genuine_grants_nothing(tmp_path, content):
    pytest.importorskip(
        "insightface.model_zoo.model_license", reason="insightface 2 is not installed"
    )
    (tmp_path / "MODEL.LICENSE").write_bytes(content)
    told = licence_of(tmp_path, "w600k_r50")
    assert told.startswith("MODEL.LICENSE is not valid (")
    assert told.endswith(RESEARCH)


def test_a_manifest_alone_that_is_broken_grants_nothing(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    assert RESEARCH in licence_of(tmp_path, "w600k_r50")


STANDIN = """
from datetime import datetime
from types import SimpleNamespace

def inspect_model_package_license(folder):
    grant = (folder / "MODEL.LICENSE").read_text()
    if grant == "raise":
        raise RuntimeError("no")
    until = datetime(2030, 5, 1) if "until" in grant else None
    licence = SimpleNamespace(grant=grant.split()[0], valid_until=until)
    return SimpleNamespace(
        license=licence, commercial_use_permitted="non" not in grant, defaulted=False, status="valid"
    )
"""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("commercial", "MODEL.LICENSE is genuine and grants commercial use"),
        (
            "commercial until",
            "MODEL.LICENSE is genuine and grants commercial use, until 2030-05-01",
        ),
        ("non-commercial", f"MODEL.LICENSE is genuine and grants non-commercial use: {RESEARCH}"),
        ("raise", f"not verified: this insightface cannot check a MODEL.LICENSE; else {RESEARCH}"),
    ],
)
def test_a_genuine_licence_is_told(monkeypatch, tmp_path, content, told):
    """Nobody but insightface can sign one: a package of its shape stands in."""
    package = tmp_path / "site" / "insightface" / "model_zoo"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("")
    (package / "model_license.py").write_text(STANDIN)
    for name in [name for name in sys.modules if name.split(".")[0] == "insightface"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "MODEL.LICENSE").write_text(content)
    answer = licence_of(tmp_path, "w600k_r50")
    for name in [name for name in sys.modules if name.split(".")[0] == "insightface"]:
        monkeypatch.delitem(sys.modules, name)
    assert answer == told


def test_without_insightface_a_licence_file_is_not_verified(monkeypatch, tmp_path):
    (tmp_path / "MODEL.LICENSE").write_bytes(b"{}")
    monkeypatch.setattr(licence, "find_spec", lambda name: None)
    told = licence_of(tmp_path, "w600k_r50")
    assert "a MODEL.LICENSE lies there, not verified: insightface is not installed" in told


def test_an_insightface_that_is_broken_verifies_nothing(monkeypatch, tmp_path):
    (tmp_path / "MODEL.LICENSE").write_bytes(b"{}")
    monkeypatch.setattr(licence, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "insightface.model_zoo", None)
    monkeypatch.setitem(sys.modules, "insightface.model_zoo.model_license", None)
    assert licence_of(tmp_path, "w600k_r50").startswith("not verified")


def test_auraface_is_free_but_its_detectors_are_not(tmp_path):
    told = licence_of(tmp_path, "auraface")
    assert told.startswith("Apache-2.0 by its folder's name")
    assert "detectors beside it are insightface's" in told
