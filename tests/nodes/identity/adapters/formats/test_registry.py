import pytest

from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.formats.registry import FORMATS, SUPPORTED
from portrait_loupe.nodes.identity.adapters.layout import objections

TWINS = {
    "plus": ["FaceID Plus", "FaceID Plus V2"],
    "plusv2": ["FaceID Plus", "FaceID Plus V2"],
    "unnorm": ["FaceID Portrait", "InstantID"],
    "instantid": ["FaceID Portrait", "InstantID"],
}


@pytest.mark.parametrize("base", ["SD1.5", "SDXL"])
def test_no_file_is_claimed_by_two_formats_but_for_those_that_share_a_layout(
    identity_adapters, base
):
    claimed = {}
    for kind in identity_adapters.SUPPORTED | identity_adapters.UNSUPPORTED:
        tensors = flatten(identity_adapters.build(kind, base))
        claimed[kind] = [layout.name for layout in FORMATS if not objections(layout, tensors)]
        assert claimed[kind] == TWINS.get(kind, claimed[kind][:1])
    alone = [names[0] for kind, names in claimed.items() if kind not in TWINS]
    assert len(alone) == len(set(alone)) == 15


def test_those_that_share_a_layout_have_a_version_and_a_name_to_be_told_by():
    for layout in FORMATS:
        assert bool(layout.version) == bool(layout.in_name)
    assert len([layout for layout in FORMATS if layout.version]) == 4


def test_every_supported_format_can_project_and_says_what_it_needs():
    for layout in FORMATS:
        assert bool(layout.project) == bool(layout.needs) == bool(layout.rows) == layout.supported
    assert len(SUPPORTED) == 6
