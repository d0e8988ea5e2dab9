"""Tiny face packs that work: an SCRFD and an ArcFace of kilobytes, and the faces that they know.

The marker face is a gray head with two red pupils, a green nose tip and two blue mouth corners, placed as
in the ArcFace template; a gray texture between them is its identity. The detector finds the centres of
the five marks to a fraction of a pixel, turned by up to 20 degrees and with 28 to 220 px between the pupils
on its canvas. The recogniser answers with 512 random projections of the texture.

Loaded by conftest.py, which has the fixtures ``face_pack`` and ``marker_face``.
"""

from pathlib import Path

import numpy as np

# The marks of the upright face, inter-ocular distances from the point midway between the pupils: the
# ArcFace template in units of its eyes' distance, made symmetric.
EYE, NOSE_V, MOUTH_U, MOUTH_V = 0.5, 0.572, 0.414, 1.152
MARKS = np.array(
    [(-EYE, 0), (EYE, 0), (0, NOSE_V), (-MOUTH_U, MOUTH_V), (MOUTH_U, MOUTH_V)], np.float64
)
COLOURS = np.array([(0.75, 0, 0), (0.75, 0, 0), (0, 0.6, 0), (0, 0, 0.9), (0, 0, 0.9)])
MARK_RADIUS = 0.11  # IOD
SKIN = 0.55
AMPLITUDE = 0.14  # of the texture
GRID = 9  # texture cells across 3 IOD
STRIDES = (8, 16, 32)
SIDES = 512
MIX = np.array(
    [0.9, 0.5, -0.2]
)  # of red, green and blue: to take them in the wrong order is an error
GAIN = 0.013  # gives embeddings a norm of about 20, as real ones have
OPSET, IR = 13, 8

PACKS = {  # detector, recogniser
    "buffalo_l": ("det_10g.onnx", "w600k_r50.onnx"),
    "buffalo_m": ("det_2.5g.onnx", "w600k_r50.onnx"),
    "buffalo_s": ("det_500m.onnx", "w600k_mbf.onnx"),
    "buffalo_sc": ("det_500m.onnx", "w600k_mbf.onnx"),
    "antelopev2": ("scrfd_10g_bnkps.onnx", "glintr100.onnx"),
    "auraface": ("scrfd_10g_bnkps.onnx", "glintr100.onnx"),
}


# Faces


def marker_face(size, faces, background=0.35):
    """A picture with marker faces, and where their marks truly are.

    Parameters
    ----------
    size : (width, height), px
    faces : sequence of dict(x, y, iod, identity, roll_deg=0, texture=1)
        ``x, y`` midway between the pupils and ``iod`` in px, pixel ``i`` covering ``[i, i + 1)``;
        ``identity`` an int; ``texture`` how strong it is, 0 for the bare face.

    Returns
    -------
    picture : (H, W, 3), float32, sRGB 0..1
    points : (N, 5, 2), float64, px
    """
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
    picture = np.full((height, width, 3), background, np.float32)
    points = []
    for face in faces:
        turn = np.radians(face.get("roll_deg", 0.0))
        iod = face["iod"]
        c, s = np.cos(turn) / iod, np.sin(turn) / iod
        left, right = (int(np.clip(face["x"] + d * iod, 0, width)) for d in (-3, 3))
        top, bottom = (int(np.clip(face["y"] + d * iod, 0, height)) for d in (-3, 3.5))
        here = (slice(top, bottom), slice(left, right))
        dx, dy = x[here] - face["x"], y[here] - face["y"]
        u, v = c * dx + s * dy, c * dy - s * dx
        skin = SKIN + face.get("texture", 1.0) * AMPLITUDE * _texture(face["identity"], u, v)
        soft = 0.5 / iod + 1e-3
        inside = _disc(np.hypot(u / 1.15, (v - 0.485) / 1.35), 1.0, soft)[..., None]
        painted = picture[here] * (1 - inside) + skin[..., None] * inside
        for (mu, mv), colour in zip(MARKS, COLOURS, strict=True):
            mark = _disc(np.hypot(u - mu, v - mv), MARK_RADIUS, soft)[..., None]
            painted = painted * (1 - mark) + colour.astype(np.float32) * mark
        picture[here] = painted
        turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        points.append(np.array([face["x"], face["y"]]) + iod * MARKS @ turned)
    return picture.clip(0, 1), np.array(points).reshape(-1, 5, 2)


