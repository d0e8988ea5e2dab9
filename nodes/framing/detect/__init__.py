"""Finding a face and its pupils.

``embedded`` needs no file and no network; it needs scikit-image, whose wheel holds the cascade.
``network`` finds faces with any small network in a picture of any size: ``yunet`` (kornia's torch
form, or an ONNX file), ``onnx_scrfd`` (of insightface's packs, by onnxruntime alone) and ``scrfd`` (the
same, by insightface) open those that the user has.
``eyes`` finds the pupils of a face that is roughly known, from any of them, a bounding box or a mask.
"""
