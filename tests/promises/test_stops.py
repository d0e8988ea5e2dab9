"""A stop is felt within the search for faces, whoever it is that searches: of a large picture it takes seconds."""

import pytest
import torch

from portrait_loupe.nodes.casting.gather import Socket, gather_takes
from portrait_loupe.nodes.casting.realism.calibrate import calibrate
from portrait_loupe.nodes.comparison import panels
from portrait_loupe.nodes.framing import align
from portrait_loupe.nodes.framing.find import find_faces
from portrait_loupe.nodes.identity.calibration.measure import Render, measure
from portrait_loupe.nodes.identity.drift import faces_or_none
from portrait_loupe.nodes.identity.gather import build_identity

SEARCHES = {
    "find faces": lambda picture, progress: find_faces(picture, progress=progress),
    "identity profile": lambda picture, progress: build_identity([picture], progress=progress),
    "identity drift": lambda picture, progress: faces_or_none(picture, {}, progress),
    "calibration": lambda picture, progress: measure(
        [Render(picture, 0.5, 1, 1)], None, [], {}, progress=progress
    ),
    "cast sheet": lambda picture, progress: gather_takes(
        [Socket("take0", [picture])], progress=progress
    ),
    "realism calibrate": lambda picture, progress: calibrate(
        [picture], name="mine", progress=progress
    ),
    "compare": lambda picture, progress: panels.gather(
        {"panel0": picture, "panel1": picture}, None, "", progress=progress
    ),
    "compare panel": lambda picture, progress: panels.panel_of(
        picture, "", None, progress=progress
    ),
    "align faces": lambda picture, progress: align.gather(
        {"image0": picture, "image1": picture}, progress=progress
    ),
}


@pytest.mark.parametrize("search", SEARCHES)
def test_a_stop_is_felt_within_the_search_for_faces(search):
    """Stopped at the third tick before the first picture is done; a cast is looked at twice before its search."""
    nobody = torch.rand(1, 320, 320, 3, generator=torch.Generator().manual_seed(1))
    told = []

    def tick(done):
        told.append(done)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SEARCHES[search](nobody, lambda total: tick)
    assert told == [0, 0, 0] if search != "identity profile" else told == [1, 1, 1]