def _disc(distance, radius, soft):
    return np.clip((radius - distance) / (2 * soft) + 0.5, 0, 1).astype(np.float32)


def _texture(identity, u, v):
    """Smooth noise of one identity, about -1..1, at the face's own coordinates."""
    cells = np.random.default_rng(1000 + identity).uniform(-1, 1, (GRID + 2, GRID + 2))
    gx, gy = ((np.clip(place, -1.5, 1.5) + 1.5) / 3 * GRID for place in (u, v - 0.485))
    ix, iy = np.floor(gx).astype(int), np.floor(gy).astype(int)
    fx, fy = gx - ix, gy - iy
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    above = cells[iy, ix] * (1 - fx) + cells[iy, ix + 1] * fx
    below = cells[iy + 1, ix] * (1 - fx) + cells[iy + 1, ix + 1] * fx
    return (above * (1 - fy) + below * fy).astype(np.float32)


# Files


def face_pack(folder, name="buffalo_l", *, load=False, nested=False, **variant):
    """Write ``<folder>/models/<name>/`` with a detector and a recogniser; returns ``folder``.

    Parameters
    ----------
    folder : Path
        As ComfyUI's ``models/insightface``.
    name : str
        One of ``PACKS``; any other name gets the files of antelopev2.
    load : bool
        Makes the nets as heavy as the real ones (10 and 6 thousand million multiply-adds) with the same
        answers.
    nested : bool
        One folder too deep, as antelopev2's zip unpacks.
    **variant
        ``scrfd``'s and ``arcface``'s own: ``side``, ``batched``, ``points``; ``subtracts``, ``batch``, ``names``.
    """
    detector, recogniser = PACKS.get(name, PACKS["antelopev2"])
    place = Path(folder, "models", name, name if nested else "")
    place.mkdir(parents=True, exist_ok=True)
    of_detector = {key: variant.pop(key) for key in ("side", "batched", "points") if key in variant}
    scrfd(place / detector, load=load, **of_detector)
    # buffalo_l and buffalo_m hold the same recogniser; AuraFace's space is its own
    seed = sum(map(ord, "auraface" if "auraface" in name.lower() else recogniser))
    arcface(place / recogniser, seed=seed, load=load, **variant)
    return Path(folder)


def scrfd(file, *, side=None, batched=False, points=True, load=False):
    """Write a detector that finds marker faces.

    Parameters
    ----------
    file : Path
    side : int or None
        The only size of canvas it takes, px; None: any multiple of 32.
    batched : bool
        Whether its outputs have a leading batch dimension.
    points : bool
        Whether it tells the five points: 9 outputs, else 6.
    """
    graph = _Graph()
    moments = _moments(graph)
    idle = graph.idle("input", 3, pool=8, channels=64, layers=42) if load else None
    heads = [_level(graph, moments, stride, batched, idle) for stride in STRIDES]
    kinds = (("score", 1), ("bbox", 4), ("kps", 10))[: 3 if points else 2]
    lead = [1] if batched else []
    outputs = [
        (heads[level][kind], f"{name}_{stride}", [*lead, None, width])
        for kind, (name, width) in enumerate(kinds)
        for level, stride in enumerate(STRIDES)
    ]
    graph.save(file, [1, 3, side, side], outputs)


def arcface(
    file, *, seed=0, subtracts=False, batch=None, names=("Sub", "Mul"), before=0, load=False
):
    """Write a recogniser: 512 random projections of a crop made small, 0 for the bare marker face.

    Parameters
    ----------
    file : Path
    seed : int
        Another one is another space of embeddings.
    subtracts : bool
        Whether it takes 0..255 and scales it itself, in nodes called ``names`` + a number.
    batch : int or None
        The only number of crops it takes; None: any.
    before : int
        Idle nodes before those two: from 7 on insightface overlooks the second.
    """
    graph = _Graph()
    pixels = "input"
    for _ in range(before):
        pixels = graph("Identity", pixels)
    if subtracts:
        pixels = graph("Sub", pixels, graph.constant(127.5), name=f"{names[0]}_0")
        pixels = graph("Mul", pixels, graph.constant(1 / 127.5), name=f"{names[1]}_1")
    gray = graph.conv(pixels, np.reshape(MIX, (1, 3, 1, 1)))
    small = graph("Flatten", graph("AveragePool", gray, kernel_shape=[8, 8], strides=[8, 8]))
    # Bytes, so that the file is small; with a mean of 0, so that brightness alone is nothing.
    weight = np.random.default_rng(seed).integers(-96, 97, (SIDES, 14 * 14))
    weight -= weight.mean(1, keepdims=True).round().astype(int)
    stored = graph("Cast", graph.constant(weight, np.int8), to=1)
    bare = ((2 * _bare_crop() - 1) @ MIX).reshape(14, 8, 14, 8).mean((1, 3)).reshape(-1)
    bias = graph.constant(-GAIN * weight @ bare)
    told = graph("Gemm", small, stored, bias, transB=1, alpha=GAIN)
    if load:
        told = graph("Add", told, graph.idle(pixels, 3, pool=4, channels=128, layers=52))
    graph.save(file, [batch, 3, 112, 112], [(told, "embedding", [batch, SIDES])])


