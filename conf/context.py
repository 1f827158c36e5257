"""Context of a station's hour: what texts may be about, when an hour is like that, and the index of texts."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from conf.parameters import Frozen, ParameterError, load
from conf.rule_sets import NotNegative, RuleSet

Kind = Literal["pollutant", "weather", "season", "place"]
Word = Annotated[str, Field(pattern=r"^[a-z]+\*?$")]


class Fog(Frozen):
    """Air nearly saturated: humidity, and temperature less dew point."""

    min_humidity: NotNegative
    max_spread_c: NotNegative


class HourConditions(Frozen):
    """When an hour is like a topic."""

    fog: Fog
    frost_max_c: float
    heat_min_c: float
    damp_min_humidity: NotNegative
    dry_max_humidity: NotNegative
    polluted_min_index: Annotated[int, Field(ge=0)]


class Topics(RuleSet):
    """conf/context_topics_1.yaml: the words of each topic by kind; and the conditions."""

    topics: dict[Kind, dict[str, tuple[Word, ...]]]
    conditions: HourConditions

    def patterns(self) -> dict[str, re.Pattern[str]]:
        """By topic, such as ``weather:fog``, what finds one of its words in a text in small letters."""
        return {
            f"{kind}:{name}": re.compile(
                r"\b(?:" + "|".join(word.replace("*", r"\w*") for word in words) + r")\b"
            )
            for kind, named in self.topics.items()
            for name, words in named.items()
        }


class Entry(Frozen):
    """A term of a passage.

    Attributes:
        term: one to three words.
        score: its weight in the passage, 0 to 1.
        source, passage: where it stands; ``passage`` counts from 0.
        about: topics of the passage, such as ``weather:fog``.
    """

    term: str
    score: float
    source: str
    passage: int
    about: tuple[str, ...]


class Source(Frozen):
    """A text: its title and its passages."""

    title: str
    passages: tuple[str, ...]


class TextIndex(Frozen):
    """What ``kappafleet context`` makes of a folder of texts.

    Attributes:
        topics: id of the rules that said what passages are about.
        sources: by file name.
        entries: in any order.
    """

    topics: str
    sources: dict[str, Source]
    entries: tuple[Entry, ...]


def topics(file: str = "context_topics_1", overrides: tuple[str, ...] = ()) -> Topics:
    """Reads a file of topics.

    Raises:
        conf.parameters.ParameterError: an unknown name or a refused value.
    """
    return load(file, Topics, overrides)


def text_index(where: str = "context_index_1") -> TextIndex:
    """Reads an index: a file's path, or the name of one in conf/.

    Raises:
        conf.parameters.ParameterError: it can't be read, or is no such index.
    """
    path = Path(where)
    try:
        if path.suffix == ".json":
            text = path.read_text("utf-8")
        else:
            text = (resources.files(__package__) / f"{where}.json").read_text("utf-8")
        return TextIndex.model_validate(json.loads(text))
    except (OSError, ValueError, ValidationError) as error:
        raise ParameterError(f"index {where} can't be read: {' '.join(str(error).split())[:200]}") from None
