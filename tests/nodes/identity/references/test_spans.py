from portrait_loupe.nodes.identity.references.spans import last_spans, omni_spans, patched_spans

TEXT, MAIN, COUNTS = 7, 20, (12, 9)
ALL = TEXT + MAIN + sum(COUNTS)


def test_references_are_the_last_of_text_picture_references():
    for spans in (patched_spans(TEXT, ALL, ALL, COUNTS, MAIN), last_spans(ALL, ALL, COUNTS, MAIN)):
        assert (spans.keys, spans.first, spans.counts) == (ALL, TEXT + MAIN, COUNTS)
        assert spans.main == (TEXT, TEXT + MAIN)


def test_a_cache_of_keys_is_the_same_row_before_and_after_it_has_appended_them():
    queries = TEXT + MAIN  # it has taken the references out
    before = patched_spans(TEXT, queries, queries, COUNTS, MAIN)
    after = patched_spans(TEXT, queries, ALL, COUNTS, MAIN)
    assert before == after == last_spans(queries, ALL, COUNTS, MAIN)
    assert (before.keys, before.first, before.main) == (ALL, queries, (TEXT, queries))


def test_tokens_that_another_pack_adds_to_the_text_move_all_alike():
    more = 5
    spans = patched_spans(TEXT + more, ALL + more, ALL + more, COUNTS, MAIN)
    assert spans.first == TEXT + more + MAIN
    assert spans.main == (TEXT + more, TEXT + more + MAIN)


def test_keys_that_another_pack_appends_stay_behind_the_references():
    spans = patched_spans(TEXT, ALL, ALL + 4, COUNTS, MAIN)
    assert (spans.keys, spans.first) == (ALL + 4, TEXT + MAIN)


def test_omni_references_stand_before_the_picture():
    counts, padded = (16, 16), 24
    whole = omni_spans(90, 90, counts, MAIN, padded)
    assert (whole.first, whole.main) == (90 - 24 - 32, (90 - 24, 90 - 24 + MAIN))
    refiner = omni_spans(56, 56, counts, MAIN, padded)
    assert (refiner.first, refiner.main) == (0, (32, 32 + MAIN))
