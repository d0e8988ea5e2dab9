"""EVA-CLIP, which PuLID asks what a face looks like, beside the embedding that says whose it is.

- ``files``      which EVA files lie in the host's folders, and one of them as a network
- ``tower``      the picture tower in a file: where it is, its sizes, its tensors by timm's names
- ``network``    the tower as timm builds it, and what it sees in pictures
- ``face_only``  the picture that PuLID shows it: the face in grey on white
- ``parsing``    which pixels are face and hair, by facexlib's network where it is there

timm and facexlib are the user's to install: looked for when called, and said where they are missing.
"""
