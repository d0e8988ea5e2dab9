"""What a node declares, in the words of ComfyUI's V3 interface, as far as our nodes use it.

The names and keywords are ComfyUI's (``comfy_api.v0_0_2.io``), so that a node reads the same in
both hosts. A keyword that ComfyUI does not know raises ``TypeError`` here as it does there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar


@dataclass
class Input:
    """A socket."""

    id: str
    display_name: str | None = None
    optional: bool = False
    tooltip: str | None = None
    advanced: bool | None = None
    raw_link: bool | None = None
    lazy: bool | None = None

    io_type: ClassVar[str] = "*"

    def get_io_type(self) -> str:
        return self.io_type


@dataclass
class WidgetInput(Input):
    """A socket with a widget, which holds the value as long as nothing is linked."""

    default: Any = None
    force_input: bool | None = None


@dataclass
class NumberInput(WidgetInput):
    min: float | None = None
    max: float | None = None
    step: float | None = None


@dataclass
class StringInput(WidgetInput):
    multiline: bool = False
    placeholder: str | None = None


@dataclass
class ComboInput(WidgetInput):
    options: list[str] | None = None


@dataclass
class Output:
    id: str | None = None
    display_name: str | None = None
    tooltip: str | None = None
    is_output_list: bool = False

    io_type: ClassVar[str] = "*"

    def get_io_type(self) -> str:
        return self.io_type


def _type(io_type: str, kind: type[Input] = Input) -> Any:
    own = {"io_type": io_type}
    sockets = {"Input": type("Input", (kind,), own), "Output": type("Output", (Output,), own)}
    return type(io_type, (), {**own, **sockets})


def Custom(io_type: str) -> Any:
    """A socket type by its name."""
    return _type(io_type)


AnyType = Custom("*")
Image = Custom("IMAGE")
Mask = Custom("MASK")
Vae = Custom("VAE")
Int = _type("INT", NumberInput)
Float = _type("FLOAT", NumberInput)
String = _type("STRING", StringInput)
Boolean = _type("BOOLEAN", WidgetInput)
Combo = _type("COMBO", ComboInput)
BoundingBox = _type("BOUNDING_BOX", WidgetInput)


class MultiType:
    """A socket that takes any of several types."""

    @dataclass
    class Input(Input):
        types: list[Any] = field(default_factory=list)

        def __init__(self, id: str, types: list[Any], **keywords: Any):
            super().__init__(id, **keywords)
            self.types = types

        def get_io_type(self) -> str:
            return ",".join(kind.io_type for kind in self.types)


class Autogrow:
    """Sockets that multiply as they are linked; ``execute`` gets them as one dictionary."""

    @dataclass
    class TemplatePrefix:
        input: Input
        prefix: str
        min: int = 1
        max: int = 10

        @property
        def names(self) -> list[str]:
            return [f"{self.prefix}{index}" for index in range(self.max)]

    @dataclass
    class Input(Input):
        template: Any = None

        def __init__(self, id: str, template: Autogrow.TemplatePrefix, **keywords: Any):
            super().__init__(id, **keywords)
            self.template = template


class Hidden(str, Enum):
    """What a node may ask to know of its graph; ``execute`` finds it in ``cls.hidden``."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


@dataclass
class Schema:
    """What ComfyUI shows of a node, and what it checks before the node runs."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    description: str = ""
    search_aliases: list[str] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    is_input_list: bool = False
    is_output_node: bool = False
    has_intermediate_output: bool = False
    enable_expand: bool = False


class NodeOutput:
    """What ``execute`` returns: a value for every output, and what the browser shows."""

    def __init__(self, *args: Any, ui: dict[str, Any] | None = None, expand: Any = None):
        self.args, self.ui, self.expand = args, ui, expand


class ComfyNode:
    """The base of every node; ``define_schema`` and ``execute`` are class methods."""

    define_schema: ClassVar[Callable[[], Schema]]
    execute: ClassVar[Callable[..., NodeOutput]]
    hidden: ClassVar[Any] = None  # no graph, as when ``execute`` is called by hand


class ComfyExtension:
    """What a pack hands to its host."""

    async def get_node_list(self) -> list[type[ComfyNode]]:
        return []
