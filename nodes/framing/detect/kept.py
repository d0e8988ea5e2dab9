"""Networks that stay open between runs of a node, as long as their files stay as they are.

To open one costs more than to use it once: a detector as heavy as det_10g 0.37 s on one core against 0.24 s,
and a node that searches twelve photos would open it twelve times.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar

Network = TypeVar("Network")
MOST = 2  # kept at once: a ResNet-100 takes 260 MB


class Kept(Generic[Network]):
    """The networks that were used last.

    Parameters
    ----------
    most : int
        How many are kept; the one that was used longest ago goes first.
    """

    def __init__(self, most: int = MOST):
        self._most = most
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[Hashable, str], tuple[tuple[int, int], Network]] = (
            OrderedDict()
        )

    def get(self, file: Path, make: Callable[[], Network], kind: Hashable = None) -> Network:
        """The network of a file, opened if it is not yet, or if the file is another by now.

        Parameters
        ----------
        file : Path
        make : callable
            Opens it. What it raises is passed on, and nothing is kept.
        kind : hashable
            What else its answers depend on, such as the package that runs it.

        Raises
        ------
        OSError
            There is no such file.
        """
        stat = file.stat()
        now = (stat.st_size, stat.st_mtime_ns)
        key = (kind, str(file.resolve()))
        with self._lock:  # so that two threads do not open one file twice
            then, network = self._open.pop(key, (None, None))
            if network is None or then != now:
                del network  # before another takes its place in memory
                network = make()
            self._open[key] = (now, network)
            while len(self._open) > self._most:
                self._open.popitem(last=False)
            return network
