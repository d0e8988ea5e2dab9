"""The door itself; with a ComfyUI checkout on the path these tests run against ComfyUI's own classes."""

import sys
from types import ModuleType

import pytest

from portrait_loupe.nodes import host
from portrait_loupe.nodes.extension import NODES, Loupe
from portrait_loupe.nodes.host import ComfyExtension, io, progress, sampler_choices
from portrait_loupe.nodes.host.standin.graph import slots


def test_progress_may_be_called_without_a_browser():
    tick = progress(3)
    for done in (1, 2, 3):
        tick(done)


def test_the_extension_and_its_nodes_are_the_hosts():
    assert issubclass(Loupe, ComfyExtension)
    assert all(issubclass(node, io.ComfyNode) for node in NODES)


def test_every_node_says_what_it_is_in_one_category_of_ours():
    rooms = {"framing", "identity", "lens", "comparison", "casting"}
    for node in NODES:
        schema = node.define_schema()
        pack, room = schema.category.split("/")
        assert pack == "Loupe"
        assert room in rooms
        assert f".nodes.{room}." in node.__module__
        assert schema.display_name
        assert schema.description


def test_every_widget_explains_itself():
    for node in NODES:
        schema = node.define_schema()
        for name, declared, _ in slots(schema):
            assert declared.tooltip, f"{schema.node_id}.{name}"


def test_a_combos_default_is_one_of_its_options_and_a_numbers_in_its_range():
    for node in NODES:
        for name, declared, _ in slots(node.define_schema()):
            if declared.get_io_type() == "COMBO":
                # None: the first, where the options are files
                assert declared.default in (None, *declared.options), name
            if getattr(declared, "min", None) is not None and hasattr(declared, "default"):
                assert declared.min <= declared.default <= declared.max, name


def test_socket_types_are_ours_with_a_prefix_or_comfyuis():
    core = {
        "IMAGE",
        "MASK",
        "INT",
        "FLOAT",
        "STRING",
        "BOOLEAN",
        "COMBO",
        "FACE_LANDMARKS",
        "VAE",
        "LATENT",
        "MODEL",
        "CLIP_VISION",
        "CONDITIONING",
        "CONTROL_NET",
        "BOUNDING_BOX",
    }
    for node in NODES:
        schema = node.define_schema()
        kinds = [declared.get_io_type() for _, declared, _ in slots(schema)]
        kinds += [output.get_io_type() for output in schema.outputs]
        for kind in ",".join(kinds).split(","):
            assert kind in core or kind.startswith("LOUPE_"), f"{schema.node_id}: {kind}"


def test_results_lie_where_the_host_says(monkeypatch, tmp_path):
    if host.IN_COMFYUI:
        assert host.output_folder().is_absolute()
        return
    monkeypatch.delenv("LOUPE_OUTPUT", raising=False)
    assert host.output_folder() is None
    monkeypatch.setenv("LOUPE_OUTPUT", str(tmp_path))
    assert host.output_folder() == tmp_path


def test_long_work_goes_to_cuda_or_stays_on_the_cpu():
    # other devices lack float64, or operations that the kernels need
    assert host.compute_device().type in ("cuda", "cpu")


def test_samplers_are_ksamplers_where_comfyui_runs_and_one_elsewhere(monkeypatch):
    assert sampler_choices() == (("euler",), ("normal",))  # no test runs inside ComfyUI
    if not host.IN_COMFYUI:
        return
    pytest.importorskip("comfy.cli_args").args.cpu = True
    from comfy.samplers import KSampler

    monkeypatch.setitem(sys.modules, "nodes", ModuleType("nodes"))
    samplers, schedulers = sampler_choices()
    assert samplers == tuple(KSampler.SAMPLERS)
    assert schedulers == tuple(KSampler.SCHEDULERS)
    assert "euler" in samplers
    assert "normal" in schedulers


@pytest.mark.skipif(not host.IN_COMFYUI, reason="the stand-in has nobody who stops a run")
def test_a_stop_is_felt_at_a_tick_that_brings_nothing_new():
    """ComfyUI's own bar looks only where half a percent was done since."""
    pytest.importorskip("comfy.cli_args").args.cpu = True
    import comfy.model_management as management

    tick = progress(100)
    tick(1)
    management.interrupt_current_processing(True)
    try:
        with pytest.raises(management.InterruptProcessingException):
            tick(1)
    finally:
        management.interrupt_current_processing(False)
