"""A prompt's emphasis is read as ComfyUI reads it."""

import random

import pytest

from portrait_loupe.nodes.identity.audit.emphasis import read_emphasis

# What comfy.sd1_clip.token_weights of ComfyUI v0.33.0 answers (run, not copied), escapes undone.
MEASURED = [
    ("", []),
    ("a cat", [("a cat", 1.0)]),
    ("(cat)", [("cat", 1.1)]),
    ("((cat))", [("cat", 1.21)]),
    ("(cat:1.3)", [("cat", 1.3)]),
    ("((cat:1.3))", [("cat", 1.3)]),
    ("((cat) dog:2)", [("cat", 2.2), (" dog", 2.0)]),
    ("(a (b:1.5) c:0.5)", [("a ", 0.5), ("b", 1.5), (" c", 0.5)]),
    ("a \\(b\\) c", [("a (b) c", 1.0)]),
    ("(a \\(b\\):1.2)", [("a (b)", 1.2)]),
    ("(cat", [("(cat", 1.0)]),
    ("cat)", [("cat)", 1.0)]),
    ("a) (b) (c)", [("a) (b) (c)", 1.0)]),
    ("a) (b (c) d", [("a) (b ", 1.0), ("c", 1.1), (" d", 1.0)]),
    ("(a (b)", [("a ", 1.1), ("(b", 1.1)]),
    ("(a (b) (c)", [("a ", 1.1), ("b", 1.21), (" ", 1.1), ("(c", 1.1)]),
    ("(a (b:1.5)", [("a ", 1.5), ("(b", 1.5)]),
    (":1.2", [(":1.2", 1.0)]),
    ("(:1.2)", [(":1.2", 1.1)]),
    ("(a:)", [("a:", 1.1)]),
    ("(a:b)", [("a:b", 1.1)]),
    ("(a:b:1.2)", [("a:b", 1.2)]),
    ("(a: 1.4 )", [("a", 1.4)]),
    ("()", []),
    ("(())", []),
    ("(a:-1)", [("a", -1.0)]),
    ("(a:1e1)", [("a", 10.0)]),
    ("(anime:1.5), portrait", [("anime", 1.5), (", portrait", 1.0)]),
    ("((a:1.5)", [("(a", 1.5)]),
    ("\\\\(a:2)", [("\\(a:2)", 1.0)]),
    ("(a\\)", [("(a)", 1.0)]),
    ("(a:1.2\\)", [("(a:1.2)", 1.0)]),
    ("((((a))))", [("a", 1.4641)]),
]


def told(prompt):
    return [(segment.text, segment.emphasis) for segment in read_emphasis(prompt)]


@pytest.mark.parametrize(("prompt", "expected"), MEASURED)
def test_emphasis_is_what_comfyui_measured(prompt, expected):
    assert [text for text, _ in told(prompt)] == [text for text, _ in expected]
    assert [weight for _, weight in told(prompt)] == pytest.approx([w for _, w in expected])


def test_live_comfyui_reads_the_same():
    clip = pytest.importorskip("comfy.sd1_clip")
    pieces = ["(", ")", "(", ")", "a", "b ", ":", "1.3", ".5", ",", "\\", "\\(", "\\)", "-", "nan"]
    dice = random.Random(1)
    prompts = ["".join(dice.choices(pieces, k=dice.randint(0, 14))) for _ in range(5000)]
    for prompt in [*prompts, *(prompt for prompt, _ in MEASURED)]:
        theirs = clip.token_weights(clip.escape_important(prompt), 1.0)
        assert str(told(prompt)) == str([(clip.unescape_important(t), w) for t, w in theirs]), (
            prompt
        )


def test_no_letter_is_lost_but_the_notation():
    dice = random.Random(2)
    for _ in range(500):
        words = dice.choices(["oil", " ", "anime", ",", "x"], k=6)
        open_at, close_at = sorted(dice.sample(range(7), 2))
        prompt = "".join(
            [*words[:open_at], "(", *words[open_at:close_at], ":1.4)", *words[close_at:]]
        )
        assert "".join(text for text, _ in told(prompt)) == "".join(words)


def test_a_deep_nest_is_no_stack_overflow():
    (segment,) = read_emphasis("(" * 5000 + "x" + ")" * 5000)
    assert segment.text == "x"
    assert segment.emphasis == pytest.approx(float("inf")) or segment.emphasis > 1e200
