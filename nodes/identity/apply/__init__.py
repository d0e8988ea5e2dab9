"""An identity onto a model: its embedding, its tokens, its weight, and the patches that carry them.

- ``settings``  what the user sets
- ``planned``   how large the face will be, and the factor of its prominence
- ``looks``     the profile as the adapter's networks see it, and the tokens of that
- ``unet``      SD1.5 and SDXL: whether the adapter fits, the patches, the LoRA in the file
- ``flux``      the same for PuLID-Flux
- ``apply``     all of it in one call
- ``report``, ``draw_prominence``  what was done, in words and as a curve

Nothing here imports the host. A model is whatever has ComfyUI's ModelPatcher methods; what else is
needed of the host is handed in.
"""
