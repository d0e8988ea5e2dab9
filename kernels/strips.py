"""A picture of any size in the memory of a strip: cut into rows, worked on, put together again.

A CUDA device gets the strips of a picture that lies on the CPU through page-locked buffers, two
each way, with a stream for each way beside the one that works: while a strip is worked on, the next
one is on its way in and the one before on its way out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from .convolve.border import mirrored

ROWS = 256  # of 8K RGB in float32 24 MB: with two buffers and what works on them far below 300 MB
FEWEST_ROWS = 16  # below, the halo is nearly all of the work; and 8K RGB has 1.5 MB in as many
_ALIGN = 8  # strips shrink to multiples: what works in blocks of 4 rows meets them whole
_SLOTS = 2  # one in use, one on its way


class Work(Protocol):
    """What is done to a strip."""

    def __call__(self, strip: Tensor, /, *, first: int, index: int) -> Tensor:
        """Work on (1, h, w, C), float32; see :func:`in_strips`."""
        ...


Progress = Callable[[int], Callable[[int], None]]


def in_strips(
    picture: Tensor,
    work: Work,
    *,
    halo: int,
    rows: int = ROWS,
    device: torch.device | None = None,
    out: Tensor | None = None,
    progress: Progress | None = None,
    interrupt: Callable[[], None] | None = None,
) -> Tensor:
    """Work on a batch of pictures strip by strip.

    Parameters
    ----------
    picture : Tensor, (B, H, W, C), floating point
        On any device.
    work : callable
        Called as ``work(strip, first=first, index=index)`` with a strip (1, h, W, C) in float32 on
        ``device``, where ``first`` is the row of picture ``index`` that the strip begins with, below
        0 at the top: what belongs to rows, such as a mask, is cut alike with :func:`cut_rows`. It
        returns (1, h, W, any number of channels), and leaves the strip as it is. On CUDA it must
        work on the current stream.
    halo : int, pixels
        Rows above and below that a strip has beyond those that are kept: as far as ``work`` reaches.
        Beyond the picture they are mirrored, as :func:`~.convolve.border.mirror` does.
    rows : int
        That are kept of a strip. Where memory runs out, half as many, down to ``FEWEST_ROWS``;
        multiples of 8 stay multiples of 8.
    device : torch.device, optional
        Where ``work`` is done; the picture's own by default.
    out : Tensor, (B, H, W, channels of the result), float32, optional
        Where the result goes, on the picture's device; must not share its memory.
    progress : callable, optional
        Called once with the number of rows of all pictures; what it returns is called after each
        strip with the rows done.
    interrupt : callable, optional
        Called before each strip; what it raises ends the work.

    Returns
    -------
    Tensor, (B, H, W, channels of the result), float32, on the picture's device

    Raises
    ------
    ValueError
        A shape or a number is not possible.
    RuntimeError
        Memory runs out with ``FEWEST_ROWS`` rows (or ``rows``, if fewer) still.
    """
    _check(picture, halo, rows, out)
    device = picture.device if device is None else _numbered(torch.device(device))
    result = _Result(picture, out)
    tick = progress(picture.shape[0] * picture.shape[1]) if progress else None

    def done(count: int) -> None:
        if tick:
            tick(count)

    place, size = 0, rows
    while True:
        lane: _Lane
        if _needs_pipe(picture, device):
            lane = _Pipe(picture, result, work, CudaEngine(device), halo=halo, rows=size)
        else:
            lane = _Direct(picture, result, work, device)
        complaint = _run(lane, picture, place, halo, size, done, interrupt)
        if complaint is None:
            return result.whole()
        place = lane.done
        del lane  # its buffers are what memory is wanted for
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if size <= FEWEST_ROWS:
            raise RuntimeError(
                f"{device} has too little free memory for strips of {size} rows of a picture of "
                f"{picture.shape[2]}x{picture.shape[1]} px ({complaint}). Close what else uses it, "
                "or work on a smaller picture."
            )
        size = max(size // 2 // _ALIGN * _ALIGN, FEWEST_ROWS)


def cut_rows(map_: Tensor, first: int, count: int, *, axis: int = -2) -> Tensor:
    """The rows of a map that belong to a strip, mirrored beyond the ends as the strip is.

    Parameters
    ----------
    map_ : Tensor, (..., H, W), or any shape with its rows along ``axis``
    first : int
        May be negative.
    count : int

    Returns
    -------
    Tensor, (..., count, W)
        A view where all rows are inside.
    """
    height = map_.shape[axis]
    if first >= 0 and first + count <= height:
        return map_.narrow(axis, first, count)
    return map_.index_select(axis, mirrored(first, first + count, height, map_.device))


@dataclass(frozen=True)
class _Strip:
    """Rows ``top`` to ``bottom`` of picture ``index``, and ``halo`` more on each side."""

    index: int
    top: int
    bottom: int
    halo: int

    @property
    def first(self) -> int:
        return self.top - self.halo

    @property
    def count(self) -> int:
        return self.bottom - self.top + 2 * self.halo

    def cut(self, picture: Tensor) -> Tensor:
        """(1, count, W, C) of a batch."""
        return cut_rows(picture[self.index : self.index + 1], self.first, self.count, axis=1)


def _strips(shape: torch.Size, place: int, halo: int, rows: int) -> Iterator[_Strip]:
    """All from the row ``place`` on, counted through the batch; none goes over a picture's end."""
    batch, height = shape[:2]
    while place < batch * height:
        index, top = divmod(place, height)
        bottom = min(top + rows, height)
        yield _Strip(index, top, bottom, halo)
        place += bottom - top


