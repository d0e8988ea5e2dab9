import json

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_loupe.nodes.host.pictures import read_picture, save_pictures
from portrait_loupe.nodes.host.standin.graph import GraphError, run
from portrait_loupe.nodes.host.standin.images import image_nodes


@pytest.fixture
def codes():
    return np.random.default_rng(3).integers(0, 256, (5, 7, 4), dtype=np.uint8)


def test_an_rgb_file_is_read_to_the_bit_with_comfyuis_empty_mask(tmp_path, codes):
    Image.fromarray(codes[..., :3]).save(tmp_path / "a.png")
    picture, mask = read_picture(tmp_path / "a.png")
    assert np.array_equal((picture[0].numpy() * 255).round(), codes[..., :3])
    assert mask.shape == (1, 64, 64)
    assert mask.max() == 0


def test_alpha_becomes_a_mask_that_is_one_where_nothing_is(tmp_path, codes):
    Image.fromarray(codes).save(tmp_path / "a.png")
    picture, mask = read_picture(tmp_path / "a.png")
    assert picture.shape == (1, 5, 7, 3)
    assert np.allclose(1 - mask[0].numpy(), codes[..., 3] / 255, atol=1e-7)


def test_a_photo_is_turned_as_its_camera_says(tmp_path, codes):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(codes[..., :3]).save(tmp_path / "a.png", exif=exif)
    picture, _ = read_picture(tmp_path / "a.png")
    assert picture.shape == (1, 7, 5, 3)


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png is not a picture"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "dtype"), [("deep.png", np.uint16), ("deep.tif", np.int32), ("deep.tif", np.float32)]
)
def test_a_file_of_more_bits_is_refused_rather_than_turned_white(tmp_path, name, dtype):
    Image.fromarray(np.full((4, 5), 30000, dtype)).save(tmp_path / name)
    with pytest.raises(ValueError, match="more than 8 bits a channel; save it with 8"):
        read_picture(tmp_path / name)


def test_a_truncated_file_is_named(tmp_path, codes):
    Image.fromarray(codes).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"a\.png is not a picture that can be read"):
        read_picture(tmp_path / "a.png")


def test_eight_bit_codes_survive_saving_and_no_file_is_overwritten(tmp_path, codes):
    picture = torch.from_numpy(codes[None, ..., :3].astype(np.float32) / 255)
    first, second = (save_pictures(picture, tmp_path, "plate") for _ in range(2))
    assert [path.name for path in first + second] == ["plate_00001_.png", "plate_00002_.png"]
    assert np.array_equal(np.asarray(Image.open(first[0])), codes[..., :3])


@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1, 3), (1, 1, 5, 3), (1, 5, 1, 3), (1, 1, 1, 1), (1, 4, 3, 1), (1, 4, 3, 4)],
    ids=str,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_picture_of_any_shape_keeps_it(tmp_path, shape, dtype):
    (path,) = save_pictures(torch.ones(shape, dtype=dtype), tmp_path, "plate")
    with Image.open(path) as saved:
        assert saved.size == (shape[2], shape[1])
        assert len(saved.getbands()) == shape[3]


def test_values_are_cut_to_eight_bits_as_comfyui_cuts_them(tmp_path):
    values = (
        torch.tensor([0.999 / 255, 1.0 / 255, 254.9 / 255, 1.5, -0.5])
        .view(1, 1, 5, 1)
        .expand(-1, -1, -1, 3)
    )
    (path,) = save_pictures(values, tmp_path, "plate")
    assert np.asarray(Image.open(path))[0, :, 0].tolist() == [0, 1, 254, 255, 0]


def test_numbering_goes_on_after_the_highest(tmp_path):
    (tmp_path / "plate_00041_.png").touch()
    (tmp_path / "plate_other_00099_.png").touch()
    (path,) = save_pictures(torch.zeros(1, 2, 2, 3), tmp_path, "plate")
    assert path.name == "plate_00042_.png"


def test_a_saved_picture_carries_its_graph(tmp_path):
    (path,) = save_pictures(
        torch.zeros(1, 2, 2, 3), tmp_path, "plate", workflow={"nodes": []}, prompt={"1": {}}
    )
    assert json.loads(Image.open(path).text["workflow"]) == {"nodes": []}
    assert json.loads(Image.open(path).text["prompt"]) == {"1": {}}


@pytest.mark.parametrize("prefix", ["../plate", "a/../../plate", "/plate", ""])
def test_a_prefix_that_leads_out_of_the_folder_is_refused(tmp_path, prefix):
    folder = tmp_path / "output"
    folder.mkdir()
    with pytest.raises(ValueError, match="inside the output folder"):
        save_pictures(torch.zeros(1, 2, 2, 3), folder, prefix)
    assert [path.name for path in tmp_path.rglob("*")] == ["output"]


def test_a_prefix_may_name_a_folder_inside(tmp_path):
    (path,) = save_pictures(torch.zeros(1, 2, 2, 3), tmp_path, "casts/marta")
    assert path == tmp_path / "casts" / "marta_00001_.png"


@pytest.mark.parametrize("name", ["../secret.png", "secret.png", "folder"])
def test_load_image_reads_only_the_files_of_its_folder(tmp_path, name):
    folder = tmp_path / "input"
    (folder / "folder").mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(tmp_path / "secret.png")
    Image.new("RGB", (2, 2)).save(folder / "mine.png")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    with pytest.raises(GraphError, match=r"image must be one of mine\.png"):
        run(graph, image_nodes(folder, tmp_path / "output"))


def test_any_value_is_previewed_as_text(tmp_path, codes):
    Image.fromarray(codes[..., :3]).save(tmp_path / "a.png")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 1]}},
    }
    assert "tensor" in run(graph, image_nodes(tmp_path, tmp_path)).ui["2"]["text"][0]
