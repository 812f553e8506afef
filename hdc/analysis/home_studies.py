"""Studies whose runs were pretrained on the data sets that another one judges on."""

from hdc.analysis.results import Results, read_results


def home_studies(results: Results) -> list[Results]:
    """Those that a study names and that are there, beside it or published.

    Without those of another scale: their runs differ in more than what they were pretrained on.
    """
    folder, found = results.path.parent.parent, []
    for name in results.study.get("home_studies", []):
        places = [folder / name / "study.json", folder / "published" / name / "study.json"]
        there = [place for place in places if place.is_file()]
        found += [read_results(place) for place in there[:1]]
    return [home for home in found if home.study.get("scale") == results.study.get("scale")]
