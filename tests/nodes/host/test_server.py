"""Talking to a ComfyUI that does what a real one does only on a bad day.

tests/host talks to a real one. This one speaks as much of its interface as a run needs.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from portrait_loupe.nodes.host.outcome import HostError, Refusal, Watch
from portrait_loupe.nodes.host.server import Server
from portrait_loupe.nodes.host.standin.graph import GraphError, NodeError

web = pytest.importorskip("aiohttp.web", reason="aiohttp is not installed")

SHOUT = {
    "input": {"required": {"text": ["STRING", {"default": ""}]}},
    "output": ["STRING", "FLOAT", "IMAGE"],
    "output_name": ["loud", "volume", "wave"],
    "output_is_list": [False, False, False],
    "output_node": True,
    "display_name": "Shout",
}
NODES = {
    "Shout": SHOUT,
    "PreviewAny": {
        "input": {"required": {"source": ["*", {}]}},
        "output": ["STRING"],
        "output_name": ["STRING"], "output_is_list": [False],
        "output_node": True,
    },
    "LoadImage": {"input": {"required": {"image": [["known.png"], {"image_upload": True}]}}, "output": ["IMAGE"], "output_name": ["IMAGE"], "output_is_list": [False]},
}  # fmt: skip
PROMPT = {"1": {"class_type": "Shout", "inputs": {"text": "a"}}}


class Fake:
    """A ComfyUI on a port of its own, in a thread of its own."""

    def __init__(self):
        self.shown = {"1": {"text": ["a"]}}  # what the history tells that nodes show
        self.events = [("executing", {"node": "1"}), ("progress", {"node": "1", "value": 1, "max": 2}), ("execution_success", {})]  # fmt: skip
        self.messages = []  # of the history's status
        self.answer = (200, {"prompt_id": "t", "node_errors": {}})
        self.hangs_up = False
        self.is_comfyui = True
        self.history = True
        self.file = b"picture"
        self.prompts, self.uploads, self.cancelled = [], [], []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self):
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.add_routes([
            web.get("/system_stats", self._stats), web.get("/object_info", self._info),
            web.get("/ws", self._ws), web.post("/prompt", self._prompt),
            web.get("/history/{ticket}", self._history), web.get("/view", self._view),
            web.post("/upload/image", self._upload), web.post("/queue", self._cancel),
            web.post("/interrupt", self._cancel),
        ])  # fmt: skip
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    async def _stats(self, request):
        if not self.is_comfyui:
            return web.Response(text="<html>a printer</html>")
        return web.json_response({"system": {"comfyui_version": "9.9.9"}})

    async def _info(self, request):
        return web.json_response(NODES)

    async def _ws(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "status", "data": {"status": {}}})
        while not self.prompts:
            await asyncio.sleep(0.01)
        await socket.send_bytes(b"\x00\x00\x00\x01a preview")
        await socket.send_json({"type": "execution_error", "data": {"prompt_id": "another's"}})
        if not self.hangs_up:
            for what, data in self.events:
                await socket.send_json({"type": what, "data": {"prompt_id": "t", **data}})
            await asyncio.sleep(0.2)
        await socket.close()
        return socket

    async def _prompt(self, request):
        body = await request.json()
        status, told = self.answer
        self.prompts.append(body)
        return web.json_response(told, status=status)

    async def _history(self, request):
        if not self.history:
            return web.json_response({})
        entry = {"outputs": self.shown, "status": {"messages": self.messages}}
        return web.json_response({"t": entry})

    async def _view(self, request):
        return web.Response(body=self.file) if self.file else web.Response(status=404)

    async def _upload(self, request):
        form = await request.post()
        self.uploads.append(
            (form["image"].filename, form["image"].file.read(), form["subfolder"], "overwrite" in form)
        )  # fmt: skip
        return web.json_response({"name": "face (1).png", "subfolder": form["subfolder"]})

    async def _cancel(self, request):
        self.cancelled.append((request.path, await request.json()))
        return web.Response()


@pytest.fixture
def fake():
    one = Fake()
    yield one
    one.stop()


@pytest.fixture
def server(fake):
    return Server(fake.url)


def test_it_says_who_it_is_and_what_it_knows(server, fake):
    assert server.label == f"ComfyUI 9.9.9 at {fake.url}"
    assert server.kind == "ComfyUI 9.9.9"  # by which a batch knows what it has done already
    assert server.has_picture("known.png")
    assert not server.has_picture("other.png")
    assert "lacks KSampler" in server.refusal_of(["KSampler"])


def test_a_run_tells_its_steps_and_gives_what_was_shown_and_made(server, fake, tmp_path):
    fake.shown = {
        "1": {"text": ["a"], "images": [{"filename": "x_00001_.png", "subfolder": "s", "type": "output"}]},
        "loupe_reads_1_0": {"text": ["A!"]},
        "loupe_reads_1_1": {"text": ["11.5"]},
        "1.0.0.1": {"text": ["of an expansion"]},
    }  # fmt: skip
    seen = []
    watch = Watch(lambda *told: seen.append(told), lambda *told: seen.append(told))
    made = server.run(PROMPT, tmp_path, workflow={"nodes": []}, watch=watch)
    assert seen == [("1", "Shout"), ("1", 1, 2)]
    assert made.files == [tmp_path / "s" / "x_00001_.png"]
    assert made.files[0].read_bytes() == b"picture"
    assert made.nodes["1"].outputs == {"loud": "A!", "volume": 11.5}
    assert made.nodes["1"].ui == {"text": ["a"], "images": [str(made.files[0])]}
    (body,) = fake.prompts
    assert set(body["prompt"]) == {"1", "loupe_reads_1_0", "loupe_reads_1_1"}
    assert body["extra_data"] == {"extra_pnginfo": {"workflow": {"nodes": []}}}


def test_a_picture_is_uploaded_into_a_folder_of_ours_and_overwrites_nothing(server, fake, tmp_path):
    (tmp_path / "face.png").write_bytes(b"pixels")
    assert server.place(tmp_path / "face.png", "face.png") == "portrait-loupe/face (1).png"
    assert fake.uploads == [("face.png", b"pixels", "portrait-loupe", False)]


@pytest.mark.parametrize(
    "entry",
    [
        {"filename": "../../evil.png", "subfolder": "", "type": "output"},
        {"filename": "evil.png", "subfolder": "../..", "type": "output"},
        {"filename": "evil.png", "subfolder": "/etc", "type": "output"},
        {"filename": "..\\..\\evil.png", "subfolder": "C:\\x\\..\\..", "type": "output"},
        {"filename": "../evil.png", "subfolder": "a/../../b", "type": "temp"},
        {"filename": "..", "subfolder": "..", "type": "output"},
    ],
    ids=lambda entry: entry["filename"] + " in " + entry["subfolder"],
)
def test_a_name_that_leads_out_of_the_folder_is_kept_inside(server, fake, tmp_path, entry):
    fake.shown = {"1": {"images": [entry]}}
    output = tmp_path / "deep" / "deeper"
    (path,) = server.run(PROMPT, output).files
    assert path.resolve().is_relative_to(output.resolve())
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_a_second_run_overwrites_nothing(server, fake, tmp_path):
    fake.shown = {"1": {"images": [{"filename": "x_00001_.png", "subfolder": "", "type": "temp"}]}}
    names = [server.run(PROMPT, tmp_path).files[0].name for _ in range(2)]
    assert names == ["preview_00001_.png", "preview_00002_.png"]


def test_a_refused_graph_tells_each_finding(server, fake, tmp_path):
    finding = {"message": "Value too large", "details": "level 5", "extra_info": {"input_name": "level"}}  # fmt: skip
    fake.answer = (400, {"error": {"message": "bad"}, "node_errors": {"1": {"class_type": "Shout", "errors": [finding]}}})  # fmt: skip
    with pytest.raises(GraphError) as refused:
        server.run(PROMPT, tmp_path)
    assert refused.value.problems == ["node 1 (Shout): level Value too large: level 5"]


def test_a_refusal_without_findings_is_told_as_well(server, fake, tmp_path):
    fake.answer = (400, {"error": {"message": "no outputs"}, "node_errors": []})
    with pytest.raises(GraphError, match="no outputs"):
        server.run(PROMPT, tmp_path)


def test_a_graph_of_which_only_a_part_would_run_is_taken_back(server, fake, tmp_path):
    errors = {"2": {"class_type": "Shout", "errors": [{"message": "missing"}]}}
    fake.answer = (200, {"prompt_id": "t", "node_errors": errors})
    with pytest.raises(GraphError, match=r"node 2 \(Shout\): missing"):
        server.run(PROMPT, tmp_path)
    assert fake.cancelled == [("/queue", {"delete": ["t"]}), ("/interrupt", {"prompt_id": "t"})]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("ValueError", "^node 1 (Shout): too loud$"), ("torch.OutOfMemoryError", "(Shout): OutOfMemoryError: too loud")],
)  # fmt: skip
@pytest.mark.parametrize("missed", [False, True], ids=["told", "missed"])
def test_a_node_that_fails_is_named(server, fake, tmp_path, kind, words, missed):
    failure = {"node_id": "1", "node_type": "Shout", "exception_type": kind, "exception_message": "too loud\n"}  # fmt: skip
    fake.events, fake.messages = [("execution_error", failure)], [["execution_error", failure]]
    fake.hangs_up = missed  # then the history tells
    with pytest.raises(NodeError, match=words.replace("(", r"\(").replace(")", r"\)")):
        server.run(PROMPT, tmp_path)


@pytest.mark.parametrize("missed", [False, True], ids=["told", "missed"])
def test_a_run_that_somebody_stopped_is_no_success(server, fake, tmp_path, missed):
    fake.events, fake.messages = [("execution_interrupted", {})], [["execution_interrupted", {}]]
    fake.hangs_up = missed
    with pytest.raises(HostError, match="was stopped"):
        server.run(PROMPT, tmp_path)


def test_a_line_that_breaks_after_the_end_loses_nothing(server, fake, tmp_path):
    fake.hangs_up = True
    assert server.run(PROMPT, tmp_path).nodes["1"].ui == {"text": ["a"]}


def test_a_line_that_breaks_before_the_end_is_said(server, fake, tmp_path):
    fake.hangs_up, fake.history = True, False
    with pytest.raises(HostError, match="closed the connection before"):
        server.run(PROMPT, tmp_path)


def test_a_file_that_the_server_does_not_give_is_said(server, fake, tmp_path):
    fake.shown = {"1": {"images": [{"filename": "x.png", "subfolder": "", "type": "output"}]}}
    fake.file = b""
    with pytest.raises(HostError, match=r"does not give x\.png: 404"):
        server.run(PROMPT, tmp_path)


def test_somebody_else_at_the_address_is_told_from_comfyui(fake):
    fake.is_comfyui = False
    with pytest.raises(HostError, match="does not answer as ComfyUI does"):
        Server(fake.url)


def test_nobody_at_the_address():
    with pytest.raises(HostError, match="cannot be reached"):
        Server("http://127.0.0.1:9")


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host?x=1", "/a/path"])
def test_an_address_that_is_none(url):
    with pytest.raises(Refusal, match="takes an address"):
        Server(url)


def test_an_address_may_leave_out_http(fake):
    assert Server(fake.url.removeprefix("http://")).url == fake.url


def test_only_what_the_graph_makes_anyway_is_read(server, fake, tmp_path):
    """A node that no output needs would run only because of us."""
    silent = {**SHOUT, "output_node": False}
    server.nodes["Whisper"] = silent
    prompt = {
        **PROMPT,
        "2": {"class_type": "Whisper", "inputs": {"text": ["3", 0]}},
        "3": {"class_type": "Whisper", "inputs": {"text": "b"}},
        "4": {"class_type": "Shout", "inputs": {"text": ["3", 0]}},
    }
    server.run(prompt, tmp_path)
    readers = {key for key in fake.prompts[0]["prompt"] if key not in prompt}
    assert readers == {f"loupe_reads_{node}_{index}" for node in "134" for index in (0, 1)}


def test_it_can_be_asked_from_within_a_loop(fake):
    """As in a notebook."""

    async def ask():
        return Server(fake.url).label

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, ask()).result(30).startswith("ComfyUI 9.9.9")


def test_stopping_takes_the_prompt_back(server, fake, tmp_path):
    """Ctrl-C arrives as a cancellation."""
    fake.events, fake.history = [], False

    async def stopped():
        run = asyncio.ensure_future(server._run(PROMPT, tmp_path, None, Watch()))
        while not fake.prompts:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    with ThreadPoolExecutor(1) as thread:  # a browser of another test may hold this thread's loop
        thread.submit(asyncio.run, stopped()).result(30)
    assert ("/interrupt", {"prompt_id": "t"}) in fake.cancelled


def test_what_only_a_lazy_input_may_ask_for_is_not_read(server, fake, tmp_path):
    """Whether it is needed is known when its node runs; to read it would make it run."""
    lazy = {"input": {"required": {"text": ["STRING", {"lazy": True}], "now": ["STRING", {}]}}}
    server.nodes["Wait"] = {**SHOUT, **lazy}
    server.nodes["Whisper"] = {**SHOUT, "output_node": False}
    prompt = {
        "1": {"class_type": "Wait", "inputs": {"text": ["2", 0], "now": ["3", 0]}},
        "2": {"class_type": "Whisper", "inputs": {"text": "dear"}},
        "3": {"class_type": "Whisper", "inputs": {"text": "cheap"}},
    }
    server.run(prompt, tmp_path)
    readers = {key for key in fake.prompts[0]["prompt"] if key not in prompt}
    assert readers == {f"loupe_reads_{node}_{index}" for node in "13" for index in (0, 1)}
