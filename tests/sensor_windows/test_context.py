"""Context keywords: what an hour is like, the look-up, the extraction, and the bundled index."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.context import Entry, Source, TextIndex, text_index, topics
from conf.parameters import ParameterError
from jobs.sensor_windows.context import POLLUTANT_TOPICS, ContextIndex, hour_topics
from kappafleet import cli
from kappafleet.errors import UserError
from kappafleet.reference_texts import MAX_PASSAGE, index, texts

ROOT = Path(__file__).resolve().parents[2]
RULES = topics().conditions
WORDS = topics().patterns()


def test_what_an_hour_is_like() -> None:
    assert hour_topics(RULES, 11) == {"season:autumn"}
    assert hour_topics(RULES, 11, lat=-33.9) == {"season:spring"}
    assert hour_topics(RULES, 12) == hour_topics(RULES, 2) == {"season:winter"}
    foggy = hour_topics(RULES, 1, temperature_c=-1, humidity=97, dew_point_c=-1.4, places=["town"])
    assert foggy == {"season:winter", "weather:fog", "weather:frost", "weather:damp", "place:town"}
    dusty = hour_topics(
        RULES, 7, temperature_c=31, humidity=20, dew_point_c=6, indices={"pm2_5": 51, "o3": 50}
    )
    assert dusty == {"season:summer", "weather:heat", "weather:dry", "pollutant:particulates"}


def test_the_topics_of_hours_are_those_of_texts() -> None:
    known = {f"{kind}:{name}" for kind, named in topics().topics.items() for name in named}
    assert {f"pollutant:{name}" for name in POLLUTANT_TOPICS.values()} <= known
    assert {f"weather:{name}" for name in ("fog", "frost", "heat", "damp", "dry")} <= known
    assert {f"season:{name}" for name in ("winter", "spring", "summer", "autumn")} <= known


TEXTS = TextIndex(
    topics="context_topics@1",
    sources={"a.txt": Source(title="A", passages=("fog here", "smoke there"))},
    entries=tuple(
        Entry(term=term, score=score, source="a.txt", passage=passage, about=about)
        for term, score, passage, about in [
            ("fog bank", 0.2, 0, ("weather:fog", "season:autumn")),
            ("river", 0.9, 0, ("weather:fog", "season:autumn")),
            ("soot", 0.5, 1, ("pollutant:particulates",)),
            ("river", 0.1, 1, ("pollutant:particulates",)),
            ("leaves", 1.0, 1, ("season:autumn", "place:town")),
        ]
    ),
)


def test_more_topics_come_before_named_ones_before_larger_scores_and_each_term_once() -> None:
    hour = frozenset({"weather:fog", "season:autumn", "pollutant:particulates", "place:town"})
    found = ContextIndex(TEXTS, WORDS).keywords(hour)
    assert [(each.term, each.about) for each in found] == [
        ("fog bank", ("weather:fog", "season:autumn")),  # names the fog
        ("river", ("weather:fog", "season:autumn")),
        ("soot", ("pollutant:particulates",)),
    ]
    assert (found[0].source, found[0].passage, found[2].passage) == ("A", "fog here", "smoke there")
    assert [each.term for each in ContextIndex(TEXTS, WORDS).keywords(hour, limit=1)] == ["fog bank"]


def test_what_is_about_another_season_comes_last() -> None:
    found = ContextIndex(TEXTS, WORDS).keywords(
        frozenset({"weather:fog", "season:spring", "pollutant:particulates"})
    )
    assert [(each.term, each.passage) for each in found] == [
        ("soot", "smoke there"),
        ("river", "smoke there"),
        ("fog bank", "fog here"),
    ]


def test_words_are_of_their_topic_only() -> None:
    patterns = topics().patterns()
    assert patterns["pollutant:particulates"].search("a hazy day")
    assert not patterns["pollutant:particulates"].search("hazel shells")
    assert patterns["weather:frost"].search("freezing")
    assert not patterns["weather:frost"].search("nice")


def test_season_and_place_alone_say_too_little() -> None:
    assert ContextIndex(TEXTS, WORDS).keywords(frozenset({"season:autumn", "place:town"})) == ()


@given(st.permutations(TEXTS.entries), st.integers(0, 6))
def test_the_order_of_the_entries_does_not_matter(entries: list[Entry], limit: int) -> None:
    hour = frozenset({"weather:fog", "pollutant:particulates"})
    shuffled = ContextIndex(TEXTS.model_copy(update={"entries": tuple(entries)}), WORDS)
    assert shuffled.keywords(hour, limit) == ContextIndex(TEXTS, WORDS).keywords(hour, limit)


def test_a_foggy_hour_in_a_town_finds_dickens() -> None:
    hour = hour_topics(
        RULES, 11, temperature_c=4, humidity=99, dew_point_c=3.9, indices={"pm2_5": 160}, places=["town"]
    )
    found = ContextIndex(text_index(), WORDS).keywords(hour)
    assert len(found) == 5
    assert all(each.source.startswith("Charles Dickens, Bleak House") for each in found)
    assert any("fog" in each.term or "soot" in each.term or "smoke" in each.term for each in found)


def test_the_bundled_index_is_made_of_the_bundled_texts(tmp_path: Path) -> None:
    out = tmp_path / "index.json"
    assert cli.run(["context", str(ROOT / "data" / "context"), "--out", str(out)]) == 0
    assert json.loads(out.read_text()) == json.loads((ROOT / "conf" / "context_index_1.json").read_text())
    assert text_index(str(out)) == text_index()


def epub(file: Path) -> None:
    """A small one, its pages in another order than their names."""
    page = "<html><head><title>no</title></head><body><h1>I</h1><p>{}&nbsp;{}</p><script>no()</script></body></html>"
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="O/p.opf"/></rootfiles></container>',
        "O/p.opf": '<package xmlns="http://www.idpf.org/2007/opf">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<dc:title>Weather</dc:title></metadata><manifest><item id="a" href="a%201.xhtml"/>'
        '<item id="b" href="b.xhtml"/>'
        '</manifest><spine><itemref idref="b"/><itemref idref="a"/></spine></package>',
        "O/a 1.xhtml": page.format(
            "Second comes <i>sulphur</i> out of all the chimneys", "of the <b>city</b>"
        ),
        "O/b.xhtml": page.format("First there is frost on the meadows, and icicles", "hang in January"),
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


def test_an_epub_is_read_in_its_order_without_what_is_not_shown(tmp_path: Path) -> None:
    epub(tmp_path / "w.epub")
    found = texts(tmp_path)
    assert found["w.epub"].title == "Weather"
    assert found["w.epub"].passages == (
        "First there is frost on the meadows, and icicles hang in January",
        "Second comes sulphur out of all the chimneys of the city",
    )
    made = index(found, topics())
    assert {each.about for each in made.entries} == {
        ("weather:frost", "season:winter", "place:country"),
        ("pollutant:particulates", "pollutant:sulphur_dioxide", "place:town"),
    }
    terms = {each.term for each in made.entries}
    assert any("icicles" in term for term in terms)


def test_long_paragraphs_are_cut_at_sentences(tmp_path: Path) -> None:
    sentence = "The smoke of the town lay upon the river all day long. "
    (tmp_path / "a.txt").write_text(sentence * 60)
    (source,) = texts(tmp_path).values()
    assert source.title == "a"
    assert all(MAX_PASSAGE / 2 < len(each) <= MAX_PASSAGE for each in source.passages[:-1])
    assert all(each.endswith(".") for each in source.passages)


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no reference texts"):
        texts(tmp_path)
    (tmp_path / "a.txt").write_text("Nothing of any interest is written in this paragraph of text.")
    with pytest.raises(UserError, match="no passage"):
        index(texts(tmp_path), topics())
    (tmp_path / "b.epub").write_text("no zip")
    with pytest.raises(UserError, match="can't be read as an EPUB"):
        texts(tmp_path)
    with pytest.raises(ParameterError, match="index no_such can't be read"):
        text_index("no_such")
