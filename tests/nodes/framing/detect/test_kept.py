import os
import threading
import time

import pytest

from portrait_loupe.nodes.framing.detect.kept import Kept


class Opener:
    """Opens nothing, and counts how often."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return object()


@pytest.fixture
def files(tmp_path):
    made = [tmp_path / f"{name}.onnx" for name in "abc"]
    for file in made:
        file.write_bytes(b"weights")
    return made


def test_a_file_is_opened_once(files):
    kept, opener = Kept(), Opener()
    assert kept.get(files[0], opener) is kept.get(files[0].parent / "." / files[0].name, opener)
    assert opener.times == 1


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_changed_file_is_opened_anew_and_the_old_one_goes(files, change):
    kept, opener = Kept(), Opener()
    first = kept.get(files[0], opener)
    if change == "size":
        stat = files[0].stat()
        files[0].write_bytes(b"other weights")
        os.utime(files[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    else:
        os.utime(files[0], ns=(1, 1))
    second = kept.get(files[0], opener)
    assert second is not first
    assert kept.get(files[0], opener) is second
    assert len(kept._open) == 1


def test_the_one_used_longest_ago_goes_first(files):
    kept, opener = Kept(2), Opener()
    a, b = (kept.get(file, opener) for file in files[:2])
    assert kept.get(files[0], opener) is a
    c = kept.get(files[2], opener)
    assert opener.times == 3
    assert kept.get(files[0], opener) is a
    assert kept.get(files[2], opener) is c
    assert kept.get(files[1], opener) is not b


def test_what_runs_a_file_counts_too(files):
    kept, opener = Kept(), Opener()
    assert kept.get(files[0], opener, "OpenCV") is not kept.get(files[0], opener, "onnxruntime")


def test_what_fails_is_not_kept_and_costs_the_others_nothing(files):
    kept, opener = Kept(1), Opener()
    good = kept.get(files[0], opener)

    def broken():
        raise RuntimeError("no network")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no network"):
            kept.get(files[1], broken)
    assert kept.get(files[0], opener) is good
    assert kept.get(files[1], opener) is not good


def test_a_file_that_is_gone_is_not_served_from_memory(files):
    kept = Kept()
    kept.get(files[0], Opener())
    files[0].unlink()
    with pytest.raises(OSError, match=r"a\.onnx"):
        kept.get(files[0], Opener())


def test_threads_open_one_file_together(files):
    kept, opener = Kept(), Opener()

    def slowly():
        time.sleep(0.05)
        return opener()

    got = []
    threads = [
        threading.Thread(target=lambda: got.append(kept.get(files[0], slowly))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(map(id, got))) == 1
    assert opener.times == 1
