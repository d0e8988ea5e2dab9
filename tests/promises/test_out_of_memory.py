"""Where memory runs out a picture is made in smaller parts, or elsewhere, and is the same picture."""

import logging

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.host import io
from portrait_loupe.nodes.lens import render as renderer
from portrait_loupe.nodes.lens.catalogue import find_lens
from portrait_loupe.nodes.lens.plan import Settings
from portrait_loupe.nodes.lens.render import render

# What torch says, on the GPU and on the CPU.
LACKS = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    MemoryError(),
]  # fmt: skip
LEVELS = (-1.0, -0.4, 0.8)
SOFT, SWIRLING = "soft focus 90 mm f/2.2", "Petzval portrait f/2.2"
# Of sRGB: strips of another height sum in another order. What decoding and coding cost is 1e-6 too.
ROUNDING = 2e-6
ELSEWHERE = torch.device("cpu", 0)  # another device than the picture's, as the node sees it
NAME = renderer.__name__


@pytest.fixture
def photo(hopper):
    """Higher than a strip, so that there are several."""
    return hopper[:, :, :96].repeat(1, 2, 1, 1)[:, :1000]


class Lacking:
    """A function that fails where it is given more rows than fit, or as often as is said."""

    def __init__(self, real, error, *, most_rows=None, times=None):
        self.real, self.error, self.most_rows, self.times, self.rows = (
            real,
            error,
            most_rows,
            times,
            [],
        )

    def __call__(self, light, *given, **more):
        self.rows.append(light.shape[-2])
        if self.most_rows is not None and light.shape[-2] > self.most_rows:
            raise self.error
        if self.times is not None and len(self.rows) <= self.times:
            raise self.error
        return self.real(light, *given, **more)


@pytest.mark.parametrize(
    ("level", "error"), [(LEVELS[0], LACKS[0]), (LEVELS[1], LACKS[1]), (LEVELS[2], LACKS[2])]
)
def test_a_lens_falls_to_smaller_strips(photo, level, error, monkeypatch):
    settings = Settings(find_lens(SOFT), level, 36.0, source_px=1.0)
    whole = render(photo, settings).picture
    lacking = Lacking(renderer.convolve, error, most_rows=150)
    monkeypatch.setattr(renderer, "convolve", lacking)
    seen = []
    made = render(photo, settings, progress=lambda total: seen.append).picture
    assert_close(made, whole, atol=ROUNDING, rtol=0)
    assert max(lacking.rows) > 150 > min(lacking.rows)  # it was tried, and then done in less
    assert seen == sorted(seen)
    assert seen[-1] == 1000


def veiled(**more):
    """A lens whose light goes all over the picture: that is not done in strips."""
    lens = find_lens(SOFT)
    return Settings(type(lens)(**{**lens.__dict__, "glare": 0.05}), -1.0, 36.0, **more)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("veil", LACKS[0]), ("alpha", LACKS[1]), ("alpha", LACKS[2]), ("field", LACKS[0])],
)
def test_what_is_not_done_in_strips_falls_to_the_cpu_and_says_so_once(
    photo, kind, error, monkeypatch, caplog
):
    picture, settings = photo[:, :300], veiled()
    if kind == "field":
        settings = Settings(find_lens(SWIRLING), -1.0, 36.0, across_frame=True)
    if kind == "alpha":
        settings = Settings(find_lens(SOFT), -1.0, 36.0)
        picture = torch.cat([picture, torch.rand(1, 300, 96, 1)], -1)
    whole = render(picture, settings).picture
    name = "convolve_field" if kind == "field" else "convolve"
    renderer._say_once.cache_clear()
    with caplog.at_level(logging.WARNING, logger=NAME):
        for _ in range(2):
            lacking = Lacking(getattr(renderer, name), error, times=1)
            with monkeypatch.context() as patched:
                patched.setattr(renderer, name, lacking)
                made = render(picture, settings, device=ELSEWHERE).picture
            assert_close(made, whole, atol=0, rtol=0)  # the CPU both times
            assert len(lacking.rows) >= 2
    told = [record.getMessage() for record in caplog.records if record.name == NAME]
    assert len(told) == 1
    assert "too little free memory" in told[0]
    assert "the CPU does it" in told[0]


def test_without_a_way_out_it_says_what_to_do(photo, monkeypatch):
    monkeypatch.setattr(renderer, "convolve", Lacking(renderer.convolve, LACKS[0], most_rows=0))
    with pytest.raises(
        RuntimeError, match=r"strips of 16 rows .*96x1000 px .*Close what else uses it"
    ):
        render(photo, Settings(find_lens(SOFT), -1.0, 36.0))
    with pytest.raises(
        RuntimeError,
        match=r"cpu has too little free memory for a picture of 96x1000 px .*smaller picture",
    ):
        render(photo, veiled())


def test_another_error_is_not_taken_for_a_lack_of_memory(photo, monkeypatch):
    for settings in (veiled(), Settings(find_lens(SOFT), -1.0, 36.0)):
        lacking = Lacking(renderer.convolve, RuntimeError("sizes do not match"), times=1)
        with monkeypatch.context() as patched:
            patched.setattr(renderer, "convolve", lacking)
            with pytest.raises(RuntimeError, match="sizes do not match"):
                render(photo, settings, device=ELSEWHERE)
        assert len(lacking.rows) == 1


def test_the_node_gives_the_same_picture(photo, ours, monkeypatch):
    """As ComfyUI calls it, with a device that has room for half a strip."""
    given = {"image": photo, "character": SOFT, "level": -1.0, "format_mm": 36.0}
    whole = ours["LoupeLens"].execute(**given)
    monkeypatch.setattr(renderer, "convolve", Lacking(renderer.convolve, LACKS[0], most_rows=150))
    made = ours["LoupeLens"].execute(**given)
    assert isinstance(made, io.NodeOutput)
    assert_close(made.args[0], whole.args[0], atol=ROUNDING, rtol=0)
    assert made.args[1:] == whole.args[1:]
