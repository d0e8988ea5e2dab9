"""Which words of a prompt count."""

import pytest

from portrait_loupe.nodes.identity.audit.emphasis import Segment, read_emphasis
from portrait_loupe.nodes.identity.audit.terms import Lexicon, Term, own_terms
from portrait_loupe.nodes.identity.audit.wording import ages_said, find_terms, listed_terms

OWN = Lexicon(tuple(own_terms().values()))


def said(prompt, lexicon=OWN, **keywords):
    return {h.term.text: h for h in find_terms(read_emphasis(prompt), lexicon, **keywords)}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("anime girl", {"anime"}),
        ("animation studio", set()),
        ("ANIME", {"anime"}),
        ("an oil_painting of a cat", {"oil painting"}),
        ("oil-painting", {"oil painting"}),
        ("oil, painting", set()),
        ("two sunglasses, two masks, cities", {"sunglasses", "mask"}),
        ("caricatures", {"caricature"}),
        ("unmasked", set()),
        ("old women", {"old woman"}),
        ("full body shot", {"full body shot"}),
        ("beautiful detailed face", {"beautiful detailed face"}),
        ("a mask on the face, face mask", {"mask", "face mask"}),
        ("a Korean woman in a Japanese garden", {"korean"}),
        ("hair over one eye", {"hair over one eye"}),
        ("from behind, looking back", {"from behind", "looking back"}),
        ("", set()),
        ("a plain portrait photo, 85 mm, soft window light, detailed skin pores", set()),
    ],
)
def test_whole_words_plurals_and_the_longest_match(prompt, expected):
    assert set(said(prompt)) == expected


