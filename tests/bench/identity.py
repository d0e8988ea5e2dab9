"""A profile of 12 photos beside insightface's own loop. Needs the extras `test` and `bench`.

taskset -c 0 python tests/bench/identity.py [--threads 1] [--rounds 5]

On one core, for both: onnxruntime has threads of its own, in either as many as there are cores, and
OMP_NUM_THREADS does not bound them.

Both run the same two files: nets as heavy as det_10g and w600k_r50 (10 and 6 thousand million
multiply-adds) that know the drawn faces of tests/onnx_packs.py; no real weights are needed. The
sessions are open before the clock starts. insightface looks once at each photo, at 640 px, and
embeds each face by itself; ours looks in three sizes and four times again at each face, measures its
quality, cuts two crops, rejects impostors and finds the centre. So the detector runs seven times as
often, on canvases of three times the pixels together.
"""

import argparse
import os
import tempfile
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=5)
asked = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(asked.threads)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from harness import helper, load_package, machine, race, table  # noqa: E402

torch.set_num_threads(asked.threads)
load_package()
from portrait_loupe.nodes.framing.find import SCRFD_ONNX, find_faces  # noqa: E402
from portrait_loupe.nodes.identity.encode.arcface import open_encoders  # noqa: E402
from portrait_loupe.nodes.identity.gather import build_identity  # noqa: E402

SIZES = ((1200, 1600), (1600, 1200), (900, 1200), (2400, 3200))


def photos(made):
    """Twelve: one person, 45 to 120 px between the eyes on a canvas of 640 px, turned a little."""
    rng = np.random.default_rng(1)
    for number in range(12):
        width, height = SIZES[number % len(SIZES)]
        scale = max(width, height) / 640
        face = {
            "x": width * rng.uniform(0.4, 0.6), "y": height * rng.uniform(0.4, 0.5),
            "iod": scale * rng.uniform(45, 120), "identity": 3, "roll_deg": rng.uniform(-15, 15),
        }  # fmt: skip
        picture, _ = made.marker_face((width, height), [face])
        yield torch.from_numpy(picture)[None]


def insightface_of(folder):
    from insightface.app import FaceAnalysis

    app = FaceAnalysis(
        name=str(folder / "models" / "buffalo_l"), providers=["CPUExecutionProvider"],
        allowed_modules=["detection", "recognition"],
    )  # fmt: skip
    app.prepare(ctx_id=-1, det_size=(640, 640))
    return app


def main():
    with tempfile.TemporaryDirectory() as place:
        made = helper("onnx_packs")
        folder = made.face_pack(Path(place), load=True)
        twelve = list(photos(made))
        bytes_bgr = [
            np.ascontiguousarray((one[0].numpy()[..., ::-1] * 255).round().astype(np.uint8))
            for one in twelve
        ]
        app = insightface_of(folder)
        folders = {"insightface": [folder], "detection": []}
        encoders = open_encoders([folder], "w600k_r50").encoders
        looked = [find_faces(one, backend=SCRFD_ONNX, folders=folders).faces for one in twelve]

        def theirs():
            found = [app.get(picture)[0].normed_embedding for picture in bytes_bgr]
            return np.mean(found, axis=0)

        def ours():
            faces = [find_faces(one, backend=SCRFD_ONNX, folders=folders).faces for one in twelve]
            return build_identity(twelve, faces, encoders=encoders)

        def found_before():
            return build_identity(twelve, looked, encoders=encoders)

        contestants = {
            "insightface: detect and embed": theirs,
            "ours: find, measure, crop, embed, reject, centre": ours,
            "ours, faces linked from Find Faces": found_before,
            "insightface: detect alone": lambda: [app.det_model.detect(one, (640, 640)) for one in bytes_bgr],
            "ours: find alone": lambda: [find_faces(one, backend=SCRFD_ONNX, folders=folders) for one in twelve],
        }  # fmt: skip
        identity = ours().identity
        same = theirs() / np.linalg.norm(theirs()) @ identity.center(identity.embedded[0])
        medians = race(contestants, asked.rounds)
        print(machine())
        table("A profile of 12 photos", "ours: find, measure, crop, embed, reject, centre", medians)
        print(f"\ncosine of the two centres: {same:.4f}")


main()
