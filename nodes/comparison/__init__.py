"""Comparison: the same region of several pictures, side by side, so that the difference one sees
is the models' and not the tool's.

- regions      what a panel shows, in inter-ocular distances
- panels       the entries of a comparison
- captions     what made a picture, from its graph; captions.json lists the nodes that are known
- locks        where the region lies in each picture, and how large it is there
- layout       where the panels stand on the plate, in whole pixels
- design       all that stands on a plate, decided before a pixel is touched
- plate        the plate drawn, each panel one resample away from its source
- figures      what is measured of each panel; difference: where two panels differ
- manifest     a plate as data; rebuild draws it again, sources keeps what was never a file
- save         plates as files, whole or not at all; encode writes the formats
"""
