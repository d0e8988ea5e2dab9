"""What will lose an identity, told before anything is sampled.

- audit        all of it together: the risk, and the report
- scene        the planned size of the face, and the light around it
- perspective  camera distance, and what it does to a face
- factors      each finding with its share of the risk, and what to change
- second_pass  whether only a second pass on the face helps, and its crop
- terms, wording, emphasis   words that fight an identity, from terms.json and the users' files; which of
               them a prompt says, and how strongly
- spoken       what Close-Up Prompt says of its own prompt
"""
