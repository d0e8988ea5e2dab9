"""Casting: the same portrait from several models, compared like with like, the one that reads most
real locked for all that follows, so that nothing is paid for twice.

- realism/              how far skin is from that of real photographs, and in which figure
- take                  a picture that a model offers; a cast is all of them
- gather, listed        from what arrives at the sockets to numbered takes: blank ones and twins named
- ranking, words        their order, where it is too close to call, and what is said of it
- sheet                 the contact sheet: all takes at one region, at equal scale
- brief, routing        prompt, seeds and size; routing.json: models by need, which users can edit
- votes, vote_log       blind picks: how often the order agrees with the user's own
- lock                  the chosen take as text, by the hash of its pixels
- store, members, offer takes and locked members as files; png, disk, records read and write them
- given                 what Cast Lock and Cast Load hand on; likeness: cosines beside the rank
- hanging               what would run the generators although the take is locked
- node_*                the same, as ComfyUI sees it
"""
