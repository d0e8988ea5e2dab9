"""Random weights in the layout of published files, small where the layout leaves the size open.

Plain torch, so that tests write files with it and the nodes beside it build models with it.
"""

import torch

WIDTH = 128  # of the Flux model: one head, as ComfyUI counts heads in 128 channels
DOUBLES, SINGLES = 19, 38  # as in FLUX.1
TEXT, POOLED = 64, 8
EVA, EVA_POOLED = 64, 40  # one head, as in EVA02


class Random:
    """Layers by name, at a scale at which nothing vanishes or runs over."""

    def __init__(self, seed):
        self.source, self.found = torch.Generator().manual_seed(seed), {}

    def tensor(self, *shape, scale=1.0):
        return torch.randn(shape, generator=self.source) * scale

    def layer(self, name, out, taken, *kernel, bias=True, gain=1.0):
        fan_in = taken * (kernel[0] * kernel[1] if kernel else 1)
        self.found[f"{name}.weight"] = self.tensor(out, taken, *kernel, scale=gain * fan_in**-0.5)
        if bias:
            self.found[f"{name}.bias"] = self.tensor(out, scale=0.1)


def taesd(channels, seed=0):
    """A tiny autoencoder's ``taesd_encoder`` and ``taesd_decoder`` (madebyollin), 4 or 16 channels."""
    made = Random(seed)

    def block(at):
        for inner in (0, 2, 4):  # a third each: what they add does not outgrow what passes by
            made.layer(f"{at}.conv.{inner}", 64, 64, 3, 3, gain=0.7)

    def layers(part, plan):
        for index, kind in plan.items():
            at = f"taesd_{part}.{index}"
            if kind == "block":
                block(at)
            else:
                out, taken, bias = kind
                made.layer(at, out, taken, 3, 3, bias=bias)

    resized = (64, 64, False)
    encoder = {0: (64, 3, True), 1: "block", 14: (channels, 64, True)}
    for start in (2, 6, 10):
        encoder |= {start: resized, **{start + i: "block" for i in (1, 2, 3)}}
    decoder = {1: (64, channels, True), 18: "block", 19: (3, 64, True)}
    for start in (3, 8, 13):
        decoder |= {start + 4: resized, **{start + i: "block" for i in (0, 1, 2)}}
    layers("encoder", encoder)
    layers("decoder", decoder)
    return made.found


def flux(seed=0):
    """A FLUX.1-dev checkpoint, all 19 and 38 blocks, ``WIDTH`` wide, as Black Forest Labs publish it."""
    made, h = Random(seed), WIDTH
    made.layer("img_in", h, 64)
    made.layer("txt_in", h, TEXT)
    for name, taken in (("time_in", 256), ("guidance_in", 256), ("vector_in", POOLED)):
        made.layer(f"{name}.in_layer", h, taken)
        made.layer(f"{name}.out_layer", h, h)

    def norms(at):
        for name in ("query_norm", "key_norm"):
            made.found[f"{at}.{name}.scale"] = 1 + made.tensor(128, scale=0.2)

    for i in range(DOUBLES):
        for side in ("img", "txt"):
            at = f"double_blocks.{i}.{side}"
            made.layer(f"{at}_mod.lin", 6 * h, h, gain=0.3)
            made.layer(f"{at}_attn.qkv", 3 * h, h)
            norms(f"{at}_attn.norm")
            made.layer(f"{at}_attn.proj", h, h)
            made.layer(f"{at}_mlp.0", 4 * h, h)
            made.layer(f"{at}_mlp.2", h, 4 * h)
    for i in range(SINGLES):
        at = f"single_blocks.{i}"
        made.layer(f"{at}.modulation.lin", 3 * h, h, gain=0.3)
        made.layer(f"{at}.linear1", 7 * h, h)
        made.layer(f"{at}.linear2", h, 5 * h)
        norms(f"{at}.norm")
    made.layer("final_layer.linear", 64, h)
    made.layer("final_layer.adaLN_modulation.1", 2 * h, h, gain=0.3)
    return made.found


def upscaler(width=8, growth=32, seed=0):
    """A Real-ESRGAN of one block that enlarges four times, as ComfyUI's repackaged file has it."""
    made = Random(seed)
    made.layer("conv_first", width, 3, 3, 3)
    for part in (1, 2, 3):
        at = f"body.0.rdb{part}.conv"
        for i in range(4):
            made.layer(f"{at}{i + 1}", growth, width + i * growth, 3, 3)
        made.layer(f"{at}5", width, width + 4 * growth, 3, 3)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        made.layer(name, width, width, 3, 3)
    made.layer("conv_last", 3, width, 3, 3)
    return made.found
