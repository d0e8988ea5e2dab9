"""A node that gives FACE_LANDMARKS as core's MediaPipeFaceLandmarker does, without its weights.

The structure is that of ComfyUI's ``nodes_mediapipe.py``: a frame for each picture, a dictionary for
each face, and the connections between the points. The points lie on an ellipse around two irises.
"""

import math

import torch


class RecordedLandmarks:
    CATEGORY = "tests"
    FUNCTION = "record"
    RETURN_TYPES = ("FACE_LANDMARKS",)

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"image": ("IMAGE",), "eyes": ("STRING", {"default": "200,200 280,210"})}
        }

    def record(self, image, eyes):
        left, right = (tuple(map(float, point.split(","))) for point in eyes.split())
        height, width = image.shape[1:3]
        face = mesh(left, right)
        frames = [[face] for _ in image]
        ring = frozenset((10 + i, 10 + (i + 1) % 36) for i in range(36))
        return (
            {
                "frames": frames,
                "image_size": (height, width),
                "connection_sets": {"face_oval": ring},
            },
        )


def mesh(left, right):
    """A face of 478 points: the first 468 around an oval, then five for each iris, as core orders them."""
    ux, uy = right[0] - left[0], right[1] - left[1]
    cx, cy = (left[0] + right[0]) / 2, (left[1] + right[1]) / 2
    points = []
    for i in range(468):
        turn = 2 * math.pi * i / 36
        u, v = 1.145 * math.sin(turn), 0.485 - 1.345 * math.cos(turn)
        points.append((cx + u * ux - v * uy, cy + u * uy + v * ux))
    for centre in (left, right):
        points.append(centre)
        points += [
            (centre[0] + dx, centre[1] + dy) for dx, dy in ((3, 0), (0, -3), (-3, 0), (0, 3))
        ]
    xy = torch.tensor(points, dtype=torch.float32).numpy()
    xs, ys = xy[:, 0], xy[:, 1]
    return {
        "bbox_xyxy": (float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())),
        "landmarks_xy": xy,
        "landmarks_3d": torch.cat([torch.from_numpy(xy), torch.zeros(len(xy), 1)], 1).numpy(),
        "presence": 0.99,
        "score": 0.97,
        "blendshapes": {},
        "transformation_matrix": torch.eye(4).numpy(),
    }


NODE_CLASS_MAPPINGS = {"RecordedLandmarks": RecordedLandmarks}
