"""A picture seen through a lens.

Files:
- catalogue   the lenses to choose from, read from catalogue.json
- render      the picture blurred by a lens at a level, and what to know about it
- node_lens   the same, as ComfyUI sees it
"""
