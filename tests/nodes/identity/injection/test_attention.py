import math

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.identity.injection.attention import attend, by_prompt


def explicit(q, k, v, heads):
    """softmax written out in float64, one head and one picture at a time."""
    out = torch.zeros(q.shape, dtype=torch.float64)
    width = q.shape[-1] // heads
    for picture in range(len(q)):
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            rows, keys, values = (x[picture, :, part].double() for x in (q, k, v))
            logits = torch.einsum("nd,td->nt", rows, keys) / math.sqrt(width)
            power = torch.exp(logits - logits.amax(1, keepdim=True))
            out[picture, :, part] = torch.einsum("nt,td->nd", power, values) / power.sum(
                1, keepdim=True
            )
    return out


@pytest.mark.parametrize(
    ("pictures", "tokens", "identity", "heads", "width"), [(1, 1, 1, 1, 1), (3, 35, 4, 5, 8), (2, 17, 16, 3, 7)]
)  # fmt: skip
def test_attention_is_a_softmax_over_the_identitys_tokens(pictures, tokens, identity, heads, width):
    q = torch.randn(pictures, tokens, heads * width)
    k, v = torch.randn(2, pictures, identity, heads * width)
    # float32 sums of at most 35 products of numbers around 1
    assert_close(attend(q, k, v, heads), explicit(q, k, v, heads).float(), atol=1e-5, rtol=1e-5)


def test_each_part_of_a_batch_gets_what_its_prompt_says():
    positive, negative = torch.tensor([[1.0]]), torch.tensor([[-1.0]])
    assert by_prompt(positive, negative, [0, 1], 4)[:, 0].tolist() == [1, 1, -1, -1]
    assert by_prompt(positive, negative, [1, 0], 4)[:, 0].tolist() == [-1, -1, 1, 1]
    assert by_prompt(positive, negative, [0], 3)[:, 0].tolist() == [1, 1, 1]
    assert by_prompt(positive, negative, [1], 2)[:, 0].tolist() == [-1, -1]
    assert by_prompt(positive, negative, [0, 0, 1], 3)[:, 0].tolist() == [1, 1, -1]
    assert by_prompt(positive, negative, None, 2)[:, 0].tolist() == [1, 1]
    assert by_prompt(positive, negative, [2], 1)[:, 0].tolist() == [1]


def test_a_batch_of_identities_goes_picture_by_picture():
    positive, negative = torch.tensor([[1.0], [2.0]]), torch.tensor([[-1.0], [-2.0]])
    assert by_prompt(positive, negative, [1, 0], 6)[:, 0].tolist() == [-1, -2, -1, 1, 2, 1]


def test_a_batch_that_is_no_whole_number_of_prompts_is_refused():
    with pytest.raises(RuntimeError, match="a batch of 3 cannot be 2 prompts"):
        by_prompt(torch.zeros(1, 1), torch.zeros(1, 1), [0, 1], 3)
