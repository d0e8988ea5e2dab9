import pytest
import torch

from portrait_loupe.nodes.identity.adapters.flatten import flatten

ONE = torch.ones(2)


def test_nested_and_flat_are_the_same_dictionary():
    nested = {"image_proj": {"proj.0.weight": ONE}, "ip_adapter": {"1": {"to_k_ip.weight": ONE}}}
    flat = {"image_proj.proj.0.weight": ONE, "ip_adapter.1.to_k_ip.weight": ONE}
    assert flatten(nested).keys() == flatten(flat).keys() == flat.keys()


def test_the_training_scripts_names_become_the_published_ones():
    found = flatten({"image_proj_model": {"latents": ONE}, "adapter_modules.1.to_k_ip.weight": ONE})
    assert list(found) == ["image_proj.latents", "ip_adapter.1.to_k_ip.weight"]


def test_a_tensor_keeps_its_storage_and_dtype_and_loses_its_gradient():
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.float16))
    (found,) = flatten({"a": weight}).values()
    assert found.data_ptr() == weight.data_ptr()
    assert found.dtype == torch.float16
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("loaded", "said"),
    [
        ({"a": {"epoch": 3}}, r"a\.epoch is a int"),
        ({"a": [ONE]}, "a is a list"),
        ([ONE], "the file is a list"),
        ({"a": {1: ONE}}, "a holds the key 1, a int"),
        ({"a": {"b": ONE}, "a.b": ONE}, "two tensors called a.b"),
        ({"ip_adapter.1": ONE, "adapter_modules.1": ONE}, "two tensors called ip_adapter.1"),
        ({}, "holds no tensor"),
        ({"a": {}}, "holds no tensor"),
    ],
)
def test_what_is_no_dictionary_of_tensors_is_refused_by_name(loaded, said):
    with pytest.raises(ValueError, match=said):
        flatten(loaded)


def test_a_dictionary_in_itself_comes_to_an_end():
    turning = {}
    turning["a"] = turning
    with pytest.raises(ValueError, match="a stands in the file twice"):
        flatten(turning)


def test_one_dictionary_in_many_places_is_refused_before_it_is_read_for_hours():
    inner = {}
    for _ in range(6):
        inner = {str(number): inner for number in range(20)}
    with pytest.raises(ValueError, match="stands in the file twice"):
        flatten({"image_proj": inner})
