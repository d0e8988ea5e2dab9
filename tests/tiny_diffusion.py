"""Diffusion models of ComfyUI's own classes with all the layers of published ones, narrow and of random weights."""

import torch

_UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,  # 320 as published
    "context_dim": 64,  # 768 and 2048
    "use_spatial_transformer": True,
    "use_temporal_attention": False,
    "legacy": False,
}
SD15 = {
    **_UNET,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": (1, 2, 4, 4),
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1] * 9 + [0] * 3,
    "transformer_depth_middle": 1,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
}
SDXL = {
    **_UNET,
    "num_res_blocks": [2, 2, 2],
    "channel_mult": (1, 2, 4),
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "transformer_depth_middle": 10,
    "use_linear_in_transformer": True,
    "num_head_channels": 32,
    "num_classes": "sequential",
    "adm_in_channels": 16,
}
FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "vec_in_dim": 24,
    "context_in_dim": 48,
    "hidden_size": 64,  # 3072 as published
    "mlp_ratio": 4.0,
    "num_heads": 2,
    "depth": 19,
    "depth_single_blocks": 38,
    "axes_dim": [8, 12, 12],
    "theta": 10000,
    "patch_size": 2,
    "qkv_bias": True,
    "guidance_embed": True,
    "txt_ids_dims": [],
}


def built(kind, config, device="cpu"):
    """A model of a class of ``comfy.supported_models``; its weights neither vanish nor run over, and are the same each time."""
    from comfy.model_patcher import ModelPatcher

    settings = kind({**config, "dtype": torch.float32})
    settings.set_inference_dtype(torch.float32, None)
    model = settings.get_model({}, "", device="cpu")
    made = torch.Generator().manual_seed(1)
    for name, weight in model.diffusion_model.named_parameters():
        spread = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.1
        weight.data = torch.randn(weight.shape, generator=made).mul_(spread)
        if weight.ndim == 1 and name.endswith(("weight", "scale")):
            weight.data += 1  # of a norm
    told = config.get("adm_in_channels")
    if told:  # of the prompt and the picture's sizes, which want more than a tiny model has
        model.encode_adm = lambda **_: torch.zeros(1, told)
    return ModelPatcher(model, torch.device(device), torch.device("cpu"))
