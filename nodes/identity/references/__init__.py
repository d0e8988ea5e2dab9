"""Weights of reference pictures in models that read them as tokens: exact odds in the attention.

- ``settings``   what the user sets
- ``weights``    one number a reference, and the typed list
- ``family``     which models can be weighed, by which hook, and where their references lie
- ``scene``      one call of the model: which references it was given, and on which grids
- ``spans``      where references lie among the keys
- ``bias``       weights as one row of logits, and that row with a mask that was there
- ``weighing``   what one node put on one model: wrapper, attention patch, what is kept while sampling
- ``override``   the attention override: chained, on a backend that honours masks, queries in groups
- ``counter``    says so where no weight acted
- ``apply``      all of it onto a model
- ``report``     what was done, in words

Adding log(w) to the logits of some keys makes their share of the softmax w Z / (Z_rest + w Z): w
multiplies the odds of reading them. 1 changes nothing, 0 leaves them out, 2 is having each twice.

Nothing here imports the host. A model is whatever has ComfyUI's ModelPatcher methods; what else is
needed of the host is handed in.
"""
