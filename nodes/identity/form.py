"""What is in an identity's file: tensors by their names, and texts beside them.

Of schema 1: ``arcface.<encoder>.raw`` (N, 512) float32 is what counts, with ``face.aligned112`` and
``face.aligned512`` (N, S, S, 3) uint8; all else that a reference holds lies in the text ``references``
(JSON), which encoder file is meant in ``encoders`` (JSON); ``calibrations`` (JSON) is there where there
are some. The remaining tensors are written for
other programs and never read: center, norm, weight and keep of each encoder; quality, weight, keep,
kps5, bbox, pose, blur, lum, with NaN where something is not known.

The text ``digest`` is a SHA-256 of all the rest. It tells rot and careless editing; it is no
signature: who means to deceive can write a new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calibration import plain
from .profile import MOST_REFERENCES, WIDTH, Embedded, Identity, Reference, reference_json

ENDING = ".safetensors"
FORMAT = "portrait-loupe identity"
SCHEMA = 1
CROPS = (112, 512)
Tensors = dict[str, NDArray[Any]]


def to_bytes(identity: Identity) -> bytes:
    """The file that holds an identity."""
    from safetensors.numpy import save

    tensors = _tensors(identity)
    texts = _texts(identity)
    return save(tensors, metadata={**texts, "digest": _digest(tensors, texts)})


def content_digest(identity: Identity) -> str:
    """A hash of all that an identity holds but the date and the tool that made it."""
    texts = _texts(identity)
    told = {key: text for key, text in texts.items() if key not in ("created", "tool")}
    return _digest(_tensors(identity), told)


def from_file(path: Path) -> Identity:
    """The identity in a file; ValueError says, as half a sentence, why there is none.

    Only the safetensors library reads it: a pickle is refused unread.
    """
    tensors, texts = _read(path)
    if texts.get("format") != FORMAT:
        raise ValueError("it is a safetensors file, but no identity of Portrait Loupe")
    _check_schema(texts.get("schema", ""))
    told = {key: text for key, text in texts.items() if key != "digest"}
    if texts.get("digest") != _digest(tensors, told):
        raise ValueError("its content does not fit its digest, so it was damaged or changed")
    try:
        return _identity(tensors, texts)
    except (
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ValueError(
            f"its texts and tensors are not those of an identity ({type(error).__name__}: {error})"
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"one of its texts is no JSON ({error})") from None


def _read(path: Path) -> tuple[Tensors, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            texts = dict(file.metadata() or {})
            if texts.get("format") != FORMAT:
                return {}, texts  # it may be a model of many GB
            return {name: file.get_tensor(name) for name in file.keys()}, texts  # noqa: SIM118
    except (SafetensorError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it is damaged or no safetensors file ({error})") from None


def _check_schema(schema: str) -> None:
    if schema == str(SCHEMA):
        return
    if schema.isdecimal() and int(schema) > SCHEMA:
        raise ValueError(
            f"it was saved by a newer Portrait Loupe (schema {schema}, this one reads {SCHEMA}): update the pack"
        )
    raise ValueError(f"its schema is {schema[:40]!r}, this version of the pack reads {SCHEMA}")


def _digest(tensors: Tensors, texts: Mapping[str, str]) -> str:
    """SHA-256 over the texts as sorted JSON and over each tensor: name, type, shape, bytes."""
    digest = hashlib.sha256(json.dumps(dict(texts), sort_keys=True).encode())
    for name in sorted(tensors):
        one = np.ascontiguousarray(tensors[name])
        digest.update(f"\n{name} {one.dtype.str} {one.shape}\n".encode())
        digest.update(one.tobytes())
    return digest.hexdigest()


def _texts(identity: Identity) -> dict[str, str]:
    references = [reference_json(one) for one in identity.references]
    encoders = [
        {"key": key, "encoder": each.encoder, "sha256": each.sha256, "licence": each.licence}
        for key, each in _keys(identity).items()
    ]
    texts = {
        "format": FORMAT,
        "schema": str(SCHEMA),
        "name": identity.name,
        "created": identity.created,
        "tool": identity.tool,
        "consent": identity.consent,
        "impostor_limit": repr(float(identity.limit)),
        "encoders": json.dumps(encoders),
        "references": json.dumps(references, allow_nan=False),
    }
    if identity.calibrations:  # files without any keep their digest
        texts["calibrations"] = plain.to_text(identity.calibrations)
    return texts


def _keys(identity: Identity) -> dict[str, Embedded]:
    """The name of each encoder's tensors: its id; with a part of the hash for a second file of that id."""
    keys: dict[str, Embedded] = {}
    for each in identity.embedded:
        key = f"arcface.{each.encoder}"
        keys[f"{key}.{each.sha256[:16]}" if key in keys else key] = each
    return keys


def _tensors(identity: Identity) -> Tensors:
    tensors: Tensors = {}
    for key, each in _keys(identity).items():
        keep = identity.keep(each)
        tensors[f"{key}.raw"] = each.raw.astype(np.float32)
        tensors[f"{key}.keep"] = keep.astype(np.uint8)
        if keep.any():
            tensors[f"{key}.center"] = identity.center(each).astype(np.float32)
            tensors[f"{key}.norm"] = np.array([identity.norm(each)], np.float32)
            tensors[f"{key}.weight"] = identity.weights(each).astype(np.float32)
    for size in CROPS:
        crops = [getattr(one, f"crop{size}") for one in identity.references]
        if any(crop is not None for crop in crops):
            black = np.zeros((size, size, 3), np.uint8)
            tensors[f"face.aligned{size}"] = np.stack(
                [black if crop is None else crop for crop in crops]
            )
    return {name: np.ascontiguousarray(one) for name, one in (tensors | _figures(identity)).items()}


