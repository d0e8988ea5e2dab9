"""A person's identity before generation: profiles that last, and what would lose it.

- encode/        face networks: which there are, the aligned crop they see, what they make of it
- eva/           what PuLID looks at a face through, and the picture that it is shown
- audit/         what will lose an identity, before sampling
- prompt/        prompts of extreme close-ups from fields
- adapters/      files that carry an identity into a model: recognised by keys and shapes, read, projected
- apply/         an identity onto a model: whether it fits, what the networks see, the patches, the report
- injection/     weight by prominence, time, layer and mask; the patches in ComfyUI's own hooks
- aggregate      many embeddings to one direction: who does not belong, how much each counts
- profile        an identity as a value
- quality        what a reference is worth by itself
- several        whose face in a photo with several
- overrides      the user's word on single faces
- embed          embeddings of all encoders, apart, none of the earlier ones lost
- gather         from photos to an identity
- report         an identity in plain words
- form, store    its file, and where files lie
- sheet          its contact sheet
- drift, draw_drift   how far a picture is from a profile
- control/       InstantID's ControlNet: the drawing of five points, the link that is told the tokens
- calibration/   likeness over weight as measured: the graph of renders, the fit, the suggestion
- references/    weights of reference pictures in edit models
- adapter_files  adapters in the host's folders
- own_files      the JSON files that users add, for audit and prompt
- node_*         the same, as ComfyUI sees it
"""
