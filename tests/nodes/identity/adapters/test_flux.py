import torch

from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.recognise import recognise


def test_the_layers_stand_after_every_second_double_and_every_fourth_single_block(
    identity_adapters,
):
    tensors = flatten(identity_adapters.build("pulid_flux", image_attention=384))
    layers = recognise(tensors).flux_layers
    double = [("double_block", id) for id in (0, 2, 4, 6, 8, 10, 12, 14, 16, 18)]
    single = [("single_block", id) for id in (0, 4, 8, 12, 16, 20, 24, 28, 32, 36)]
    assert [layer.patch_key for layer in layers] == double + single
    assert [layer.order for layer in layers] == [id for _, id in double] + [
        19 + id for _, id in single
    ]
    for number, layer in enumerate(layers):
        assert layer.heads == 3  # of 128
        for name, value in layer.named.items():
            assert value is tensors[f"pulid_ca.{number}.{name}"]
        assert len(layer.named) == 7
        assert layer.norm1[0].shape == layer.norm1[1].shape == (40,)
        assert layer.norm2[0].shape == layer.norm2[1].shape == (56,)


def test_they_keep_the_files_dtype(identity_adapters):
    tensors = flatten(identity_adapters.build("pulid_flux", dtype=torch.bfloat16))
    for layer in recognise(tensors).flux_layers:
        assert {value.dtype for value in layer.named.values()} == {torch.bfloat16}
