"""InstantID's other half: its ControlNet, which is shown where a face stands and told who it is.

- ``points``   the five points of each face in the new picture, and their drawing
- ``link``     a ControlNet in ComfyUI's chain of them that is told tokens in place of the prompt
- ``control``  both onto conditioning, and what was done in words

Nothing here imports the host.
"""