ORDINARY = """
portrait of a woman by a window, soft natural light, natural beauty, 85mm f/1.8
a man drinking a glass of wine in a Paris bistro, candlelight, 50mm
mask of light across her face, venetian blinds, film still
a street in the old town of Prague at dusk, a woman with an umbrella
a young tree in front of a farmhouse, an old farmer leaning on it
a mechanic leaning on the hood of a car, garage light
portrait of a chef, studio backdrop, Hasselblad, Profoto beauty dish
a woman in a white linen shirt, golden hour, backlit hair, wheat field
photo of a lawyer in an office, the city skyline blurred behind
a boy scout leader, forty years old, in a national park
a child's drawing pinned on the wall behind the teacher
a black leather jacket and white t-shirt, street portrait
a French bulldog on the lap of a woman on a sofa
Italian restaurant, a waiter with a tray
a bride with her bouquet, soft veil of mist over the lake
running shoes hanging over the shoulder of an athlete, locker room portrait
a dancing flame lights the face of a camper
a robot vacuum on the floor, a mother on the sofa with a coffee
a monster truck driver leaning against the wheel
alien landscape of Iceland, a hiker in a red jacket
photo by the river, taken by a friend
a statue behind the tourist, Rome, midday sun
comic book shop owner behind the counter
a graffiti wall behind a rapper, night, flash
a sketch pad in the hand of an architect
studio headshot of a CEO, sharp focus, wrinkled linen jacket
a bald eagle on the glove of a falconer
a cartoonist at his desk, Tokyo
a tiny gold necklace, close portrait, freckles
a miniature painter at his bench, magnifying lamp
a hat shop in London, the owner at the till
a bottle cap opener in hand, bartender portrait
headphones around his neck, DJ in a record store
portrait of an actress, played by natural light and shadow
a tall glass building, rendered concrete wall, architect portrait
a robotics engineer in a lab coat, soft key light
a kid goat in the arms of a shepherd
a baby blue sweater, portrait of a student
baby grand piano and its tuner
aged whiskey in a tumbler, portrait of a distiller
a 20 year old car, its owner polishing it
portrait of a soldier, steel helmet under his arm
silhouette of the city behind her, rooftop portrait
twin engine plane, pilot in front of it
engraving on the ring, hands of a jeweller and his face
beautiful woman, detailed eyes, cinematic, volumetric light
photograph in the style of a fashion magazine
Corporate headshot of a woman in a charcoal blazer, grey seamless backdrop, softbox from camera left, 85mm f/4
Street portrait of a courier in Shibuya at night, wet asphalt, neon reflections, 35mm f/1.4, Kodak Portra 800
Editorial beauty portrait, clean skin, single beauty dish, black background, 100mm macro, f/8
A pianist at a Steinway, hands on the keys, warm tungsten light, concert hall behind
A surfer with wet hair walks out of the sea, salt on his cheeks, hard morning light
Father holding his newborn daughter, hospital window light, tender, documentary
A chef plating food, steam rising, stainless steel kitchen, shallow depth of field
Film photo of a man in a phone booth at night, Cinestill 800T, halation
Portrait of a carpenter in his workshop, sawdust in the air, light shafts, leather apron
A barista pours latte art, wooden counter, morning light through the window
Fashion shoot in the desert, flowing silk dress, low sun, telephoto compression
Sports portrait of a boxer with hand wraps, sweat on his face, hard rim lights, dark gym
A ballet dancer ties her shoes backstage, mirror bulbs in the background
Family of four on a beach at golden hour, walking towards the camera
A scientist looks into a microscope, blue light from a monitor on her face
Motorcyclist beside his bike, helmet in hand, mountain road, evening
A violin maker holds an instrument to the light, workshop, Rembrandt lighting
Portrait of a teacher in front of a blackboard with chalk drawings
Musician with an acoustic guitar on a porch in Nashville, denim jacket
Woman reading a newspaper in a Vienna coffee house, reflections in the glass
A climber with chalk on his hands looks at the route, natural rock wall
Portrait of a nurse after her shift, soft window light, honest expression
Passport style photo, neutral expression, white background, even light
Selfie of two sisters at a festival, glitter on cheeks, sunset
LinkedIn profile picture of a software engineer, friendly smile, office background blurred
Man in a black turtleneck against a white wall, high contrast, medium format, Phase One
A train conductor on the platform, steam engine in the background
Close-up of a woman with freckles and green eyes, natural makeup, overcast light
Cinematic still, detective in a trench coat under a street lamp, rain, anamorphic lens
Analog photo of friends around a campfire, sparks, faces lit by the flames
Portrait of a young doctor, stethoscope, clinic hallway, soft focus background
Maternity portrait, hands on belly, sheer curtain light, high key
Boudoir portrait, silk robe, morning light, soft shadows
A priest in a stone church, light from a stained glass window
Kodak Tri-X portrait of a coal miner, soot, headlamp
Paparazzi style flash photo of a woman leaving a car
Christmas portrait by the tree, fairy lights bokeh, knitted sweater
Portrait through a rainy window, drops on the glass, reflections
Drone photo of a hiker on a ridge, clouds below
Product photo of a perfume bottle held by a model, manicured hand
Portrait of a tailor with a tape measure around his neck, Savile Row
1970s style snapshot, faded colors, man leaning on a Cadillac
Photojournalism, farmer in a drought field, cracked earth, noon light
Golden retriever licks the face of a boy, backyard, summer
Portrait of an astronaut in a training suit, helmet off, hangar
Natural beauty, no makeup, dewy skin, overcast window light, 50mm
Car interior portrait, dashboard light, city lights through the windshield
A model in a mirrored room, multiple reflections, editorial
A young man with an Afro, denim shirt, yellow backdrop, studio strobe
Portrait of a glassblower, glowing molten glass, dark studio
Hasselblad X2D portrait of a sculptor in her studio, clay on her hands, north light
A street musician plays the accordion on the old bridge in Heidelberg
An Icelandic wool sweater, misty moor, woman with wind in her hair
Rooftop party at dusk, woman with a cocktail, skyline bokeh
Tailor-made suit, man adjusts his cufflinks, hotel room
"""  # fmt: skip


@pytest.mark.parametrize("prompt", ORDINARY.strip().splitlines())
def test_ordinary_photographs_are_left_alone(prompt):
    """Things that only share a word with a style, a creature, a child or a cover of the face."""
    assert said(prompt) == {}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("woman, mosaic", {"mosaic"}),
        ("(mosaic:1.2), woman", {"mosaic"}),
        ("mosaic portrait", {"mosaic"}),
        ("a mosaic floor", set()),
        ("behind her a mosaic, dusk", set()),
        ("robot woman", {"robot"}),
        ("blurry", {"blurry"}),
        ("blurry background", set()),
        ("blurry face", {"blurry"}),
        ("wearing a cap", {"cap"}),
        ("wearing sunglasses", {"sunglasses"}),
        ("sunglasses on her head", set()),
        ("a child on a swing", {"child"}),
        ("mother and her child", set()),
    ],
)
def test_a_word_that_mostly_names_a_thing_counts_alone_or_with_what_follows(prompt, expected):
    assert {hit.term.text for hit in said(prompt).values()} == expected


