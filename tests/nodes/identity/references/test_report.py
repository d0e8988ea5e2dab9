from types import SimpleNamespace

from portrait_loupe.nodes.identity.references.apply import Weighed
from portrait_loupe.nodes.identity.references.family import FAMILIES, Found
from portrait_loupe.nodes.identity.references.report import weighed_words
from portrait_loupe.nodes.identity.references.scene import Picture
from portrait_loupe.nodes.identity.references.settings import Settings
from portrait_loupe.nodes.identity.references.weights import Weights


def told(settings=None, family="Flux", own="", references=2, **chosen):
    weighed = Weighed(
        model=SimpleNamespace(),
        found=Found(FAMILIES[family], 2, 1, 0, own),
        weights=Weights(1.0, {0: 0.5}),
        references=(Picture(1, (48, 64)), Picture(1, (64, 64)))[:references],
        acts=chosen.pop("acts", True),
        region_share=chosen.pop("region_share", None),
        reference_shares=chosen.pop("reference_shares", ()),
        several=chosen.pop("several", False),
    )
    return weighed_words(weighed, settings or Settings()).splitlines()


def test_each_reference_has_its_size_and_its_weight():
    assert told() == [
        "Flux: 2 references",
        "reference 1: 64 x 48 tokens, weight 0.5",
        "reference 2: 64 x 64 tokens, weight 1",
        "when: all of sampling",
    ]
    lines = told(Settings(size_invariant=True), references=1)
    assert lines[0] == "Flux: 1 reference"
    assert lines[1] == "reference 1: 64 x 48 tokens, weight 0.5 x 4096 / 3072 = 0.667"


def test_where_and_when_are_told():
    lines = told(
        Settings(start=0.2, fade_in=0.1),
        region_share=0.125,
        reference_shares=(0.5, 0.25),
        several=True,
    )
    assert lines[1].endswith("weight 0.5, within its region, 50.0 % of it")
    assert lines[2].endswith("weight 1, within its region, 25.0 % of it")
    assert lines[3].startswith("where: for the region of the new picture, 12.5 % of it")
    assert lines[4].startswith(
        "when: from 20 % to 100 % of sampling, coming over 10 % and going over 0 %"
    )
    assert "the first is weighed as reference 1" in lines[5]


def test_what_no_weight_reaches_is_told():
    assert (
        "the text encoder has seen the references too"
        in told(family="QwenImageTransformer2DModel")[-1]
    )
    assert "SigLIP" in told(family="NextDiT")[-1]
    assert "another pack's NunchakuQwen" in told(own="NunchakuQwen")[-1]
    assert told(acts=False)[-1] == "nothing is weighed: the model is as it was"
