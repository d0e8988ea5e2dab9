"""What the pack offers to ComfyUI."""

from .casting.node_cast_brief import CastBrief
from .casting.node_cast_load import CastLoad
from .casting.node_cast_lock import CastLock
from .casting.node_cast_sheet import CastSheet
from .casting.node_realism_calibrate import RealismCalibrate
from .comparison.node_compare import Compare
from .comparison.node_compare_panel import ComparePanel
from .comparison.node_save_plate import SavePlate
from .framing.node_align import AlignFaces
from .framing.node_crop import Crop
from .framing.node_find_faces import FindFaces
from .framing.node_plan_crop import PlanCrop
from .framing.node_prominence import Prominence
from .framing.node_stitch import Stitch
from .host import ComfyExtension, io
from .identity.node_apply import ApplyIdentity
from .identity.node_audit import IdentityAudit
from .identity.node_calibrate import IdentityCalibrate
from .identity.node_calibration_curve import CalibrationCurve
from .identity.node_control import IdentityControlNet
from .identity.node_drift import IdentityDrift
from .identity.node_energy import InjectedEnergy
from .identity.node_load import LoadIdentity
from .identity.node_load_adapter import LoadIdentityAdapter
from .identity.node_load_eva import LoadEvaClip
from .identity.node_profile import IdentityProfile
from .identity.node_prompt import CloseUpPrompt
from .identity.node_reference_weight import ReferenceWeight
from .identity.node_save import SaveIdentity
from .lens.node_lens import Lens
from .lens.node_lens_compare import LensCompare
from .lens.node_meter import MicroContrastMeter
from .lens.node_profile import LensProfile

NODES: list[type[io.ComfyNode]] = [
    FindFaces,
    Prominence,
    PlanCrop,
    Crop,
    Stitch,
    AlignFaces,
    IdentityProfile,
    SaveIdentity,
    LoadIdentity,
    CloseUpPrompt,
    IdentityAudit,
    IdentityDrift,
    LoadIdentityAdapter,
    LoadEvaClip,
    ApplyIdentity,
    IdentityControlNet,
    InjectedEnergy,
    IdentityCalibrate,
    CalibrationCurve,
    ReferenceWeight,
    Lens,
    LensProfile,
    LensCompare,
    MicroContrastMeter,
    ComparePanel,
    Compare,
    SavePlate,
    CastBrief,
    CastSheet,
    CastLock,
    CastLoad,
    RealismCalibrate,
]


class Loupe(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
