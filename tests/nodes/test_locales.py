"""The words of the nodes in each language, as ComfyUI's page looks for them under ``/i18n``.

``locales/en/nodeDefs.json`` holds what the schemas say, and is where a translation begins. After a
change of words, or for a new language (make its folder first):

    python -m pytest tests/nodes/test_locales.py --write-schemas

writes English anew, gives every other language the same keys in the same order, keeps what is
translated there, and leaves "" where it is not.
"""

import json
import re
from pathlib import Path

import pytest

from portrait_loupe.nodes.extension import NODES

LOCALES = Path(__file__).resolve().parents[2] / "locales"
LANGUAGES = sorted(folder.name for folder in LOCALES.iterdir() if folder.is_dir())
TRANSLATED = [language for language in LANGUAGES if language != "en"]
# More than anybody links by hand. ComfyUI looks for each socket of a growing input by its own name.
SOCKETS = 16
HAN = re.compile("[\u4e00-\u9fff]")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
QUOTED = re.compile("\u300c(.+?)\u300d")  # corner brackets: what the page shows under this name
# vue-i18n reads them as plural forms, placeholders and links: frontend 1.44.19 does so in tooltips
# too, later ones in names and descriptions
SYNTAX = re.compile(r"[|{}@]")


def words(schema) -> dict:
    """Of a node, keyed as the page asks for them."""
    inputs = {}
    for declared in schema.inputs:
        inputs[key(declared.id)] = slot(declared.display_name or declared.id, declared.tooltip)
        template = getattr(declared, "template", None)
        if template is not None:  # the page shows the sockets alone; they are named already
            tooltip = f"{template.input.tooltip} {declared.tooltip}"
            for name in template.names[:SOCKETS]:
                inputs[key(f"{declared.id}.{name}")] = {"tooltip": tooltip}
    outputs = {
        str(index): slot(made.display_name or made.id, made.tooltip)
        for index, made in enumerate(schema.outputs)
    }
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": inputs,
        "outputs": outputs,
    }


def slot(name: str, tooltip: str | None) -> dict:
    return {"name": name, "tooltip": tooltip}


def key(name: str) -> str:
    """As the page's ``normalizeI18nKey`` makes it: a dot would part two keys."""
    return name.replace(".", "_")


def leaves(tree: dict, path: tuple = ()):
    """Each text with the keys that lead to it."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def read(language: str, file: str = "nodeDefs.json") -> dict:
    return json.loads((LOCALES / language / file).read_text("utf-8"))


def write(language: str, told: dict) -> None:
    path = LOCALES / language / "nodeDefs.json"
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")


def completed(english: dict, translated: dict) -> dict:
    """``english`` with the words of ``translated``; sockets that grow take those of the first."""
    made = {}
    for name, text in english.items():
        if isinstance(text, dict):
            source = re.sub(r"\d+$", "0", name) if text.keys() == {"tooltip"} else name
            made[name] = completed(text, translated.get(source, {}))
        else:
            made[name] = translated.get(name, "")
    return made


@pytest.fixture(scope="module")
def english() -> dict:
    schemas = [node.define_schema() for node in NODES]
    return {schema.node_id: words(schema) for schema in schemas}


@pytest.fixture(scope="module", autouse=True)
def written(english, request):
    """What is committed; anew where that is asked for."""
    if request.config.getoption("--write-schemas"):
        write("en", english)
        for language in TRANSLATED:
            there = (LOCALES / language / "nodeDefs.json").exists()
            write(language, completed(english, read(language) if there else {}))


def test_english_is_what_the_nodes_say(english):
    assert read("en") == english, "see the head of this file"


def test_no_two_names_become_one_key():
    for schema in [node.define_schema() for node in NODES]:
        grown = [
            f"{declared.id}.{name}"
            for declared in schema.inputs
            if getattr(declared, "template", None)
            for name in declared.template.names
        ]
        names = [declared.id for declared in schema.inputs] + grown
        assert len({key(name) for name in names}) == len(names), schema.node_id


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_every_text_once_and_no_other(language, english):
    order = [path for path, _ in leaves(english)]
    assert [path for path, _ in leaves(read(language))] == order, "see the head of this file"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_says_something_in_plain_characters(language):
    for path, text in leaves(read(language)):
        assert isinstance(text, str), path
        assert text == text.strip() != "", path
        assert not SYNTAX.search(text), (path, text)


@pytest.mark.parametrize("language", TRANSLATED)
def test_numbers_stand_in_a_translation_as_they_stand_in_english(language, english):
    told = dict(leaves(read(language)))
    for path, text in leaves(english):
        if path[-1] in ("tooltip", "description"):
            assert set(NUMBER.findall(told[path])) == set(NUMBER.findall(text)), path


@pytest.mark.parametrize("language", TRANSLATED)
def test_options_and_folders_are_named_as_they_are_on_the_node(language, english):
    """ComfyUI translates no option: the reader must find the one that is meant."""
    told = dict(leaves(read(language)))
    for node in NODES:
        schema = node.define_schema()
        for declared in schema.inputs:
            path = (schema.node_id, "inputs", declared.id, "tooltip")
            named = [f"{option}:" for option in getattr(declared, "options", None) or []]
            for option in [name for name in named if name in (declared.tooltip or "")]:
                assert option[:-1] in told[path], (path, option)
    for path, text in leaves(english):
        for folder in re.findall(r"\w+/\w+(?:/\w+)*", text):
            if folder.startswith(("models/", "output/", "loupe_")):
                assert folder in told[path], (path, folder)


def test_chinese_is_written_in_chinese():
    for path, text in leaves(read("zh")):
        assert HAN.search(text) or path[-1] == "name", (path, text)


def test_what_chinese_quotes_is_shown_under_that_name():
    """A tooltip that names another input or node names it as the page does."""
    told = dict(leaves(read("zh")))
    shown = {text for path, text in told.items() if path[-1] in ("name", "display_name")}
    for path, text in told.items():
        assert set(QUOTED.findall(text)) <= shown, path


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_two_things_on_a_node_have_one_name(language):
    told = read(language)
    for node, own in told.items():
        for part in ("inputs", "outputs"):
            names = [slot["name"] for slot in own[part].values() if "name" in slot]
            assert len(set(names)) == len(names), (node, part)
    assert len({own["display_name"] for own in told.values()}) == len(told)


# these ids mean one thing on one node and another elsewhere
SEVERAL_MEANINGS = {"curve", "eyes", "negative", "plot", "seeds", "start", "takes", "weights"}


@pytest.mark.parametrize("language", TRANSLATED)
def test_an_id_is_translated_in_one_way(language):
    told, seen = dict(leaves(read(language))), {}
    for path, text in leaves(read("en")):
        if path[-1] == "name":
            seen.setdefault(text, set()).add(told[path])
    assert {name for name, names in seen.items() if len(names) > 1} <= SEVERAL_MEANINGS, seen


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_part_of_a_category_has_a_name(language):
    """English shows the category as it is."""
    parts = {part for node in NODES for part in node.define_schema().category.split("/")}
    told = read(language, "main.json")
    assert told.keys() == {"nodeCategories"}
    assert told["nodeCategories"].keys() == parts
    assert all(told["nodeCategories"].values())
