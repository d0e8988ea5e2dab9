import pytest

from portrait_loupe.nodes import labels
from portrait_loupe.nodes.labels import fit, least_size, shorten, size_for, width_of
from portrait_loupe.nodes.typography import BOX, choice, clusters, draw, font, one_line

LONG = "a model with a name that is much longer than any panel is wide, version 2"


def test_the_largest_size_that_fits_all_is_taken():
    size = size_for(["short", "a little longer"], 200, 40, 12)
    assert width_of("a little longer", size) <= 200 < width_of("a little longer", size + 1)


def test_a_text_that_fits_is_left_as_it_is():
    assert shorten("Original", 400, 20) == "Original"


@pytest.mark.parametrize("width", [300, 120, 60])
def test_a_long_text_keeps_its_beginning_and_its_end(width):
    short = shorten(LONG, width, 20)
    assert width_of(short, 20) <= width
    assert short[0] == "a"
    assert short[-1] == "2"
    assert "…" in short


def test_what_cannot_be_written_at_all_is_an_ellipsis():
    assert shorten("W" * 9, 5, 20) == "…"


def test_line_breaks_and_runs_of_blanks_become_one_blank():
    assert shorten("two\n  lines", 400, 20) == "two lines"


def test_no_size_is_below_the_smallest():
    assert size_for([LONG * 3], 50, 40, 17) == 17


@pytest.mark.parametrize(
    "text",
    [
        "é ß × – — µ \u2265 \u2192",
        "\u25b2 · …",
        "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u041a\u0438\u0440\u0438\u043b\u043b\u0438\u0446\u0430",
    ],
)
def test_the_signs_of_the_field_have_letters(text):
    letters = font(24)
    missing = bytes(letters.getmask("\U0010ffff"))
    for sign in text.replace(" ", ""):
        assert bytes(letters.getmask(sign)) != missing, sign


# --- several lines -----------------------------------------------------------------------------

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
HEBREW = "\u05e9\u05dc\u05d5\u05dd"
CHECKPOINT = "flux1-dev-fp8-e4m3fn_scaled.v2.1.safetensors"
LABELS = {
    "blanks": LONG,
    "file": CHECKPOINT * 2,
    "path": "checkpoints/portrait/" + CHECKPOINT,
    "one word": "W" * 200,
    "chinese": "\u6a21\u578b\u6bd4\u8f83" * 20,
    "hebrew": (HEBREW + " ") * 20,
    "accents": "e\u0301" * 150,
    "family": FAMILY * 60,
    "devanagari": "\u0915\u094d\u0937\u093f" * 60,
    "marks": "Z" + "\u0301" * 400,
    "script": "<script>alert('x')</script>" * 4,
    "override": "a\u202egnp.exe " * 9,
    "surrogates": "\ud800x" * 80,
    "10,000": "gpt image 2 high " * 600,
    "10,000 in one word": "x" * 10_000,
}


@pytest.fixture
def no_system_fonts(monkeypatch):
    monkeypatch.setattr(choice, "font_folders", lambda: ())


def holds(text, fitted, width):
    return width_of(text, fitted.size) <= width


def test_labels_that_fit_on_one_line_share_the_largest_size():
    texts = ["short", "a little longer"]
    fitted = fit(texts, 200, 40, 12)
    assert fitted.size == size_for(texts, 200, 40, 12)
    assert fitted.lines == (("short",), ("a little longer",))
    assert fitted.shortened == (False, False)
    assert fit(["short"], 2000, 40, 12).size == 40


def test_one_long_label_makes_all_the_smallest_and_itself_wrapped():
    fitted = fit(["short", LONG], 400, 40, 16)
    assert fitted.size == 16
    assert fitted.lines[0] == ("short",)
    assert len(fitted.lines[1]) == 2
    assert " ".join(fitted.lines[1]) == LONG
    assert fitted.shortened == (False, False)


