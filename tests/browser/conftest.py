"""Chromium on a page that stands in for ComfyUI's: only what our scripts touch."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = """<!doctype html><meta charset="utf-8"><title>harness</title><body></body>"""
APP = """
export const app = {
  graph: { getNodeById: (id) => window.nodes?.[id] ?? null },
  registerExtension(extension) { (window.extensions ??= []).push(extension); },
};
"""


class Harness(SimpleHTTPRequestHandler):
    """``/extensions/loupe/`` is our web folder, ``/scripts/app.js`` a stand-in for the app."""

    def do_GET(self):
        fixed = {"/": ("text/html", PAGE), "/scripts/app.js": ("text/javascript", APP)}
        if self.path in fixed:
            kind, text = fixed[self.path]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())
            return
        self.path = self.path.removeprefix("/extensions/loupe")
        super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def page(browser):
    """A page of the harness; an error on its console fails the test."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Harness, directory=str(ROOT / "web")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    opened, errors = browser.new_page(), []
    opened.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(f"http://127.0.0.1:{server.server_port}/")
    yield opened
    opened.close()
    server.shutdown()
    server.server_close()
    assert [error for error in errors if "favicon" not in error and "404" not in error] == []
