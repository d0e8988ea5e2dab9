"""Cast Load, as ComfyUI sees it."""

from ..host import io, save_folder
from ..offered_files import check_choice
from .given import given_take
from .members import find_member, list_members
from .store import hold, state_of

NONE_YET = "(none locked yet)"


class CastLoad(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoupeCastLoad",
            display_name="Cast Load",
            category="Loupe/casting",
            description="A take that Cast Lock has locked, in any workflow: the same picture to the bit, with its face.",
            search_aliases=["load cast", "load take", "locked image", "cast member"],
            inputs=[
                io.Combo.Input(
                    "member",
                    options=list(_members()) or [NONE_YET],
                    tooltip="Cast and take, of loupe_cast in the output folder; press R for those locked since.",
                )
            ],
            outputs=[
                io.Image.Output("image", tooltip="The locked take, to the bit."),
                io.Custom("LOUPE_FACES").Output("faces", tooltip="Its face."),
                io.String.Output("label", tooltip="Model and number of the take."),
                io.Int.Output("seed", tooltip="The take's seed; 0 where its provider has none."),
                io.String.Output("lock", tooltip="The lock as JSON, as Cast Lock takes it."),
                io.String.Output("report", tooltip="What it is, in plain words."),
            ],
            has_intermediate_output=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, member=None) -> bool | str:
        """True, or why there is no such take: ComfyUI's own list is as old as the page."""
        return check_choice(member, _found)

    @classmethod
    def fingerprint_inputs(cls, member=None) -> str:
        """A file that has changed is read again."""
        try:
            name, lock = _found(member)
            return f"{name} {lock.take_sha256} {state_of(lock, name, save_folder())}"
        except (ValueError, RuntimeError):
            return "no file"

    @classmethod
    def execute(cls, member) -> io.NodeOutput:
        name, lock = _found(member)
        held = hold(lock, name, save_folder())
        image, faces, label, seed, words = given_take(held, name)
        return io.NodeOutput(
            image, faces, label, seed, held.lock.text, words, ui={"loupe_report": [words]}
        )


def _members():
    try:
        return list_members(save_folder())
    except RuntimeError:  # no host names an output folder
        return []


def _found(member):
    """Cast and lock of the take that was chosen; ValueError says what to do where there is none."""
    if member == NONE_YET:
        raise ValueError("no take is locked yet: lock one with Cast Lock")
    return find_member(member, save_folder())
