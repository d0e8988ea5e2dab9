"""A small host for our own nodes, where there is no ComfyUI: the demo, the tests, the command line.

- schema   what a node declares, as ComfyUI's V3 interface has it, as far as our nodes use it
- graph    checks a prompt in the API format and runs it
- images   LoadImage, SaveImage, PreviewImage, PreviewAny

It has no lazy inputs, blockers, expansion, models or server; a graph that needs them is
refused in one line. It grows only when a node of ours needs it.
"""
