"""Crop and Stitch as a host calls them."""

import pytest
import torch
import torch.nn.functional as F

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.framing.node_crop import Crop
from portrait_loupe.nodes.framing.node_stitch import Stitch
from portrait_loupe.nodes.framing.plan import plan_crops

EYES = ((223.0, 193.5), (305.0, 189.5))


@pytest.fixture(scope="module")
def plan():
    faces = Faces((512, 600), ((Face(EYES),),), "typed")
    return plan_crops(faces, "CU close-up", "custom", megapixels=0.25, level_eyes=True)


def test_crop_gives_the_crop_and_both_masks_at_the_models_size(hopper, plan):
    crop, sampling, stitched = Crop.execute(hopper, plan).args
    width, height = plan.output_size
    assert crop.shape == (1, height, width, 3)
    assert sampling.shape == stitched.shape == (1, height, width)
    assert ((stitched > 0) <= (sampling > 0)).all()
    for eye in EYES:
        u, v = plan.to_output(0, eye)
        assert stitched[0, int(v), int(u)] == 1


def test_the_users_mask_and_margins_reach_the_masks(hopper, plan):
    mask = torch.zeros(1, 600, 512)
    mask[:, 180:220, 200:240] = 1
    _, sampling, stitched = Crop.execute(hopper, plan, mask=mask, feather=0.0).args
    assert float(sampling.sum()) == pytest.approx(1600 * plan.scales[0] ** 2, rel=0.02)
    assert set(stitched.unique().tolist()) == {0.0, 1.0}
    wide, narrow = (Crop.execute(hopper, plan, grow=grow).args[1].sum() for grow in (0.5, 0.0))
    assert wide > narrow


def test_crop_edit_and_stitch_change_nothing_but_the_face(hopper, plan):
    """The whole chain, with an edit that shifts the tone as a VAE does and paints on the cheek."""
    crop, _, mask = Crop.execute(hopper, plan).args
    back = Stitch.execute(hopper, crop, plan, "auto", 0.25, stitch_mask=mask)
    assert torch.equal(back.args[0], hopper)
    edited = (crop + 3 / 255).clamp(0, 1)
    u, v = (int(c) for c in plan.to_output(0, (264, 230)))
    edited[:, v - 10 : v + 10, u - 10 : u + 10] = 0.0
    done = Stitch.execute(hopper, edited, plan, "auto", 0.25, stitch_mask=mask)
    picture, changed, report = done.args
    assert done.ui == {"loupe_report": [report]}
    assert "tone shift taken off: +" in report
    assert torch.equal(picture[changed == 0], hopper[changed == 0])
    assert float(picture[0, 230, 264].max()) < 0.1
    assert float((picture - hopper)[0, 250:280, 300:310].abs().mean()) < 1.0 / 255


def test_without_a_linked_mask_the_face_is_stitched_with_the_nodes_own_feather(hopper, plan):
    crop, _, mask = Crop.execute(hopper, plan).args
    edited = 1 - crop
    linked = Stitch.execute(hopper, edited, plan, "exact", 1.0, stitch_mask=mask).args[0]
    assert torch.equal(Stitch.execute(hopper, edited, plan, "exact", 0.25).args[0], linked)
    assert not torch.equal(Stitch.execute(hopper, edited, plan, "exact", 0.1).args[0], linked)


def test_null_edit_takes_the_vae_or_the_crop_that_went_through_it(hopper, plan):
    class Vae:
        def encode(self, pixels):
            return pixels

        def decode(self, samples):
            planes = F.avg_pool2d(samples.movedim(-1, 1), 3, 1, 1, count_include_pad=False)
            return planes.movedim(1, -1) * 0.98

    crop = Crop.execute(hopper, plan).args[0]
    through = Vae().decode(crop)
    for linked in ({"vae": Vae()}, {"unedited": through}):
        assert torch.equal(
            Stitch.execute(hopper, through, plan, "null_edit", 0.25, **linked).args[0], hopper
        )
    with pytest.raises(ValueError, match="null_edit needs the VAE"):
        Stitch.execute(hopper, through, plan, "null_edit", 0.25)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.rand(0, 600, 512, 3), "the batch is empty"),
        (torch.full((1, 600, 512, 3), float("nan")), "NaN"),
        (torch.rand(1, 1, 1, 3), "1x1"),
        ("picture", "must be a picture"),
    ],
    ids=["empty", "nan", "one pixel", "text"],
)
def test_bad_pictures_are_refused(hopper, plan, image, words):
    crop = Crop.execute(hopper, plan).args[0]
    with pytest.raises(ValueError, match=words):
        Crop.execute(image, plan)
    with pytest.raises(ValueError, match=words):
        Stitch.execute(image, crop, plan, "auto", 0.25)


def test_what_is_no_plan_is_refused(hopper):
    with pytest.raises(ValueError, match="plan must come from Plan Crop"):
        Crop.execute(hopper, "plan")
    with pytest.raises(ValueError, match="plan must come from Plan Crop"):
        Stitch.execute(hopper, hopper, None, "auto", 0.25)


def test_old_workflows_of_crop_still_fit():
    """Its first inputs and its first output are as they were, and none that came later is asked for."""
    schema = Crop.define_schema()
    assert [one.id for one in schema.inputs[:2]] == ["image", "plan"]
    assert all(one.optional for one in schema.inputs[2:])
    assert next(iter(schema.outputs)).id == "crop"
