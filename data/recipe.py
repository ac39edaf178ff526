"""The recipe of a mixture: which sets, how many rows of each, and how they are augmented, as a YAML file says it.

```python
>>> read_recipe(Path("recipes/data/mixture.yaml")).sources[0].name
'rottuning'
```
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from ..base_lafunc import EMBEDDED_BASE
from .pools import POOLS
from .sources import FORMATS, HUB, DataError, Source


@dataclass
class Recipe:
    """What is to be made; shares are of rows, 0 to 1.

    Attributes:
        sources: the sets.
        seed: of augmentation and of what is held out; what is drawn of a set, its name decides.
        dev_share: of queries that are held out.
        most_tools: offered in a row.
        most_characters: of the conversation; and of the offered tools, unless the called ones alone have more.
        distractors: tool rows that get tools of other rows.
        rename_tools, rename_parameters, drop_optional: tool rows that are changed so.
        source_text: rows whose tools take source text of a programming language.
        irrelevant: chat and think rows that are offered tools, which do not fit.
        negatives: rows made by removing the called tool.
        needs: rows made by deleting a required value.
        joined: rows of two to five calls made of others.
        remove_overlap: leave out rows that meet an evaluation row, and the tools of the evaluation.
        base: whose tokenizer the schemas are compiled for.
    """

    sources: list[Source]
    seed: int = 0
    dev_share: float = 0.02
    most_tools: int = 6
    most_characters: int = 4000
    distractors: float = 0.5
    rename_tools: float = 0.25
    rename_parameters: float = 0.25
    drop_optional: float = 0.15
    source_text: float = 0.0
    irrelevant: float = 0.5
    negatives: int = 0
    needs: int = 0
    joined: int = 0
    remove_overlap: bool = True
    base: str = EMBEDDED_BASE


def read_recipe(path: Path) -> Recipe:
    """A recipe.

    Raises:
        DataError: it cannot be read, or says what no recipe can.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{path}: {error}") from None
    if not isinstance(given, dict) or not isinstance(given.get("sources"), list) or not given["sources"]:
        raise DataError(f"{path}: expected a mapping with a list of `sources`")
    sources = [_read(Source, one, f"{path}: sources[{at}]") for at, one in enumerate(given["sources"])]
    for at, source in enumerate(sources):
        place = f"{path}: sources[{at}] ({source.name})"
        if source.format not in FORMATS:
            raise DataError(f"{place}: no format {source.format!r}; there are {', '.join(FORMATS)}")
        if source.format == "synthesis":
            if not source.cap:
                raise DataError(f"{place}: synthesis has no end; give a `cap`")
            if (source.path is None) != (source.pool is None) or source.hub:
                raise DataError(f"{place}: give `pool` and `path`, or neither, so that tools are invented")
            if source.pool not in (None, *POOLS):
                raise DataError(f"{place}: no pool {source.pool!r}; there are {', '.join(POOLS)}")
        elif source.pool:
            raise DataError(f"{place}: a `pool` is for the format synthesis")
        elif (source.path is None) == (source.hub is None):
            raise DataError(f"{place}: give either `path` or `hub`")
        if source.hub and source.format not in HUB:
            raise DataError(f"{place}: {source.format} is not a format of the Hub; give a `path`")
    if len({source.name for source in sources}) < len(sources):
        raise DataError(f"{path}: two sources have one name")
    return _read(Recipe, {**given, "sources": sources}, str(path))


def _read(kind: type, given: Any, place: str) -> Any:
    """A dataclass from a mapping whose keys and types it knows."""
    if not isinstance(given, Mapping):
        raise DataError(f"{place}: expected a mapping, got {type(given).__name__}")
    known = {one.name: one for one in fields(kind)}
    if unknown := sorted(given.keys() - known.keys()):
        raise DataError(f"{place}: unknown key {unknown[0]!r}; known are {', '.join(known)}")
    for name, one in known.items():
        if one.default is MISSING and name not in given:
            raise DataError(f"{place}: {name!r} is missing")
    for name, value in given.items():
        wanted = known[name].type
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if (wanted is int and not (number and isinstance(value, int) and value >= 0)) or (
            wanted is float and not (number and 0 <= value <= 1)
        ):
            raise DataError(
                f"{place}: {name} must be {'a count' if wanted is int else 'a share, 0 to 1'}, got {value!r}"
            )
    return kind(**given)
