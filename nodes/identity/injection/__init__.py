"""Adds an identity's tokens to a model's cross-attention: how strongly, where, when, and by which hook.

Nothing here imports the host: its functions and model options are handed in.
"""