@pytest.mark.parametrize("text", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("width", [60, 330, 700])
@pytest.mark.parametrize("lines", [1, 2, 3])
def test_every_label_fits_and_keeps_its_letters_whole(text, width, lines, no_system_fonts):
    fitted = fit(["a", text], width, 30, 16, lines=lines)
    found = fitted.lines[1]
    assert 1 <= len(found) <= lines
    assert fitted.size >= 16
    for line in found:
        assert holds(line, fitted, width)
    whole = clusters(one_line(text))
    kept = [unit for line in found for unit in clusters(line) if unit != " "]
    if fitted.shortened[1]:
        assert kept.count("\u2026") == 1
        middle = kept.index("\u2026")
        before, after = kept[:middle], kept[middle + 1 :]
        spaced = [unit for unit in whole if unit != " "]
        assert spaced[: len(before)] == before
        assert spaced[len(spaced) - len(after) :] == after
    else:
        assert kept == [unit for unit in whole if unit != " "]


def test_as_much_is_kept_as_the_lines_hold():
    for text in (LONG * 3, CHECKPOINT * 3, "i" * 400):
        short = fit([text], 300, 20, 16, lines=1).lines[0][0]
        assert short == shorten(text, 300, 16)
        best = max(
            (
                text[: (kept + 1) // 2].rstrip() + "\u2026" + text[len(text) - kept // 2 :].lstrip()
                for kept in range(1, len(text))
            ),
            key=lambda one: (width_of(one, 16) <= 300) * len(one),
        )
        assert len(short) == len(best)


def test_file_names_break_where_they_are_joined():
    fitted = fit([CHECKPOINT], 330, 20, 16)
    assert "".join(fitted.lines[0]) == CHECKPOINT
    assert fitted.lines[0][0][-1] in "-_./"
    # a version stays whole
    assert fit(["sdxl-turbo 2.15"], width_of("sdxl-turbo 2.1", 16) + 1, 16, 16).lines[0] == (
        "sdxl-turbo",
        "2.15",
    )


def test_a_word_without_breaks_is_broken_where_the_line_ends():
    fitted = fit(["W" * 30], 330, 20, 16)
    assert "".join(fitted.lines[0]) == "W" * 30
    assert not fitted.shortened[0]


def test_letters_are_kept_rather_than_words():
    """A short word and one nearly two lines long: broken at its blank, a third line were needed."""
    text = "a " + "W" * 35
    width = width_of("W" * 19, 16)
    assert not fit([text], int(width), 16, 16).shortened[0]


def test_chinese_breaks_anywhere_but_not_before_a_full_stop(no_system_fonts):
    text = "\u6a21\u578b\u6bd4\u8f83\u3002\u6a21\u578b"
    box = width_of(BOX, 16)
    assert fit([text], int(4.5 * box), 16, 16).lines[0] == (text[:3], text[3:])
    assert fit([text], int(5.5 * box), 16, 16).lines[0] == (text[:5], text[5:])


def test_an_empty_label_has_no_lines():
    assert fit(["", " \n"], 300, 20, 16).lines == ((), ())
    assert fit([], 300, 20, 16).lines == ()


def test_where_nothing_fits_there_is_an_ellipsis():
    fitted = fit(["Original"], 3, 20, 16)
    assert fitted.lines == (("\u2026",),)
    assert fitted.shortened == (True,)


def test_a_letter_is_never_cut_from_its_marks(no_system_fonts):
    text = "e\u0301\u0323" * 50
    for width in range(40, 200, 7):
        short = shorten(text, width, 20)
        assert set(clusters(short)) <= {"e\u0301\u0323", "\u2026"}


def test_ten_thousand_letters_cost_hardly_more_than_a_hundred(monkeypatch):
    """Counted in letters measured, not in seconds."""
    measured = []
    real = draw._pieces
    monkeypatch.setattr(
        draw, "_pieces", lambda text, *rest: measured.append(len(text)) or real(text, *rest)
    )
    monkeypatch.setattr(
        labels, "clusters", lambda text: measured.append(len(text)) or clusters(text)
    )

    def cost(text):
        measured.clear()
        fit([text], 400, 40, 16)
        return sum(measured)

    few = cost("gpt image 2 high " * 20)
    # 30 times the letters; measured: 3.6 times the work, most of it counting them
    assert cost("gpt image 2 high " * 600) <= 5 * few


@pytest.mark.parametrize(
    ("plate", "least"), [((1080, 1350), 19), ((640, 800), 16), ((3840, 2160), 39)]
)
def test_letters_are_read_in_a_phones_feed(plate, least):
    assert least_size(*plate) == least


def test_a_font_of_the_users_is_measured(tmp_path):
    from fontTools.ttLib import TTFont

    wide = TTFont(font(20).path)
    wide["hmtx"]["a"] = (4096, 0)  # two letter sizes
    wide.save(tmp_path / "Wide.ttf")
    assert width_of("aaa", 20, user_font=tmp_path / "Wide.ttf") == pytest.approx(120, abs=3)
    assert size_for(["aaa"], 60, 40, 5, user_font=tmp_path / "Wide.ttf") == 10
    assert fit(["aaa"], 60, 40, 5, user_font=tmp_path / "Wide.ttf").size == 10
    assert shorten("aaaaaa", 90, 20, user_font=tmp_path / "Wide.ttf").count("a") == 1


@pytest.mark.parametrize(("smallest", "lines"), [(0, 2), (16, 0)])
def test_what_cannot_be_fitted_is_refused(smallest, lines):
    with pytest.raises(ValueError, match="at least 1"):
        fit(["a"], 100, 20, smallest, lines=lines)
