"""What ComfyUI sees, and the decisions behind it: one room per feature.

- host         the door to ComfyUI, and the small stand-in host behind the same door
- framing      where the face is, and which crop shows it best
- lens         the picture seen through a lens's point spread function
- comparison   the same region of several pictures, side by side
- extension    the list of nodes
- labels, typography   text in pictures

In a room, ``node*.py`` speaks to ComfyUI and the rest is plain Python.
"""
