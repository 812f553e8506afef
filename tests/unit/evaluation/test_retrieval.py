import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier

from hdc.evaluation import retrieval
from hdc.evaluation.retrieval import average_precision, hits, nearest, vote
from hdc.runtime.errors import InputError


@pytest.fixture
def tables():
    """Queries and gallery of 3 labels, noisy enough that neighbours are often wrong."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((3, 8))
    labels = [rng.integers(0, 3, size) for size in (40, 90)]
    rows = [centers[own] + 1.5 * rng.standard_normal((len(own), 8)) for own in labels]
    return *(table.astype(np.float32) for table in rows), *(own.astype(str) for own in labels)


def cosine(a, b):
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_recall_is_a_double_loop(tables):
    queries, gallery, own, theirs = tables
    _, rows = nearest(queries, gallery, count=20)
    for k in (1, 5, 20):
        expected = []
        for query, label in zip(queries, own, strict=True):
            order = sorted(range(len(gallery)), key=lambda row: -cosine(query, gallery[row]))
            expected.append(any(theirs[row] == label for row in order[:k]))
        assert hits(rows, own, theirs, k=k).tolist() == expected


def test_similarity_is_the_cosine(tables):
    queries, gallery, *_ = tables
    similarity, rows = nearest(queries, gallery, count=3)
    assert similarity[4, 2] == pytest.approx(cosine(queries[4], gallery[rows[4, 2]]), abs=1e-5)


def test_votes_are_sklearns(tables):
    queries, gallery, _, theirs = tables
    found = vote(*nearest(queries, gallery, count=20), theirs, k=20, temperature=0.07)
    plain = KNeighborsClassifier(
        20, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07)
    )
    assert found == plain.fit(gallery, theirs).predict(queries).tolist()


def test_votes_by_hand():
    """One neighbour at cosine 1 against two at 0.8: e^0 > 2 e^(-0.2 / 0.07), but 1 < 2 if warm."""
    similarity, rows = np.array([[1.0, 0.8, 0.8]]), np.array([[0, 1, 2]])
    assert vote(similarity, rows, ["x", "y", "y"], k=3, temperature=0.07) == ["x"]
    assert vote(similarity, rows, ["x", "y", "y"], k=3, temperature=10.0) == ["y"]


def test_a_gallery_smaller_than_k():
    table = np.eye(3, dtype=np.float32)
    similarity, rows = nearest(table, table, count=50)
    assert rows.shape == similarity.shape == (3, 3)
    assert hits(rows, ["a"] * 3, ["a", "b", "c"], k=50).all()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks far smaller than the tables."""
    for name, size in (("QUERY_BLOCK", 7), ("GALLERY_BLOCK", 13), ("RANKING_BLOCK", 300)):
        monkeypatch.setattr(retrieval, name, size)


def test_blocks_change_nothing(tables, request):
    queries, gallery, own, theirs = tables
    whole = nearest(queries, gallery, count=20), average_precision(queries, own, gallery, theirs)
    request.getfixturevalue("small_blocks")
    (similarity, rows), precision = (
        nearest(queries, gallery, count=20),
        average_precision(queries, own, gallery, theirs),
    )
    assert rows.tolist() == whole[0][1].tolist()
    assert similarity == pytest.approx(whole[0][0], abs=1e-9)
    assert precision == pytest.approx(whole[1], abs=1e-12)


def test_of_ties_the_lower_row_comes_first(tables, small_blocks):
    """Every entry stands in the gallery six times, in other blocks and at the last place, too."""
    queries, gallery, *_ = tables
    repeated = np.tile(gallery, (6, 1))
    for count in (1, 3, 20):
        similarity, rows = nearest(queries, repeated, count=count)
        for query, found in zip(queries, rows, strict=True):
            cosines = [cosine(query.astype(float), entry) for entry in gallery] * 6
            order = sorted(range(len(repeated)), key=lambda row: -cosines[row])
            assert found.tolist() == order[:count]
        assert np.isfinite(similarity).all()


def test_many_ties_of_one_block(tables):
    queries, gallery, *_ = tables
    same = np.repeat(gallery[:2], 100, axis=0)
    _, rows = nearest(queries, same, count=3)
    assert set(map(tuple, rows.tolist())) == {(0, 1, 2), (100, 101, 102)}


def test_rows_of_zeros_have_cosine_0(tables):
    queries, gallery, own, theirs = tables
    queries, gallery = queries.copy(), gallery.copy()
    queries[3], gallery[[0, 50]] = 0, 0
    similarity, rows = nearest(queries, gallery, count=len(gallery))
    assert (similarity[3] == 0).all() and rows[3].tolist() == list(range(len(gallery)))
    for row in (0, 50):
        assert (similarity[rows == row] == 0).all()
    assert (np.diff(similarity, axis=1) <= 0).all()
    assert np.isfinite(average_precision(queries, own, gallery, theirs)).all()


def test_lengths_never_overflow(tables):
    queries, gallery, *_ = tables
    rows = nearest(queries, gallery, count=5)[1]
    for scale in (1e-30, 1e30):
        scaled = nearest(queries * np.float32(scale), gallery * np.float32(scale), count=5)
        assert scaled[1].tolist() == rows.tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["queries", "gallery"])
def test_refuses_what_is_not_finite(tables, small_blocks, value, place):
    queries, gallery, own, theirs = tables
    {"queries": queries, "gallery": gallery}[place][33, 2] = value
    message = f"found NaN or infinity in row 33 of the {place}"
    with pytest.raises(InputError, match=message):
        nearest(queries, gallery, count=5)
    with pytest.raises(InputError, match=message):
        average_precision(queries, own, gallery, theirs)


def test_average_precision_is_sklearns(tables):
    queries, gallery, own, theirs = tables
    found = average_precision(queries, own, gallery, theirs)
    for query, label, precision in zip(queries, own, found, strict=True):
        scores = [cosine(query.astype(float), entry) for entry in gallery]
        assert precision == pytest.approx(average_precision_score(theirs == label, scores))


def test_average_precision_by_hand():
    """Relevant at ranks 1 and 3 of 4: (1/1 + 2/3) / 2. The last two of the gallery tie."""
    gallery = np.array([[3.0, 4.0], [5.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    query = np.array([[1.0, 0.0]])
    for labels, expected in (
        (["y", "x", "x", "y"], (1 + 2 / 3) / 2),
        (["y", "x", "y", "x"], (1 + 2 / 4) / 2),
        (["y", "y", "y", "x"], 1 / 4),
        (["x", "x", "x", "x"], 1.0),
        (["y", "y", "z", "y"], 0.0),
    ):
        assert average_precision(query, ["x"], gallery, labels).tolist() == [
            pytest.approx(expected)
        ]
