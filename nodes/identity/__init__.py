"""A person's identity before generation: profiles that last, and what would lose it.

Files:
- encode/        face networks: which there are, the aligned crop they see, what they make of it
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
- own_files      files of words that users add
- terms, wording, emphasis    words of a prompt that fight an identity, from a file that users can
                 edit; which of them a prompt says, and how strongly
- perspective    camera distance, and what it does to a face
- scene, factors, second_pass, audit   what will lose an identity, before sampling
- phrases, read_phrases, setting, vary, conflicts, children, spoken, prompt, prompt_report
                 prompts of extreme close-ups from fields, their words in a file that users can edit
- drift, draw_drift   how far a picture is from a profile
- node_*         the same, as ComfyUI sees it
"""
