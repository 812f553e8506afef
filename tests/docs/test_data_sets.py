"""The data set of one's own that docs/datasets.md shows is one; its pattern fits its example."""

import re

import yaml

from hdc.settings.data import Data, FolderData


def test_the_pattern_of_pairs_fits_its_example(root):
    text = (root / "docs/datasets.md").read_text()
    [block] = re.findall(r"```yaml\n(# config/data/kitchen.yaml\n.*?)```", text, re.S)
    shown = yaml.safe_load(block)["data"]
    data = Data(folder=FolderData(**shown["folder"]), seed=shown["seed"])
    data.check()
    data.folder.check()
    [example] = re.findall(r"pattern: .*  # (\S+)", block)
    match = re.fullmatch(data.folder.pattern, example)
    assert match and match.groupdict() == {"label": "open", "object": "drawer", "group": "ann"}
    assert data.folder.unseen == "pairs"
