import sys

import pytest
import torch

from portrait_loupe.nodes.identity.eva.parsing import FILE, NOT_FACE, parse_face


@pytest.fixture
def picture():
    return torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def bisenet(torchvision):
    """facexlib's class of networks; facexlib imports numba and OpenCV, and is no part of the test extra."""
    pytest.importorskip("facexlib", reason="facexlib is not installed")
    return pytest.importorskip("facexlib.parsing.bisenet").BiSeNet


def weights(bisenet, **rows):
    """Random, and in the last layer alone what ``rows`` give: the class's share in every feature."""
    torch.manual_seed(1)
    network = bisenet(num_class=19).eval()
    last = network.conv_out.conv_out.weight
    if rows:
        last.data.zero_()
    for name, share in rows.items():
        last.data[int(name[1:])] = share
    return network


def saved(network, folder):
    torch.save(network.state_dict(), folder / FILE)
    return [folder / "nowhere", folder]


def test_a_parser_that_is_not_there_is_told_of(picture, tmp_path, monkeypatch):
    assert parse_face(picture, []) == f"{FILE} is not in models/facexlib"
    (tmp_path / FILE).mkdir()
    assert parse_face(picture, [tmp_path]) == f"{FILE} is not in models/facexlib"
    other = tmp_path / "other"
    other.mkdir()
    (other / FILE).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "facexlib", None)
    assert parse_face(picture, [other]).startswith(
        "facexlib is not installed (pip install facexlib)"
    )


def test_a_facexlib_that_stumbles_when_imported_costs_the_parser_alone(
    picture, tmp_path, monkeypatch
):
    package = tmp_path / "facexlib"
    package.mkdir()
    (package / "__init__.py").write_text(
        "raise SystemError('numba and numpy\\nare at odds')", "utf-8"
    )
    (tmp_path / FILE).write_bytes(b"x")
    for name in [one for one in sys.modules if one.split(".")[0] == "facexlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    assert parse_face(picture, [tmp_path]) == "facexlib cannot be imported (numba and numpy)"


def test_it_finds_what_facexlibs_own_network_finds(bisenet, picture, tmp_path):
    network = weights(bisenet)
    mean, spread = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    prepared = torch.stack([(picture[0, i] - mean[i]) / spread[i] for i in range(3)])[None]
    with torch.no_grad():
        # what all places share is taken out of the last layer, or one class would win everywhere
        shared = network(prepared, return_feat=True)[3].mean((0, 2, 3))
        last = network.conv_out.conv_out.weight.data[..., 0, 0]
        last -= torch.outer(last @ shared, shared) / (shared @ shared)
        classes = network(prepared)[0].argmax(1)[0]
    wanted = torch.tensor(
        [[int(one) not in (0, 16, 18, 7, 8, 9, 14, 15) for one in row] for row in classes]
    )
    assert 0.05 < wanted.float().mean() < 0.95
    found = parse_face(picture, saved(network, tmp_path))
    assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("one", "face"), [("c1", True), ("c17", True), ("c16", False), ("c7", False)]
)
def test_skin_and_hair_are_face_cloth_and_ears_are_not(bisenet, picture, tmp_path, one, face):
    found = parse_face(picture, saved(weights(bisenet, **{one: 1.0}), tmp_path))
    assert bool((found == face).all())
    assert (int(one[1:]) in NOT_FACE) is not face


def test_a_damaged_parser_is_told_of(bisenet, picture, tmp_path):
    whole = weights(bisenet)
    folders = saved(whole, tmp_path)
    path = tmp_path / FILE
    content = path.read_bytes()
    another = bisenet(num_class=11)
    for damage in (content[: len(content) // 2], b"", b"<html>"):
        path.write_bytes(damage)
        assert (
            parse_face(picture, folders)
            == f"{FILE} is damaged or another network: download it again"
        )
    for value in (another.state_dict(), torch.ones(3), [1]):
        torch.save(value, path)
        assert "is damaged or another network" in parse_face(picture, folders)
    whole.conv_out.conv_out.weight.data.fill_(float("nan"))
    assert parse_face(picture, saved(whole, tmp_path)) == f"{FILE} is damaged: download it again"
