import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from hdc.retrieval import hits, nearest, vote


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
