"""How an identity's likeness grows with its weight: measured, fitted, drawn, and a weight suggested.

- ``value``       what a profile keeps of it; ``plain`` the same as JSON, read as hostile
- ``fit``         the curve through the measurements, with standard errors; ``falling`` where it turns
- ``suggestion``  the weight that a curve speaks for, and the words of it
- ``base``        by what a base model is known again
- ``weights``     the weights that a user types; ``graph`` what is rendered for them
- ``measure``     rendered pictures become points
- ``report``, ``draw``, ``grid``  in words, as a curve, the pictures side by side

Nothing here imports the host.
"""
