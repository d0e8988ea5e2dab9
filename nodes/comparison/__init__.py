"""Comparison: the same region of several pictures, side by side, so that the difference one sees
is the models' and not the tool's.

- regions   what a panel shows, in inter-ocular distances
- panels    the entries of a comparison
- layout    where the panels stand on the plate, in whole pixels
- plate     the plate itself, each panel one resample away from its source
"""
