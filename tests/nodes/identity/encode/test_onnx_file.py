import pickle

import pytest

from portrait_loupe.nodes.identity.encode.onnx_file import read_graph


@pytest.fixture
def file(onnx_packs, tmp_path):
    onnx_packs.arcface(tmp_path / "net.onnx", subtracts=True, before=2)
    return tmp_path / "net.onnx"


def test_it_reads_what_the_package_onnx_reads(file):
    import onnx

    graph = onnx.load(str(file)).graph
    read = read_graph(file)
    assert read.nodes == tuple(node.name for node in graph.node[:8])
    assert len(read.nodes) == 8
    assert "Sub_0" in read.nodes
    assert read.inputs == ((0, 3, 112, 112),)
    assert read.outputs == ((0, 512),)


def test_fewer_nodes_may_be_asked_for(file):
    assert len(read_graph(file, nodes=3).nodes) == 3


def test_weights_that_an_old_exporter_lists_as_inputs_are_none(file):
    import onnx

    model = onnx.load(str(file))
    for weight in model.graph.initializer:
        model.graph.input.append(
            onnx.helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims))
        )
    onnx.save(model, str(file))
    assert read_graph(file).inputs == ((0, 3, 112, 112),)


def test_a_fixed_batch_is_told(onnx_packs, tmp_path):
    onnx_packs.arcface(tmp_path / "one.onnx", batch=1)
    read = read_graph(tmp_path / "one.onnx")
    assert read.inputs == ((1, 3, 112, 112),)
    assert read.outputs == ((1, 512),)


def test_every_truncation_is_refused_in_words(file, tmp_path):
    whole = file.read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in [*range(40), *range(40, len(whole), 997)]:
        cut.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"empty|no ONNX|ends too early"):
            read_graph(cut)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        pickle.dumps({"weights": [1, 2]}),
        b"<html>",
        b"\xff" * 64,
        b"\x00" * 64,
        b"PK\x03\x04zip",
    ],
)
def test_what_is_no_onnx_file_is_refused_in_words(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"empty|no ONNX|ends too early"):
        read_graph(tmp_path / "x.onnx")
