"""Choices that fight each other, and fields that a region does not show."""

from __future__ import annotations

from .phrases import Rule
from .setting import PRESET, Setting, said_words, typed_ages


def conflicts_of(setting: Setting) -> tuple[str, ...]:
    """What of a prompt's fields cannot be had together, each with what to change."""
    found = _left_out(setting)
    found += [text for rule in setting.phrases.rules if (text := _objection(rule, setting))]
    others = [words for words, years in typed_ages(setting.typed) if years != setting.age]
    if setting.age and others:
        found.append(f"age {setting.age} with {others[0]!r} as you typed it. Change: say it once.")
    return tuple(found)


def unseen(setting: Setting) -> tuple[str, ...]:
    """The fields of the preset of which nothing is shown."""
    return tuple(
        name
        for name in setting.options
        if setting.silent(name) and setting.choices[name].source == PRESET
    )


def _objection(rule: Rule, setting: Setting) -> str:
    """Why the choices fight each other by a rule, and what to change; empty where they do not."""
    if not all(setting.value(name) in options for name, options in rule.when.items()):
        return ""
    if not setting.parts.issuperset(rule.shows):
        return ""
    if rule.ages and not rule.ages[0] <= setting.age <= rule.ages[1]:
        return ""
    typed = said_words(setting.typed, rule.typed) if rule.typed else []
    if rule.typed and not typed:
        return ""
    what = [f"{name} {setting.value(name)!r}" for name in rule.when]
    what += [f"age {setting.age}"] if rule.ages else []
    what += [f"you typed {typed[0]!r}"] if typed else []
    return f"{' with '.join(what)}: {rule.say}. Change: {rule.change}."


def _left_out(setting: Setting) -> list[str]:
    """Of each field that was asked for and is not shown, why."""
    found = []
    for name, option in setting.options.items():
        if setting.silent(name) and setting.choices[name].source != PRESET:
            parts = {piece.part for each in option.words for piece in each}
            why = _why_hidden(setting, name, parts)
            found.append(f"{name} {option.name!r} is left out: {why}.")
    return found


def _why_hidden(setting: Setting, name: str, parts: set[str]) -> str:
    if parts & setting.region.parts:
        hiding = [
            (other, option)
            for other, option in setting.options.items()
            if other != name and option.hides & parts
        ]
        what = " and ".join(f"{other} {option.name!r}" for other, option in hiding)
        return f"{what} hides it. Change: {' and '.join(other for other, _ in hiding)}"
    fits = [o.name for o in setting.phrases.fields["region"].options.values() if o.parts & parts]
    return f"region {setting.region.name!r} does not show it. Change: region {' or '.join(map(repr, fits))}"
