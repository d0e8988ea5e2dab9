"""Finding a face and its pupils without downloading anything.

``embedded`` finds faces in a picture; it needs scikit-image, whose wheel holds the cascade.
``eyes`` finds the pupils of a face that is roughly known, from ``embedded``, a bounding box or a mask.
"""
