import numpy as np

from portrait_loupe.nodes.identity.aggregate import unit_rows
from portrait_loupe.nodes.identity.several import most_alike


def test_the_person_whom_all_photos_show_is_found_among_other_friends_each_time():
    """Six photos, four faces each: three quarters of all faces are strangers seen once."""
    rng = np.random.default_rng(0)
    truth = unit_rows(rng.standard_normal((1, 512)))[0]
    photos, places = [], []
    for _ in range(6):
        faces = unit_rows(rng.standard_normal((4, 512)))
        places.append(int(rng.integers(4)))
        faces[places[-1]] = unit_rows(0.6 * truth + 0.8 * unit_rows(rng.standard_normal((1, 512))))[
            0
        ]
        photos.append(faces)
    assert most_alike(photos) == places


def test_a_friend_in_two_photos_of_five_is_not_taken_for_the_person():
    person, friend, *others = np.eye(8)
    photos = [np.stack([friend, person])] * 2 + [np.stack([one, person]) for one in others[:3]]
    assert most_alike(photos) == [1] * 5


def test_a_group_where_one_face_is_nearer_than_the_mean_of_all_decides():
    """The mean over a photo's faces would favour who is a little like everybody."""
    a, b, c = np.eye(3)
    everybody = (a + b + c) / 3**0.5
    assert most_alike([np.stack([everybody, a]), np.stack([a, b, c])]) == [1, 0]


def test_without_another_photo_the_largest_is_taken():
    assert most_alike([np.eye(4)]) == [0]
    assert most_alike([]) == []
