"""Faces as embeddings: what a recognition network makes of an aligned crop.

- ``align``            the crop in which all these networks, and the adapters, expect a face
- ``arcface``          what an encoder is, and which ones this machine has
- ``files``            the recognition networks in the folders of model packs
- ``onnx_file``        what an ONNX file tells of itself, read without a package
- ``onnx_arcface``     our own backend: onnxruntime alone
- ``insightface_pack`` the same files run by the package insightface
- ``licence``          what is known of a pack's licence

Nothing is ever fetched, and embeddings of two encoders are never compared.
"""
