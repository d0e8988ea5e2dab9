"""Files that Loupe knows by sight and cannot use yet: named, so that nobody has to guess."""

from __future__ import annotations

from ..layout import Format

_IP = ("ip_adapter.*",)

UNSUPPORTED = (
    Format(
        name="PuLID for SDXL, converted v1",
        published="ip-adapter_pulid_sdxl_fp16.safetensors",
        must=("image_proj.mapping_patch_0.*", *_IP),
        supported=False,
    ),
    Format(
        name="PuLID for SDXL, v1",
        published="pulid_v1.bin",
        must=("id_adapter.mapping_patch_0.*", "id_adapter_attn_layers.*"),
        supported=False,
    ),
    Format(
        name="PuLID for SDXL, v1.1",
        published="pulid_v1.1.safetensors",
        must=("id_adapter.latents", "id_adapter_attn_layers.*"),
        must_not=("id_adapter.mapping_patch_0.*",),
        supported=False,
    ),
    Format(
        name="PuLID for Flux.2 Klein, of the community",
        published="pulid_flux2_klein_v1.safetensors, pulid_flux2_klein_v2.safetensors",
        must=("id_former.*", "double_ca.*"),
        supported=False,
    ),
    Format(
        name="InfiniteYou's projector",
        published="image_proj_model.bin in models/infinite_you",
        must=("image_proj.latents",),
        must_not=_IP,
        telling={"image_proj.proj_in.weight": ("?", 512)},
        supported=False,
    ),
    Format(
        name="a ControlNet for Flux.1, as InfiniteYou's InfuseNet",
        published="infusenet_sim_bf16.safetensors, infusenet_aes_bf16.safetensors",
        must=("*controlnet_blocks.*", "*controlnet_single_blocks.*"),
        supported=False,
    ),
    Format(
        name="FaceID Plus for Kolors",
        published="Kolors-IP-Adapter-FaceID-Plus.bin",
        must=("image_proj.proj.0.weight", *_IP),
        telling={"image_proj.perceiver_resampler.proj_in.weight": ("?", 1024)},
        supported=False,
    ),
    Format(
        name="IP-Adapter",
        published="ip-adapter_sd15.bin, ip-adapter_sdxl.bin",
        must=("image_proj.proj.weight", *_IP),
        supported=False,
    ),
    Format(
        name="IP-Adapter Plus",
        published="ip-adapter-plus_sd15.bin, ip-adapter-plus-face_sd15.bin",
        must=("image_proj.latents", *_IP),
        telling={"image_proj.proj_in.weight": ("?", "!512")},
        supported=False,
    ),
    Format(
        name="IP-Adapter full face",
        published="ip-adapter-full-face_sd15.bin",
        must=("image_proj.proj.0.weight", "image_proj.proj.3.*", *_IP),
        must_not=("image_proj.perceiver_resampler.*",),
        supported=False,
    ),
    Format(
        name="PhotoMaker v1",
        published="photomaker-v1.bin",
        must=("id_encoder.visual_projection_2.weight",),
        must_not=("id_encoder.*qformer*",),
        supported=False,
    ),
    Format(
        name="PhotoMaker v2",
        published="photomaker-v2.bin",
        must=("id_encoder.*qformer*",),
        supported=False,
    ),
)
