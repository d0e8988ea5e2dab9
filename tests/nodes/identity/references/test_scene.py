from types import SimpleNamespace

import torch

from portrait_loupe.nodes.identity.references.scene import Picture, Scene, picture_of, retold, told


def latent(*shape):
    return torch.zeros(1, 16, *shape)


def test_borders_are_filled_up_to_whole_tokens():
    assert picture_of(latent(7, 9), 2) == Picture(1, (4, 5))
    assert picture_of(latent(7, 9), 1) == Picture(1, (7, 9))
    assert picture_of(latent(3, 8, 10), 2) == Picture(3, (4, 5))
    assert picture_of(latent(3, 8, 10), 2).tokens == 60


def test_a_scene_fills_pictures_up_where_the_model_does():
    found = SimpleNamespace(patch=2, multiple=8)
    scene = Scene.of(latent(8, 10), [latent(6, 8)], found)
    assert (scene.main.tokens, scene.padded(scene.main)) == (20, 24)
    assert [scene.padded(one) for one in scene.references] == [16]
    assert scene == Scene.of(latent(8, 10), [latent(6, 8)], found)  # equal calls share their row
    assert hash(scene) == hash(Scene.of(latent(8, 10), [latent(6, 8)], found))


def test_options_and_references_are_found_wherever_a_model_takes_them():
    options, control = {"wrappers": {}}, {"input": [], "output": []}
    latents = [latent(2, 2)]
    positional = (torch.zeros(1), None, latents, control, options)
    assert told(positional, {}) == (options, latents)
    assert told((), {"transformer_options": options, "ref_latents": latents}) == (options, latents)
    assert told((torch.zeros(1), control), {}) == (None, ())
    assert told((), {"transformer_options": options, "ref_latents": None}) == (options, ())
    own = {"wrappers": {}, "more": 1}
    args, kwargs = retold(positional, {"a": 2}, options, own)
    assert args[4] is own
    assert args[3] is control
    assert args[2] is latents
    assert kwargs == {"a": 2}
    assert (
        retold((), {"transformer_options": options}, options, own)[1]["transformer_options"] is own
    )
