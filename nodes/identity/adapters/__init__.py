"""Identity adapters: what a file is, read from its keys and shapes, and the tokens it makes of a face.

- ``flatten``    a loaded file as one flat dictionary of tensors
- ``layout``     how a format is described, and the two functions that read a description
- ``formats/``   the descriptions, a family a file, and the explicit list of them
- ``recognise``  from tensors to an adapter, or why not
- ``adapter``    an adapter as a value: what it needs, its sizes, its projection
- ``inputs``     what a projection takes and gives
- ``nets``       the projection networks, as plain functions of tensors
- ``unet``       cross-attention layers and the LoRA in a file, by ComfyUI's own places
- ``flux``       the same for PuLID-Flux

Written from the published layouts and equations, on torch alone; no host and no file is touched here.
"""