class _Result:
    """Where the kept rows go; made when the first of them tells how many channels it has."""

    def __init__(self, picture: Tensor, out: Tensor | None):
        self._like, self._out = picture, out

    def rows(self, strip: _Strip, channels: int) -> Tensor:
        batch, height, width, _ = self._like.shape
        if self._out is None:
            shape = (batch, height, width, channels)
            self._out = torch.empty(shape, dtype=torch.float32, device=self._like.device)
        if self._out.shape[-1] != channels:
            raise ValueError(
                f"out must have the {channels} channels of the result, got {self._out.shape[-1]}"
            )
        return self._out[strip.index : strip.index + 1, strip.top : strip.bottom]

    def whole(self) -> Tensor:
        assert self._out is not None  # there is no batch without a row
        return self._out


class _Lane(Protocol):
    """A way to get strips to where they are worked on, and back."""

    done: int
    """Rows that are finished, counted through the batch."""

    def push(self, strip: _Strip) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None: ...


def _run(
    lane: _Lane,
    picture: Tensor,
    place: int,
    halo: int,
    rows: int,
    done: Callable[[int], None],
    interrupt: Callable[[], None] | None,
) -> str | None:
    """All strips from ``place`` on; the words of the error where memory ran out, else None."""
    lane.done = place
    told = place
    try:
        for strip in _strips(picture.shape, place, halo, rows):
            if interrupt:
                interrupt()
            lane.push(strip)
            if lane.done > told:
                told = lane.done
                done(told)
        lane.finish()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        # Not kept: its traceback holds every tensor of the work that failed.
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
    else:
        words = None
    finally:
        lane.close()
    if lane.done > told:
        done(lane.done)
    return words


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on the GPU or on the CPU."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    words = str(error).lower()
    signs = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(sign in words for sign in signs)


class _Direct:
    """One after the other: the picture is on the device already, or copies cannot overlap."""

    def __init__(self, picture: Tensor, result: _Result, work: Work, device: torch.device):
        self.done = 0
        self._picture, self._result, self._work, self._device = picture, result, work, device

    def push(self, strip: _Strip) -> None:
        ready = strip.cut(self._picture).to(self._device, torch.float32)
        kept = _kept(self._work(ready, first=strip.first, index=strip.index), strip, ready)
        self._result.rows(strip, kept.shape[-1]).copy_(kept)
        self.done += strip.bottom - strip.top

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