@pytest.mark.parametrize(
    "prompt",
    [
        "no glasses",
        "without a hat",
        "not anime",
        "without any sunglasses or hat",
        "not wearing a mask",
        "no tie or hat",
        "mask-free",
        "(no sunglasses:1.4)",
        "no visible beard",
    ],
)
def test_what_is_negated_does_not_count(prompt):
    assert said(prompt) == {}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("no light, sunglasses", {"sunglasses"}),
        ("no glasses, hat", {"hat"}),
        ("not only anime", {"anime"}),
        ("no glasses. sunglasses", {"sunglasses"}),
        ("no glasses and a beard", {"beard"}),
        ("free sunglasses", {"sunglasses"}),
    ],
)
def test_a_negation_ends_with_its_clause(prompt, expected):
    assert set(said(prompt)) == expected


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("she looks like Taylor Swift in rain", "looks like Taylor Swift"),
        ("as Cleopatra", "as Cleopatra"),
        ("in the style of Van Gogh", "in the style of Van Gogh"),
        ("in the style of van Gogh", "in the style of van Gogh"),
        ("a portrait by Georges de La Tour", "portrait by Georges"),
        ("art by van der Weyden", "art by van der Weyden"),
        ("in the style of vincent van gogh", "van gogh"),
    ],
)
def test_a_name_is_found_whole(prompt, found):
    assert [hit.found for hit in said(prompt).values()] == [found]


def test_like_somebody_without_a_name_is_nobody():
    assert (
        said("looks like a painting, as A matter of fact, in the style of a van, as Autumn falls")
        == {}
    )


def test_emphasis_of_a_term_is_that_of_its_strongest_letters():
    assert said("(anime:1.5), anime")["anime"].emphasis == 1.5
    assert said("(oil:1.2) painting")["oil painting"].emphasis == 1.2
    assert said("((anime))")["anime"].emphasis == pytest.approx(1.21)
    assert said("(anime:-2)")["anime"].emphasis == 0
    assert said("(anime:nan)")["anime"].emphasis == 1
    assert said("(anime:inf)")["anime"].emphasis == 1


def test_a_term_said_twice_counts_once():
    assert len(find_terms(read_emphasis("anime, anime, animes"), OWN)) == 1


@pytest.mark.parametrize(
    ("prompt", "age", "counts"),
    [
        ("as a child", None, True),
        ("aged", None, True),
        ("old woman", None, True),
        ("70 year old woman", None, True),
        ("70-year-old", None, True),
        ("12yo", None, True),
        ("25 year old woman", None, False),
        ("young woman", None, False),
        ("young woman", 70, True),
        ("young woman", 30, False),
        ("70 year old", 72, False),
        ("old woman", 70, False),
        ("old woman", 25, True),
        ("in her 70s", 74, False),
        ("in her 70s", 30, True),
        ("25 year old", 60, True),
    ],
)
def test_ages_conflict_when_they_contradict(prompt, age, counts):
    assert bool(said(prompt, age=age)) is counts


def test_a_wider_gap_of_years_weighs_more():
    weights = [said("70 year old", age=age)["<number> year old"].weight for age in (60, 50, 30, 10)]
    assert weights == sorted(weights)
    assert weights[0] > 0


def test_the_ages_of_a_prompt_are_read():
    assert ages_said(read_emphasis("a 25 year old and a 70yo in 1980")) == (25, 70)


def test_a_switched_off_term_is_silent_and_hides_what_lies_in_it():
    off = Lexicon((*(t for t in OWN.terms if t.text != "face mask"), Term("face mask", "style", 0.0, "-")))  # fmt: skip
    assert said("face mask", off) == {}
    assert set(said("mask", off)) == {"mask"}


def test_words_of_another_node_count_though_no_list_holds_them():
    hits = listed_terms(["anime", "fuzzy felt", "", "no glasses"], "style", OWN)
    assert {hit.term.text: hit.weight for hit in hits} == {"anime": 0.6, "fuzzy felt": 0.3}
    off = Lexicon((Term("fuzzy felt", "style", 0.0, "-"),))
    assert listed_terms(["fuzzy felt"], "style", off) == ()


def test_stretches_join_to_one_text():
    assert set(said("an(im)e")) == {"anime"}
    assert find_terms([Segment("pro", 1.0), Segment("file view", 2.0)], OWN)[0].emphasis == 2


def test_a_long_prompt_is_read_in_part():
    assert said("x, " * 40_000 + "anime") == {}
