"""Somebody below 18 is shown in natural portraits only."""

from __future__ import annotations

from .phrases import Preset
from .setting import Setting, said_words, typed_ages

ADULT = 18  # years


def keep_children_natural(setting: Setting, preset: Preset) -> None:
    """Refuse anything but a natural portrait of somebody below 18.

    Raises
    ------
    ValueError
        The age, or what was typed, is that of a child, and an option, the preset or a word is not
        for children. Names each, and what there is instead.
    """
    minors, typed = setting.phrases.minors, setting.typed
    named = _names_of_a_child(setting)
    if not named and not 0 < setting.age < ADULT:
        return
    changes = []
    for name, option in setting.options.items():
        if option.adult:
            fine = [o.name for o in setting.phrases.fields[name].options.values() if not o.adult]
            changes.append(f"{name} {' or '.join(map(repr, fine))}, not {option.name!r}")
    if "make_up" not in setting.options:
        changes.append("make_up 'none', not 'not said'")
    if preset.adult:
        fine = [name for name, each in setting.phrases.presets.items() if not each.adult]
        changes.append(f"preset {' or '.join(map(repr, fine))}, not {preset.name!r}")
    words = said_words(typed, minors["typed"], negation=False)
    if words:
        changes.append(f"a subject and an extra without {', '.join(map(repr, words))}")
    if changes:
        reason = f"subject or extra says {named[0]!r}" if named else f"age is {setting.age}"
        way = "Or describe an adult" + ("" if named else f", {ADULT} years or more")
        raise ValueError(f"{reason}: {minors['why'][0]}. Choose {'; '.join(changes)}. {way}.")


def _names_of_a_child(setting: Setting) -> list[str]:
    """What the user typed that tells of somebody below 18."""
    minors, subject = setting.phrases.minors, setting.subject.casefold()
    words = said_words(setting.typed, minors["anywhere"], negation=False)
    words += said_words(subject, minors["subject"], negation=False)
    if setting.age < ADULT:  # "girl" and "boy" are said of adults too
        words += said_words(subject, minors["subject_unless_adult"], negation=False)
    return [*words, *(found for found, years in typed_ages(setting.typed) if years < ADULT)]