class Stream(Protocol):
    """Work of a device in its order."""

    def do(self, act: Callable[[], Any]) -> None: ...

    def wait(self, event: Any) -> None: ...

    def record(self) -> Any: ...


class Engine(Protocol):
    """What :class:`_Pipe` asks of a device; the tests have one that is as late as it may be."""

    def streams(self) -> tuple[Stream, Stream, Stream]: ...

    def locked(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor: ...

    def on_device(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor: ...


class CudaStream:
    def __init__(self, stream: torch.cuda.Stream):
        self._stream = stream

    def do(self, act: Callable[[], Any]) -> None:
        with torch.cuda.stream(self._stream):
            act()

    def wait(self, event: torch.cuda.Event) -> None:
        self._stream.wait_event(event)

    def record(self) -> Any:
        return self._stream.record_event()


class CudaEngine:
    """Buffers and streams of a CUDA device."""

    def __init__(self, device: torch.device):
        self._device = device

    def streams(self) -> tuple[Stream, Stream, Stream]:
        """In, work, out. Work is the caller's own, which knows what lies ready for it."""
        ways = [CudaStream(torch.cuda.Stream(self._device)) for _ in range(2)]
        return ways[0], CudaStream(torch.cuda.current_stream(self._device)), ways[1]

    def locked(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def on_device(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self._device)


@dataclass
class _Slot:
    """One of the two sets of buffers, and how far what it holds has come."""

    sent: Tensor
    """Page-locked, on its way in."""
    ready: Tensor
    """On the device, to be worked on."""
    back: Tensor | None = None
    """Page-locked, on its way out; made when the first result tells its channels."""
    result: Tensor | None = None
    """Kept until it is out: the allocator must not lend its memory before."""
    strip: _Strip | None = None
    arrived: Any = None
    worked: Any = None
    out: Any = None


class _Pipe:
    """Strips on their way in, at work, and on their way out at the same time."""

    def __init__(
        self, picture: Tensor, result: _Result, work: Work, engine: Engine, *, halo: int, rows: int
    ):
        self.done = 0
        self._kept_rows = min(rows, picture.shape[1])  # of the largest strip; the first may be less
        self._halo = halo
        self._picture, self._result, self._work, self._engine = picture, result, work, engine
        self._into, self._at, self._out_of = engine.streams()
        self._slots: list[_Slot] = []
        self._pushed = 0

    def push(self, strip: _Strip) -> None:
        slot = self._slot()
        sent, ready = slot.sent[:, : strip.count], slot.ready[:, : strip.count]
        _fill(sent, strip, self._picture)  # drained: nothing reads the slot's buffers any more
        self._into.do(lambda: ready.copy_(sent, non_blocking=True))
        slot.arrived = self._into.record()
        self._at.wait(slot.arrived)
        slot.strip = strip
        self._at.do(lambda: self._act(slot, strip, ready))
        slot.worked = self._at.record()
        self._out_of.wait(slot.worked)
        self._out_of.do(lambda: self._send_back(slot, strip))
        slot.out = self._out_of.record()
        self._pushed += 1
        if self._pushed >= _SLOTS:  # while this one is at work, the host empties the one before
            self._drain(self._slots[self._pushed % _SLOTS])

    def finish(self) -> None:
        for number in range(self._pushed, self._pushed + len(self._slots)):
            self._drain(self._slots[number % len(self._slots)])

    def close(self) -> None:
        """Let everything end that uses the buffers, whatever has happened."""
        for stream in (self._into, self._at, self._out_of):
            with contextlib.suppress(
                RuntimeError
            ):  # the error that ended the work is the one to tell
                stream.record().synchronize()
        self._slots.clear()

    def _slot(self) -> _Slot:
        if len(self._slots) < _SLOTS:
            _, _, width, channels = self._picture.shape
            shape = (1, self._kept_rows + 2 * self._halo, width, channels)
            dtype = self._picture.dtype
            ready = self._engine.on_device(shape, dtype)
            # Its memory may be in use still by what the work's stream has not come to yet.
            self._into.wait(self._at.record())
            self._slots.append(_Slot(self._engine.locked(shape, dtype), ready))
        return self._slots[self._pushed % _SLOTS]

    def _act(self, slot: _Slot, strip: _Strip, ready: Tensor) -> None:
        strip_in = ready.float()
        seen = self._work(strip_in, first=strip.first, index=strip.index)
        slot.result = _kept(seen, strip, strip_in).float().contiguous()

    def _send_back(self, slot: _Slot, strip: _Strip) -> None:
        assert slot.result is not None
        if slot.back is None:
            _, _, width, channels = slot.result.shape
            slot.back = self._engine.locked((1, self._kept_rows, width, channels), torch.float32)
        slot.back[:, : strip.bottom - strip.top].copy_(slot.result, non_blocking=True)

    def _drain(self, slot: _Slot) -> None:
        """Wait until a slot's result is out, and put it where it belongs."""
        if slot.strip is None:
            return
        slot.out.synchronize()
        strip, slot.strip, slot.result = slot.strip, None, None
        assert slot.back is not None
        inner = slot.back[:, : strip.bottom - strip.top]
        self._result.rows(strip, inner.shape[-1]).copy_(inner)
        self.done += strip.bottom - strip.top


def _fill(sent: Tensor, strip: _Strip, picture: Tensor) -> None:
    """Copy a strip's rows into a buffer: those inside as one piece, the mirrored ones one by one."""
    height = picture.shape[1]
    first, last = max(strip.first, 0), min(strip.first + strip.count, height)
    sent[:, first - strip.first : last - strip.first] = picture[strip.index, first:last]
    for start, stop in ((strip.first, first), (last, strip.first + strip.count)):
        if start < stop:
            rows = mirrored(start, stop, height)
            sent[0, start - strip.first : stop - strip.first] = picture[strip.index][rows]


def _kept(seen: Tensor, strip: _Strip, given: Tensor) -> Tensor:
    """The rows of a result without the halo."""
    if seen.ndim != 4 or seen.shape[:3] != given.shape[:3]:
        raise ValueError(
            f"work must return as many rows and columns as it was given, {tuple(given.shape[:3])}, "
            f"got {tuple(seen.shape)}"
        )
    return seen[:, strip.halo : seen.shape[1] - strip.halo]


def _needs_pipe(picture: Tensor, device: torch.device) -> bool:
    """Whether copies are slow and can overlap with the work."""
    return device.type == "cuda" and picture.device.type == "cpu"


def _numbered(device: torch.device) -> torch.device:
    """A CUDA device with its number: ``cuda`` is the current one."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def _check(picture: Tensor, halo: int, rows: int, out: Tensor | None) -> None:
    if picture.ndim != 4 or picture.numel() == 0 or not picture.is_floating_point():
        raise ValueError(
            "picture must be (pictures, height, width, channels), floating point and not empty, "
            f"got {tuple(picture.shape)} of {picture.dtype}"
        )
    if halo < 0 or rows < 1:
        raise ValueError(f"halo must be at least 0 and rows at least 1, got {halo} and {rows}")
    if out is None:
        return
    if (
        out.shape[:3] != picture.shape[:3]
        or out.ndim != 4
        or out.dtype != torch.float32
        or out.device != picture.device
    ):
        raise ValueError(
            f"out must be {tuple(picture.shape[:3])} and channels, float32 on {picture.device}, "
            f"got {tuple(out.shape)} of {out.dtype} on {out.device}"
        )
    if out.untyped_storage().data_ptr() == picture.untyped_storage().data_ptr():
        raise ValueError("out must not share memory with the picture: a strip reads its neighbours")
