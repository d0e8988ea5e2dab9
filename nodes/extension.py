"""What the pack offers to ComfyUI."""

from .comparison.node_compare import Compare
from .comparison.node_compare_panel import ComparePanel
from .framing.node_crop import Crop, PlanCrop
from .framing.node_find_faces import FindFaces
from .host import ComfyExtension, io
from .lens.node_lens import Lens

NODES: list[type[io.ComfyNode]] = [FindFaces, PlanCrop, Crop, Lens, ComparePanel, Compare]


class Loupe(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