def _figures(identity: Identity) -> Tensors:
    """What other programs may want of the references; NaN is what nobody knows."""
    kept = identity.kept()
    weight = identity.quality * kept
    if identity.embedded and identity.keep(identity.embedded[0]).any():
        weight = identity.weights(identity.embedded[0])
    boxes = [one.face.box for one in identity.references]
    columns: dict[str, Any] = {
        "quality": identity.quality,
        "weight": weight,
        "keep": kept.astype(np.uint8),
        "kps5": [_five(one) for one in identity.references],
        "bbox": [[box.x, box.y, box.right, box.bottom] for box in boxes],
        "pose": [[_known(one.yaw_deg), _known(one.pitch_deg)] for one in identity.references],
        "blur": [_known(one.blur_px) for one in identity.references],
        "lum": [one.median_luma for one in identity.references],
    }
    return {
        name: column if name == "keep" else np.asarray(column, np.float32)
        for name, column in columns.items()
    }


def _five(one: Reference) -> list[tuple[float, float]]:
    points = list(one.points[:5])
    return points + [(float("nan"), float("nan"))] * (5 - len(points))


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _identity(tensors: Tensors, texts: dict[str, str]) -> Identity:
    told = json.loads(texts["references"])
    if not isinstance(told, list) or not 1 <= len(told) <= MOST_REFERENCES:
        raise ValueError(f"it must hold 1 to {MOST_REFERENCES} faces")
    crops = {size: _crops(tensors, size, len(told)) for size in CROPS}
    references = tuple(
        _reference(one, {size: crops[size][row] if one[f"crop{size}"] else None for size in CROPS})
        for row, one in enumerate(told)
    )
    embedded = tuple(_embedded(tensors, one, len(told)) for one in json.loads(texts["encoders"]))
    return Identity(
        texts["name"],
        references,
        embedded,
        texts["consent"],
        texts["created"],
        texts["tool"],
        _finite(float(texts["impostor_limit"])),
        plain.from_text(texts.get("calibrations", "[]")),
    )


def _embedded(tensors: Tensors, told: Mapping[str, str], count: int) -> Embedded:
    raw = _tensor(tensors, f"{told['key']}.raw", np.float32, (count, WIDTH))
    if not np.isfinite(raw).all():
        raise ValueError(f"its embeddings of {told['encoder']} hold NaN or infinite values")
    if not raw.any():
        raise ValueError(f"its embeddings of {told['encoder']} are all zero")
    return Embedded(
        _text(told["encoder"]), _text(told["sha256"]), _text(told["licence"]), raw.copy()
    )


def _crops(tensors: Tensors, size: int, count: int) -> Any:
    name = f"face.aligned{size}"
    if name not in tensors:
        return [None] * count
    return _tensor(tensors, name, np.uint8, (count, size, size, 3)).copy()


def _tensor(
    tensors: Tensors, name: str, dtype: type[np.generic], shape: tuple[int, ...]
) -> NDArray[Any]:
    if name not in tensors:
        raise ValueError(f"its tensor {name} is missing")
    one = tensors[name]
    if one.dtype != dtype or one.shape != shape:
        raise ValueError(
            f"its tensor {name} must be {np.dtype(dtype).name} of the shape {shape}, it is {one.dtype.name} of {one.shape}"
        )
    return one


def _reference(one: Mapping[str, Any], crops: Mapping[int, Any]) -> Reference:
    for size, crop in crops.items():
        if crop is None and one[f"crop{size}"]:
            raise ValueError(f"its tensor face.aligned{size} is missing")
    forced = one["forced"]
    if forced is not None and not isinstance(forced, bool):
        raise ValueError("a word of the user on a face is neither yes nor no")
    quality = _finite(one["quality"])
    if not 0 < quality <= 1:
        raise ValueError(f"a quality must be above 0 and at most 1, it is {quality:g}")
    points = tuple(_point(point) for point in one["points"])
    width, height = (int(side) for side in one["image_size"])
    eyes = tuple(_point(eye) for eye in one["eyes"])
    if len(eyes) != 2:
        raise ValueError(f"a face must have two eyes, it has {len(eyes)}")
    reference = Reference(
        quality=quality,
        parts={_text(name): _finite(part) for name, part in one["parts"].items()},
        photo_sha256=_text(one["photo_sha256"]),
        eyes=(eyes[0], eyes[1]),
        points=points,
        image_size=(width, height),
        iod_px=_finite(one["iod_px"]),
        yaw_deg=_maybe(one["yaw_deg"]),
        pitch_deg=_maybe(one["pitch_deg"]),
        blur_px=_maybe(one["blur_px"]),
        median_luma=_finite(one["median_luma"]),
        crop112=crops[112],
        crop512=crops[512],
        forced=forced,
    )
    _ = reference.face  # refuses eyes that make no face
    return reference


def _point(pair: Any) -> tuple[float, float]:
    x, y = pair
    return _finite(x), _finite(y)


def _maybe(value: Any) -> float | None:
    return None if value is None else _finite(value)


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise ValueError(f"a number is {str(value)[:40]!r}")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a text is {str(value)[:40]!r}")
    return value
