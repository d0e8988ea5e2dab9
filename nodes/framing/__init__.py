"""Framing: the larger and clearer the face in the frame, the better its identity is caught.

- faces     faces in a picture, and the face's own coordinates
- detect    what finds them
- find      which of them is asked, and the report
- linked    faces from what the user links or types
- regions   named shots and regions, in inter-ocular distances
- plan      which crop, at which size of the diffusion model
- crop      cut what was planned
- draw      faces and plans drawn over their picture
"""
