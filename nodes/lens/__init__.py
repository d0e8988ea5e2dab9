"""A picture seen through a lens, or given back what a lens took from it.

Files:
- catalogue          the lenses to choose from, read from catalogue.json
- styles             ready mixtures of lens, level and format, read from styles.json
- profile            a lens from its physics, and from a file that users share
- plan               what a lens or a level does to pictures of a size
- relens             levels 0 to 1: the most contrast that a passive lens can give back
- render             the pictures
- areas              where skin, eyes and hair are, estimated from the pupils
- compare, strip     many renderings of one picture side by side
- node_*             the same, as ComfyUI sees it
"""
