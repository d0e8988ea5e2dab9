import re
from collections import deque

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels import strips
from portrait_loupe.kernels.convolve import convolve
from portrait_loupe.kernels.convolve.border import mirror
from portrait_loupe.kernels.strips import cut_rows, in_strips

PSF = torch.outer(torch.tensor([1.0, 2, 4, 3, 1]), torch.tensor([2.0, 1, 5, 0, 1])) / 99  # reach 2


def blur(strip, *, first, index):
    return convolve(strip.movedim(-1, 1), PSF, backend="direct").movedim(1, -1)


def whole(picture):
    return convolve(picture.movedim(-1, 1), PSF, backend="direct").movedim(1, -1)


def unchanged(strip, *, first, index):
    return strip


# --- a strip gives what the whole gives ----------------------------------------------------------


@pytest.mark.parametrize("halo", [2, 3, 40])
@pytest.mark.parametrize("rows", [1, 4, 7, 23, 100])
@pytest.mark.parametrize("height", [1, 2, 5, 23])
def test_strips_give_what_the_whole_gives(height, rows, halo):
    picture = torch.rand(1 if height == 23 else 2, height, 13, 3)
    seen = in_strips(picture, blur, halo=halo, rows=rows)
    assert_close(seen, whole(picture), atol=1e-6, rtol=0)  # sums of 25 products in float32


def test_a_halo_too_small_shows():
    """So that the test above cannot pass by chance."""
    picture = torch.rand(1, 40, 13, 3)
    assert (in_strips(picture, blur, halo=1, rows=8) - whole(picture)).abs().max() > 1e-3


@pytest.mark.parametrize("height", [1, 2, 3, 11])
@pytest.mark.parametrize("halo", [0, 1, 5, 30])
def test_beyond_the_picture_a_strip_is_mirrored_as_the_border_is(height, halo):
    picture = torch.rand(1, height, 4, 1)
    want = mirror(picture.movedim(-1, 1), halo)[:, :, :, halo : halo + 4].movedim(1, -1)

    def look(strip, *, first, index):
        assert torch.equal(strip, want[:, first + halo : first + halo + strip.shape[1]])
        return strip

    assert torch.equal(in_strips(picture, look, halo=halo, rows=3), picture)


def test_a_strip_knows_its_picture_and_its_first_row():
    picture = torch.arange(2 * 10).reshape(2, 10, 1, 1).float()
    places = []

    def look(strip, *, first, index):
        places.append((index, first, strip.shape[1]))
        return strip

    in_strips(picture, look, halo=2, rows=4)
    assert places == [(0, -2, 8), (0, 2, 8), (0, 6, 6), (1, -2, 8), (1, 2, 8), (1, 6, 6)]


def test_a_mask_is_cut_as_the_strip_is():
    picture, halo = torch.rand(2, 21, 6, 3), 5
    masks = picture[..., 0]

    def look(strip, *, first, index):
        assert torch.equal(cut_rows(masks[index], first, strip.shape[1]), strip[0, ..., 0])
        return strip * cut_rows(masks[index], first, strip.shape[1])[None, ..., None]

    assert_close(in_strips(picture, look, halo=halo, rows=8), picture * masks[..., None])


def test_rows_inside_are_cut_without_a_copy():
    mask = torch.rand(9, 4)
    assert cut_rows(mask, 2, 5).data_ptr() == mask[2].data_ptr()
    assert torch.equal(cut_rows(mask, -1, 3), mask[[1, 0, 1]])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_all_channels_come_through_in_float32(channels, dtype):
    picture = torch.rand(1, 9, 5, channels).to(dtype)
    dtypes = set()

    def look(strip, *, first, index):
        dtypes.add(strip.dtype)
        return strip

    seen = in_strips(picture, look, halo=1, rows=4)
    assert seen.dtype == torch.float32
    assert dtypes == {torch.float32}
    assert torch.equal(seen, picture.float())


def test_the_result_may_have_other_channels():
    gray = torch.rand(2, 10, 5, 1)
    seen = in_strips(gray, lambda strip, *, first, index: strip.expand(-1, -1, -1, 3), halo=2, rows=4)  # fmt: skip
    assert torch.equal(seen, gray.repeat(1, 1, 1, 3))


def test_the_result_goes_where_it_is_told():
    picture, room = torch.rand(2, 9, 5, 3), torch.full((2, 9, 8, 3), -1.0)
    out = room[:, :, 2:7]
    assert in_strips(picture, blur, halo=2, rows=4, out=out) is out
    assert_close(out, whole(picture), atol=1e-6, rtol=0)
    assert (room[:, :, :2] == -1).all()


def test_the_picture_is_not_touched():
    picture = torch.rand(1, 9, 5, 3)
    before = picture.clone()
    in_strips(picture, blur, halo=2, rows=4)
    assert torch.equal(picture, before)


# --- memory, progress, interruption --------------------------------------------------------------


