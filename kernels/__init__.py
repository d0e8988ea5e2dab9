"""Tensors in, tensors out: torch, optionally Triton; no ComfyUI, no files, no faces.

- picture    what a picture must be, and its colours apart from its alpha
- color      sRGB <-> linear light
- resample   one pass from a box of the source, turned or not, to a panel: exact area coverage and others
- register   how far one panel lies beside another
- texture    bands of skin texture, as shares of the face's width
- iris       how large an iris is
- psf        a lens's pupil and wavefront -> its point spread function, by matrix DFT
- convolve   a picture blurred by a PSF, in linear light; which backend does it, and why
- strips     a picture of any size, in strips of rows, on any device
- presence   texture gain beyond a lens's, and the guard that keeps edges free of halos
- edges      slanted-edge response, and the blur of a source guessed from its edges
- meter      micro-contrast and sharpness, relative to a reference
- report     what would compute on this machine, and why

In here a picture is ``(B, C, H, W)``; at a node it is ``(B, H, W, C)``.
"""