def _bare_crop():
    """The marker face without texture, as it stands in an aligned crop, (112, 112, 3)."""
    left, right = np.array([38.2946, 51.6963]) + 0.5, np.array([73.5318, 51.5014]) + 0.5
    (x, y), (dx, dy) = (left + right) / 2, right - left
    face = {"x": x, "y": y, "iod": np.hypot(dx, dy), "roll_deg": np.degrees(np.arctan2(dy, dx))}
    return marker_face((112, 112), [{**face, "identity": 0, "texture": 0}])[0].astype(np.float64)


# Nets

RED, GREEN, BLUE = range(3)  # mass of the marks of a colour; + 3 its moment along x, + 6 along y


def _moments(graph):
    """How much of each colour every 8x8 px hold, and its moments: 9 channels."""
    # A colour is what it has more than the other two together: no gray, and little else, has any.
    weight = (2 * np.eye(3) - 1)[:, :, None, None]
    mass = graph("Relu", graph.conv("input", weight, np.full(3, -127.5 / 128 - 0.15)))
    x, y = graph.places(mass)
    every = graph("Concat", mass, graph("Mul", mass, x), graph("Mul", mass, y), axis=1)
    return graph("AveragePool", every, kernel_shape=[8, 8], strides=[8, 8])


def _level(graph, moments, stride, batched, idle):
    """Scores, box distances and point distances of one stride, two anchors a cell, in strides."""
    if stride > STRIDES[0]:
        shrink = [stride // STRIDES[0]] * 2
        moments = graph("AveragePool", moments, kernel_shape=shrink, strides=shrink)
    column = np.arange(-4, 5)[None, :] + np.zeros((9, 1))
    near = (abs(column) <= 1) & (abs(column.T) <= 1)
    left, right, middle = (graph.window(moments, shape) for shape in (column < 0, column > 0, near))
    around = graph.window(moments, np.ones((11, 11)))
    cells = [
        graph("Mul", place, graph.constant(stride)) for place in graph.places(moments, channels=1)
    ]

    def centre(window, colour):
        """x and y of a colour's middle from the anchor, in strides."""
        mass = graph("Add", graph.pick(window, colour), graph.constant(1e-6))
        for moment, cell in zip((3, 6), cells, strict=True):
            place = graph("Div", graph.pick(window, colour + moment), mass)
            yield graph("Div", graph("Sub", place, cell), graph.constant(stride))

    points = [
        place
        for window, colour in (
            (left, RED), (right, RED), (middle, GREEN), (left, BLUE), (right, BLUE)
        )
        for place in centre(window, colour)
    ]  # fmt: skip
    logit = _logit(graph, left, right, middle, around, moments, points)
    if idle is not None:
        logit = graph("Add", logit, idle)
    second = graph("Sub", logit, graph.constant(1.5))
    scores = graph("Sigmoid", graph("Concat", logit, second, axis=1))
    boxes = graph("Concat", *(2 * _box(graph, points)), axis=1)
    points = graph("Concat", *(2 * points), axis=1)
    told = ((scores, 1), (boxes, 4), (points, 10))
    return [graph.rows(values, width, batched) for values, width in told]


def _logit(graph, left, right, middle, around, own, points):
    """What the worst of the conditions leaves of the certainty."""

    def share(part, whole):
        return graph("Div", part, graph("Add", whole, graph.constant(1e-6)))

    def margin(value, least, gain):
        return graph("Mul", graph("Sub", value, graph.constant(least)), graph.constant(gain))

    margins = [
        margin(share(graph.pick(own, GREEN), graph.pick(middle, GREEN)), 0.15, 3),
        margin(graph.pick(middle, GREEN), 0.1, 2),
        margin(graph("Sub", points[5], points[1]), 0.5, 1),  # the eyes above the nose
        margin(graph("Sub", points[7], points[5]), 0.5, 1),  # the mouth below
    ]
    for colour in (RED, BLUE):
        sides = [graph.pick(window, colour) for window in (left, right)]
        both = graph("Add", *sides)
        margins += [
            margin(share(both, graph.pick(around, colour)), 0.9, 3),  # nothing cut, nobody else's
            margin(share(graph("Min", *sides), both), 0.3, 1.5),
            margin(both, 0.2, 1),
        ]
    return margin(graph("Min", *margins), 0.1, 20)


def _box(graph, points):
    """Distances to the left, top, right and bottom of a box of 2.24 x 2.69 IOD."""
    wide = graph("Max", graph("Sub", points[2], points[0]), graph.constant(0.5))
    nose_x, nose_y = points[4:6]

    def reach(size):
        return graph("Mul", wide, graph.constant(size))

    return [
        graph("Sub", reach(1.12), nose_x),
        graph("Sub", reach(1.432), nose_y),
        graph("Add", reach(1.12), nose_x),
        graph("Add", reach(1.258), nose_y),
    ]


class _Graph:
    """An ONNX graph that grows by calls: ``graph("Relu", name)`` adds a node and names its output."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def __call__(self, kind, *inputs, name=None, **attributes):
        from onnx import helper

        output = f"v{len(self.nodes)}"
        name = name or f"n{len(self.nodes)}_{kind}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=name, **attributes))
        return output

    def constant(self, values, dtype=np.float32):
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def conv(self, values, weight, bias=None, **attributes):
        inputs = [self.constant(part) for part in (weight, bias) if part is not None]
        return self("Conv", values, *inputs, **attributes)

    def pick(self, values, channel):
        return self("Gather", values, self.constant([channel], np.int64), axis=1)

    def window(self, moments, shape):
        """The sum of every channel over the cells of a window, (9, 9) or (11, 11)."""
        weight = np.broadcast_to(shape, (9, 1, *shape.shape))
        return self.conv(moments, weight, group=9, pads=[shape.shape[0] // 2] * 4)

    def places(self, values, channels=None):
        """Maps of x and y, counted from 0, as wide as ``values``."""
        if channels:
            values = self.pick(values, 0)
        zero = self("Mul", values, self.constant(0))
        ones = self("Add", zero, self.constant(1))
        for axis in (3, 2):
            count = self("CumSum", ones, self.constant(axis, np.int64))
            yield self("Sub", count, self.constant(1))

    def rows(self, values, width, batched):
        """(1, anchors x width, h, w) as the list of all anchors, row by row."""
        last = self("Transpose", values, perm=[0, 2, 3, 1])
        shape = [1, -1, width] if batched else [-1, width]
        return self("Reshape", last, self.constant(shape, np.int64))

    def idle(self, values, depth, *, pool, channels, layers):
        """0, after much work: layers of 3x3 convolutions that share their weights."""
        rng = np.random.default_rng(7)
        values = self("AveragePool", values, kernel_shape=[pool, pool], strides=[pool, pool])
        first = rng.normal(size=(channels, depth, 1, 1)) / np.sqrt(depth)
        values = self.conv(values, first)
        # A little below sqrt(2), which would keep the variance: it must not grow
        shared = self.constant(rng.normal(size=(channels, channels, 3, 3)) / np.sqrt(5 * channels))
        for _ in range(layers):
            values = self("Relu", self("Conv", values, shared, pads=[1] * 4))
        return self("Mul", self("ReduceMean", values, keepdims=0), self.constant(0))

    def save(self, file, shape, outputs):
        """Write it; ``outputs`` are (value, name, shape), None standing for any length."""
        import onnx
        from onnx import TensorProto, helper

        def info(name, sides):
            sides = ["?" if side is None else side for side in sides]
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)

        for value, name, _ in outputs:
            self.nodes.append(helper.make_node("Identity", [value], [name], name=f"out_{name}"))
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [info("input", shape)],
            [info(name, sides) for _, name, sides in outputs],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR
        onnx.checker.check_model(model)
        onnx.save(model, str(file))