def hungry(most_rows, error, seen):
    """A blur that fails on strips of more rows, halo included."""

    def work(strip, *, first, index):
        seen.append((index, first, strip.shape[1]))
        if strip.shape[1] > most_rows:
            raise error
        return blur(strip, first=first, index=index)

    return work


OUT_OF_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    MemoryError(),
]  # fmt: skip


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_where_memory_runs_out_strips_get_smaller(error):
    picture, seen = torch.rand(2, 150, 4, 3), []
    result = in_strips(picture, hungry(40, error, seen), halo=2, rows=100)
    assert_close(result, whole(picture), atol=1e-6, rtol=0)
    # 100 and half of it, in eights, are too much; then 24, and so it stays
    assert [rows for *_, rows in seen[:4]] == [104, 52, 28, 28]
    assert max(rows for *_, rows in seen[2:]) == 28


def test_what_was_done_before_memory_ran_out_stays_done():
    picture, seen = torch.rand(1, 128, 4, 3), []

    def work(strip, *, first, index):
        seen.append((first, strip.shape[1]))
        if len(seen) == 3:  # something else took the memory
            raise torch.cuda.OutOfMemoryError("gone")
        return blur(strip, first=first, index=index)

    result = in_strips(picture, work, halo=2, rows=32)
    assert_close(result, whole(picture), atol=1e-6, rtol=0)
    assert seen == [(-2, 36), (30, 36), (62, 36), (62, 20), (78, 20), (94, 20), (110, 20)]


def test_when_not_even_the_smallest_strip_fits_it_says_so():
    picture = torch.rand(1, 64, 50, 3)
    error = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried\nmore")
    words = "cpu has too little free memory for strips of 16 rows of a picture of 50x64 px (CUDA out of memory. Tried)"
    with pytest.raises(RuntimeError, match=re.escape(words)):
        in_strips(picture, hungry(0, error, []), halo=2, rows=64)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    for error in (RuntimeError("sizes do not match"), ValueError("out of memory of man")):
        seen = []
        with pytest.raises(type(error), match=str(error)):
            in_strips(torch.rand(1, 64, 5, 3), hungry(0, error, seen), halo=0, rows=32)
        assert len(seen) == 1


def test_progress_counts_rows_after_each_strip():
    told = []

    def progress(total):
        told.append(f"of {total}")
        return told.append

    in_strips(torch.rand(2, 10, 3, 3), unchanged, halo=1, rows=4, progress=progress)
    assert told == ["of 20", 4, 8, 10, 14, 18, 20]


