"""Whatever things are called, nothing of it runs: the casting panel and its comparer with names that try.

``test_casting.py``, ``test_comparer.py`` and ``test_report.py`` show that one such name is seen as text; here
are many, in every text that the server sends.
"""

from pathlib import Path

import numpy as np
import pytest

HACKED = "globalThis.hacked = true"
EVIL = (
    f'<img src=x onerror="{HACKED}">',
    f'"><script>{HACKED}</script>',
    f"' onmouseover='{HACKED}' onfocus='{HACKED}' autofocus='",
    f"javascript:{HACKED}",
    f"<svg onload={HACKED}><style>*{{display:none}}</style>",
    f"</textarea></title></style><iframe srcdoc='<script>parent.{HACKED}</script>'>",
    "data:text/html,<script>parent.hacked = true</script>",
    "${globalThis.hacked = true} {{constructor.constructor('hacked = true')()}}",
    "\u202egnp.exe \u0000 \ud83d\ude00 " + "x" * 2000,
    "__proto__",
    "constructor",
)
KEPT = {
    "sha256",
    "sha",
    "filename",
    "subfolder",
    "type",
    "mode",
}  # without these there is nothing to show


@pytest.fixture(scope="module")
def casting(module_of):
    """The stand-in for ComfyUI's server of the panel's own tests."""
    return module_of(Path(__file__).with_name("test_casting.py"))


@pytest.fixture
def page(casting, browser):
    """The panel's page; a dialog, or a request that leaves the page, fails the test."""
    server = casting.serve()
    server.host = casting.Host()
    asked, dialogs = [], []
    opened = browser.new_page(viewport={"width": 1000, "height": 700})
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    home = f"http://127.0.0.1:{server.server_port}/"
    opened.set_default_timeout(10000)
    opened.goto(home)
    opened.wait_for_function("Boolean(globalThis.harness)")
    found = casting.Page(opened)
    found.host = server.host
    yield found
    opened.close()
    server.shutdown()
    server.server_close()
    assert dialogs == []
    assert [url for url in asked if not url.startswith((home, f"blob:{home}"))] == []


def spoilt(value, evil, kept, key=""):
    """A payload in which every text says something else."""
    if isinstance(value, dict):
        return {name: spoilt(one, evil, kept, name) for name, one in value.items()}
    if isinstance(value, list):
        return [spoilt(one, evil, kept, key) for one in value]
    return evil if isinstance(value, str) and key not in kept else value


def is_untouched(page):
    """Neither ran anything nor is anything on the panel that a text brought."""
    page.run("harness.idle()")
    assert page.run("globalThis.hacked ?? Object.prototype.hacked ?? null") is None
    strange = ".portraitloupe-casting :is(script, iframe, object, embed, style, svg[onload], [onerror], [onmouseover], [onfocus])"
    assert page.page.locator(strange).count() == 0
    sources = page.run(
        "[...document.querySelectorAll('#root :is(img, a)')].map((one) => one.src || one.href)"
    )
    assert [one for one in sources if one and not one.startswith("http://127.0.0.1:")] == []


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_nothing_runs_whatever_things_are_called(page, evil):
    pixels = np.full((64, 64, 3), 128, np.uint8)
    made = [page.host.take(number, f"m{number}", pixels, reason="r") for number in (1, 2, 3)]
    made.append(page.host.take(4, "m4", pixels, rejected="why"))
    payload = page.host.payload(made, warnings=["one"])
    assert page.show(spoilt(payload, evil, KEPT))
    assert page.page.get_by_role("radio").count() == 4
    page.focus()
    page.press("1", "ArrowRight", "Space", "Enter", "b", "r")
    is_untouched(page)
    page.page.locator(".take").first.hover()
    is_untouched(page)


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_nothing_runs_where_files_and_hashes_are_called_so_too(page, evil):
    """Shown or not: a file that is called so is asked of the host, or not at all."""
    pixels = np.full((64, 64, 3), 128, np.uint8)
    made = [page.host.take(number, f"m{number}", pixels, reason="r") for number in (1, 2)]
    page.show(spoilt(page.host.payload(made), evil, set()))
    is_untouched(page)
    page.run("harness.value('lock')")
    is_untouched(page)


def test_what_would_run_is_seen(page):
    """The watch is no sham: the same text as markup does run."""
    page.run(
        "(text) => document.querySelector('#root').insertAdjacentHTML('beforeend', text)", EVIL[0]
    )
    page.page.wait_for_function("globalThis.hacked === true")
