"""Cast Lock, as ComfyUI sees it."""

from datetime import datetime, timezone

from ..host import execution_blocker, io, is_output_node, progress, save_folder, temp_folder
from .given import given_take
from .hanging import hanging_on
from .lock import LOCKED, MODES, NOT_LOCKED, decide, is_locked, lock_of, read_lock
from .offer import UI_KEY, comparison_of, payload_of, stored, trust_words
from .records import record_of
from .store import check_cast_name, file_of, hold, read_offer, save_offer, state_of
from .take import Cast
from .vote_log import PICKS, add_vote, read_votes, votes_state
from .votes import bradley_terry, choices_of, standing_lines, trust
from .words import cost_words

_OUTPUTS = 6
_HANGING = (
    "Warning: {} still runs the generators of this cast, locked or not, because it is linked above Cast Lock. "
    "Link it behind Cast Lock, or mute it, or every run is paid for again."
)


class CastLock(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeCastLock",
            display_name="Cast Lock",
            category="Loupe/casting",
            description="Offers the takes of a cast, and gives the one that you lock. Once it is locked nothing above runs "
            "again, whatever becomes of the seeds: the take comes from its file, and costs nothing.",
            search_aliases=["image chooser", "pick image", "select image", "image filter", "lock seed", "pause"],
            inputs=[
                io.Custom("LOUPE_CAST").Input(
                    "cast", optional=True, lazy=True,
                    tooltip="Of Cast Sheet. Asked for only while nothing is locked; once locked it may be unlinked.",
                ),
                io.String.Input(
                    "cast_name", default="my cast",
                    tooltip="A bare name; the takes are kept in loupe_cast/<name> in the output folder.",
                ),
                io.Combo.Input(
                    "mode", options=list(MODES), default=MODES[0],
                    tooltip="ask: offers, you lock one in the panel. auto-best: the best, once your blind picks have earned it. "
                    "first: the first. locked: never runs what is above.",
                ),
                io.String.Input(
                    "lock", default="",
                    tooltip="Filled by the panel. Programs may put the lock output of an earlier run here, or a take's sha256.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The locked take, to the bit."),
                io.Custom("LOUPE_FACES").Output("faces", tooltip="Its face."),
                io.String.Output("label", tooltip="Model and number of the take."),
                io.Int.Output("seed", tooltip="The take's seed; 0 where its provider has none."),
                io.String.Output("lock", tooltip="The lock as JSON."),
                io.String.Output("report", tooltip="What is offered or locked, and what it costs."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def check_lazy_status(cls, mode=MODES[0], lock="", **given):
        """The cast is asked for where it is linked, has not come, and nothing is locked."""
        wanted = "cast" in given and given["cast"] is None
        return ["cast"] if wanted and not is_locked(lock) and mode != LOCKED else []

    @classmethod
    def fingerprint_inputs(cls, cast_name="", mode=MODES[0], lock="", cast=None) -> str:
        """A locked take is read again when its file has changed, auto-best decides again after a vote."""
        try:
            folder = save_folder()
            locked = read_lock(lock)
            if locked is not None:
                return f"{locked.take_sha256} {state_of(locked, cast_name, folder)}"
        except (ValueError, RuntimeError):
            return "to be refused"
        return votes_state(folder) if mode == MODES[1] else ""

    @classmethod
    def execute(cls, cast_name="my cast", mode=MODES[0], lock="", cast=None) -> io.NodeOutput:
        name, folder = check_cast_name(cast_name), save_folder()
        hanging = _hanging(cls.hidden)
        locked = read_lock(lock)
        if locked is not None:
            return _locked(locked, name, mode, folder, hanging)
        if mode == LOCKED:
            raise ValueError(NOT_LOCKED)
        if not isinstance(cast, Cast):
            raise ValueError(
                "cast must be linked to Cast Sheet while no take is locked, got "
                f"{'nothing' if cast is None else type(cast).__name__}. Link it, or put a lock in."
            )
        return _offered(cast, name, mode, folder, hanging)


def _locked(lock, name, mode, folder, warnings):
    """A take that was locked, from its file."""
    held = hold(lock, name, folder, at=_now(), tick=_ticks())
    notes = list(held.remarks)
    if lock.by in PICKS and lock.at:
        notes.append(add_vote(held.lock, name, folder))
    records, region, cost = stored(read_offer(name, folder), held.lock.take_sha256)
    trusted = trust(read_votes(folder))
    image, faces, label, seed, words = given_take(held, name)
    report = "\n".join([words, *filter(None, notes), *warnings])
    payload = payload_of(
        records, name, mode,
        locked=held.lock, region=region, cost=cost, trust=trusted, warnings=warnings,
    )  # fmt: skip
    return io.NodeOutput(
        image, faces, label, seed, held.lock.text, report,
        ui={"loupe_report": [report], UI_KEY: [payload]},
    )  # fmt: skip


def _offered(cast, name, mode, folder, warnings):
    """A cast of which nothing is locked: kept as files, then decided upon."""
    at = _now()
    votes = read_votes(folder)
    trusted = trust(votes)
    made = decide(mode, cast, earned=trusted.earned, trust=trust_words(trusted))
    save_offer(cast, name, folder, at, progress)
    records = [record_of(take, cast.faces_backend) for take in cast.takes]
    cost = cost_words(cast.takes)
    standing = standing_lines(bradley_terry(choices_of(votes)))
    report = [made.words, *warnings, cast.report, *(f"Your blind picks: {one}" for one in standing)]
    if made.take is not None:
        lock = lock_of(made.take, file_of(name, made.take.sha256), made.by, at)
        held = hold(lock, name, folder)
        image, faces, label, seed, words = given_take(held, name)
        text = "\n".join([words, *report])
        payload = payload_of(
            records, name, mode,
            locked=held.lock, region=cast.region, cost=cost, trust=trusted, warnings=warnings,
        )  # fmt: skip
        return io.NodeOutput(
            image, faces, label, seed, held.lock.text, text,
            ui={"loupe_report": [text], UI_KEY: [payload]},
        )  # fmt: skip
    compare, numbers, note = comparison_of(cast, temp_folder(), progress)
    text = "\n".join([*report, *filter(None, [note])])
    payload = payload_of(
        records, name, mode,
        locked=None, region=cast.region, cost=cost, trust=trusted, warnings=warnings,
        compare=compare, compare_takes=numbers,
    )  # fmt: skip
    blocked = [execution_blocker()] * _OUTPUTS
    return io.NodeOutput(*blocked, ui={"loupe_report": [text], UI_KEY: [payload]})


def _hanging(hidden) -> list[str]:
    """The warning about previews that hang on generators; without a run there is no graph."""
    prompt, own = getattr(hidden, "prompt", None), getattr(hidden, "unique_id", None)
    found = hanging_on(prompt, own, is_output_node)
    return [_HANGING.format(", ".join(found))] if found else []


def _ticks():
    """Reading stops where the user stops the run; how tall the picture is shows its file."""
    tick = progress(100)
    return lambda rows: tick(min(99, rows // 64))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