def test_an_interruption_ends_it_before_the_next_strip():
    class Stopped(Exception):
        pass

    seen = []

    def work(strip, *, first, index):
        seen.append(first)
        return strip

    def interrupt():
        if len(seen) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        in_strips(torch.rand(1, 40, 3, 3), work, halo=0, rows=8, interrupt=interrupt)
    assert seen == [0, 8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": torch.zeros(8, 8, 3)}, r"\(pictures, height, width, channels\).*got \(8, 8, 3\)"),
        ({"picture": torch.zeros(1, 0, 8, 3)}, "not empty"),
        ({"picture": torch.zeros(1, 8, 8, 3, dtype=torch.uint8)}, "torch.uint8"),
        ({"halo": -1}, "got -1 and 4"),
        ({"rows": 0}, "got 1 and 0"),
        ({"out": torch.zeros(1, 8, 9, 3)}, r"out must be \(1, 8, 8\) and channels"),
        ({"out": torch.zeros(1, 8, 8, 3).half()}, "float32 on cpu, got .* torch.float16"),
        ({"out": torch.zeros(1, 8, 8, 1)}, "out must have the 3 channels of the result, got 1"),
        ({"work": lambda strip, **_: strip[:, 1:]}, "as many rows and columns as it was given"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_cut_is_refused(change, message):
    given = {"picture": torch.zeros(1, 8, 8, 3), "work": unchanged, "halo": 1, "rows": 4, **change}
    with pytest.raises(ValueError, match=message):
        in_strips(given.pop("picture"), given.pop("work"), **given)


def test_a_result_in_the_pictures_own_memory_is_refused():
    picture = torch.zeros(1, 8, 8, 3)
    with pytest.raises(ValueError, match="must not share memory"):
        in_strips(picture, unchanged, halo=1, out=picture)


# --- the way to a CUDA device, on a device that puts everything off ---------------------------------


class Late:
    """A device that does nothing until it must: whoever forgets to wait finds old data.

    ``eager`` names streams that do their work at once instead: a race has two outcomes.
    """

    def __init__(self, eager=()):
        self.ways = tuple(LateStream(name, name in eager) for name in ("in", "work", "out"))

    def streams(self):
        return self.ways

    def locked(self, shape, dtype):
        return torch.full(shape, -7.0, dtype=dtype)

    on_device = locked


class LateStream:
    def __init__(self, name, eager):
        self.name, self.eager = name, eager
        self.queue, self.asked, self.finished = deque(), 0, 0

    def do(self, act):
        self._ask(act)

    def wait(self, event):
        self._ask(event.synchronize)

    def record(self):
        return LateEvent(self, self.asked)

    def _ask(self, act):
        self.queue.append(act)
        self.asked += 1
        if self.eager:
            self.reach(self.asked)

    def reach(self, count):
        while self.finished < count:
            self.finished += 1
            self.queue.popleft()()


class LateEvent:
    def __init__(self, stream, count):
        self.stream, self.count = stream, count

    def synchronize(self):
        self.stream.reach(self.count)


def through(engine, picture, work=blur, *, halo=2, rows=8, **given):
    """:func:`in_strips` as it goes to a CUDA device, on another device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "_needs_pipe", lambda picture, device: True)
        patch.setattr(strips, "CudaEngine", lambda device: engine)
        return in_strips(picture, work, halo=halo, rows=rows, **given)


EAGER = [(), ("in",), ("work",), ("out",), ("in", "work"), ("in", "out"), ("in", "work", "out")]


@pytest.mark.parametrize("eager", EAGER, ids=str)
@pytest.mark.parametrize("height", [1, 7, 8, 20, 64])
def test_whatever_is_late_the_pipe_gives_what_the_whole_gives(eager, height):
    picture = torch.rand(2, height, 5, 3)
    assert_close(through(Late(eager), picture), whole(picture), atol=1e-6, rtol=0)


def test_the_next_strip_is_on_its_way_in_while_one_is_at_work():
    """The host fills a buffer for the second strip before it waits for the first to be out."""
    asked = []
    engine = Late()
    for stream in engine.ways:
        do = stream.do
        stream.do = lambda act, do=do, name=stream.name: (asked.append(name), do(act))
    finished = []
    picture = torch.rand(1, 32, 5, 3)
    through(engine, picture, progress=lambda total: lambda done: finished.append((done, len(asked))))  # fmt: skip
    assert asked == ["in", "work", "out"] * 4
    # 8 rows are out when the second strip's three steps are asked for, and so on; the last two at the end
    assert finished == [(8, 6), (16, 9), (24, 12), (32, 12)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_the_way_in_takes_a_pictures_own_dtype(dtype):
    picture = torch.rand(1, 20, 5, 4).to(dtype)
    engine = Late()
    asked = []
    engine.on_device = lambda shape, dtype: asked.append((shape, dtype)) or torch.empty(shape, dtype=dtype)  # fmt: skip
    seen = through(engine, picture, unchanged)
    assert torch.equal(seen, picture.float())
    assert asked == [((1, 12, 5, 4), dtype)] * 2  # 8 rows and the halo, twice


@pytest.mark.parametrize("eager", EAGER, ids=str)
def test_memory_that_earlier_work_still_uses_is_left_alone(eager):
    """An allocator lends memory again when it is given back, though a kernel may not have ended yet."""
    engine = Late(eager)

    def lent(shape, dtype):
        buffer = torch.empty(shape, dtype=dtype)
        engine.ways[1].do(lambda: buffer.fill_(torch.nan))
        return buffer

    engine.on_device = lent
    picture = torch.rand(1, 30, 5, 3)
    assert_close(through(engine, picture), whole(picture), atol=1e-6, rtol=0)


@pytest.mark.parametrize("at", [1, 2, 3, 5])
@pytest.mark.parametrize("eager", [("work",), ("in", "work", "out")], ids=str)
def test_the_pipe_gets_smaller_too_and_loses_nothing(at, eager):
    picture, calls = torch.rand(2, 75, 5, 3), []
    told = []

    def work(strip, *, first, index):
        calls.append(first)
        if len(calls) == at:
            raise torch.cuda.OutOfMemoryError("full")
        return blur(strip, first=first, index=index)

    seen = through(Late(eager), picture, work, rows=32, progress=lambda total: told.append)
    assert_close(seen, whole(picture), atol=1e-6, rtol=0)
    assert told == sorted(set(told))
    assert told[-1] == 150


def test_an_interruption_waits_until_no_buffer_is_in_use():
    engine, calls = Late(), []

    def interrupt():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        through(engine, torch.rand(1, 64, 5, 3), interrupt=interrupt)
    assert [stream.finished == stream.asked for stream in engine.ways] == [True] * 3


def test_only_from_the_cpu_to_cuda_strips_go_through_buffers():
    picture = torch.rand(1, 2, 2, 3)
    assert not strips._needs_pipe(picture, torch.device("cpu"))
    assert strips._needs_pipe(picture, torch.device("cuda", 0))
    assert not strips._needs_pipe(picture.to("meta"), torch.device("cuda", 0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("rows", [16, 100, 256])
def test_on_a_gpu_the_pipe_gives_what_the_whole_gives(rows):
    picture = torch.rand(2, 1000, 700, 3)
    seen = in_strips(picture, blur, halo=2, rows=rows, device=torch.device("cuda"))
    assert_close(seen, whole(picture), atol=1e-6, rtol=0)
