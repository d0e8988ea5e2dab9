"""Tensors in, tensors out: torch, optionally Triton; no ComfyUI, no files, no faces.

- picture    what a picture must be, and its colours apart from its alpha
- color      sRGB <-> linear light
- resample   one separable pass from a box of the source to a panel, exact area coverage
- psf        a lens's pupil and wavefront -> its point spread function, by matrix DFT
- convolve   a picture blurred by a PSF, in linear light

In here a picture is ``(B, C, H, W)``; at a node it is ``(B, H, W, C)``.
"""
