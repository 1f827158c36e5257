"""Reference texts to an index of terms: plain text or EPUB, TF-IDF by scikit-learn (BSD licence).

Needs the extra ``context``. YAKE, another common method, is under the GPL, and ebooklib under the AGPL: this project
is under Apache-2.0, so an EPUB, which is a zip of XHTML, is read with Python's own library.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote
from xml.etree import ElementTree

from conf.context import Entry, Source, TextIndex, Topics
from kappafleet.errors import UserError

TERMS_PER_PASSAGE = 8
MAX_PASSAGE = 1500
"""Characters; a longer paragraph is cut at the ends of sentences."""
MIN_PASSAGE = 40
MAX_EPUB_PART = 32 * 1024 * 1024

_BLOCKS = frozenset({"p", "div", "h1", "h2", "h3", "h4", "li", "blockquote", "section", "tr", "br"})
_HIDDEN = frozenset({"script", "style", "head"})


def texts(folder: Path) -> dict[str, Source]:
    """The texts of a folder's .txt and .epub files, by file name.

    A plain text's first paragraph is its title if it is one line; an EPUB's is in its metadata.

    Raises:
        UserError: there are none, or one can't be read.
    """
    found: dict[str, Source] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if file.suffix == ".txt":
            found[file.name] = _plain(file)
        elif file.suffix == ".epub":
            found[file.name] = _epub(file)
    if not found:
        raise UserError(f"{folder} holds no reference texts (.txt, .epub)")
    return found


def index(sources: dict[str, Source], topics: Topics) -> TextIndex:
    """The terms of all passages that are about something, each passage's best TERMS_PER_PASSAGE by TF-IDF.

    Raises:
        UserError: scikit-learn is not there, or no passage is about any topic.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError:
        raise UserError("kappafleet context needs scikit-learn: pip install 'kappafleet[context]'") from None

    patterns = topics.patterns()
    places = [(name, number) for name, source in sources.items() for number in range(len(source.passages))]
    passages = [sources[name].passages[number] for name, number in places]
    about = [
        tuple(topic for topic, words in patterns.items() if words.search(passage.lower()))
        for passage in passages
    ]
    if not any(about):
        raise UserError(
            "no passage of the texts is about any pollutant, weather, season or place of the topics"
        )
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 3), stop_words="english", sublinear_tf=True, token_pattern=r"(?u)\b[^\W\d_]{3,}\b"
    )
    weights = vectorizer.fit_transform(passages)
    names = vectorizer.get_feature_names_out()
    entries = []
    for row, (name, number) in enumerate(places):
        if not about[row]:
            continue
        line = weights.getrow(row)
        pairs = zip(line.data, names[line.indices], strict=True)
        weighed = ((round(float(score), 4), str(term)) for score, term in pairs)
        entries += [
            Entry(term=term, score=score, source=name, passage=number, about=about[row])
            for score, term in _best(weighed, [patterns[topic] for topic in about[row]])
        ]
    return TextIndex(topics=topics.id, sources=sources, entries=tuple(entries))


def _best(weighed: Iterable[tuple[float, str]], topics: list[re.Pattern[str]]) -> list[tuple[float, str]]:
    """Terms that name a topic of their passage come first, then the weight counts; none is part of another one."""

    def rank(pair: tuple[float, str]) -> tuple[bool, float, str]:
        return not any(words.search(pair[1]) for words in topics), -pair[0], pair[1]

    best: list[tuple[float, str]] = []
    for score, term in sorted(weighed, key=rank):
        if not any(f" {term} " in f" {other} " or f" {other} " in f" {term} " for _, other in best):
            best.append((score, term))
            if len(best) == TERMS_PER_PASSAGE:
                break
    return best


def _plain(file: Path) -> Source:
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} can't be read as UTF-8 text: {error}") from error
    first, *rest = re.split(r"\n\s*\n", text.strip())
    titled = bool(rest) and "\n" not in first
    return Source(
        title=first.strip() if titled else file.stem,
        passages=tuple(_passages(rest if titled else [first, *rest])),
    )


def _passages(paragraphs: list[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        text = " ".join(paragraph.split())
        while len(text) > MAX_PASSAGE:
            end = max(text.rfind(mark, MIN_PASSAGE, MAX_PASSAGE) for mark in (". ", "! ", "? "))
            end = end + 1 if end > 0 else MAX_PASSAGE
            yield text[:end]
            text = text[end:].lstrip()
        if len(text) >= MIN_PASSAGE:
            yield text


class _Paragraphs(HTMLParser):
    """The visible text of a page, by blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = [""]
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN
        if tag in _BLOCKS:
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found[-1] += data


def _epub(file: Path) -> Source:
    try:
        with zipfile.ZipFile(file) as archive:
            container = ElementTree.fromstring(_part(archive, "META-INF/container.xml"))
            root = next(
                each.attrib["full-path"] for each in container.iter() if each.tag.endswith("}rootfile")
            )
            package = ElementTree.fromstring(_part(archive, root))
            title = next((each.text for each in package.iter() if each.tag.endswith("}title")), None)
            items = {
                each.attrib["id"]: each.attrib["href"]
                for each in package.iter()
                if each.tag.endswith("}item")
            }
            order = [items[each.attrib["idref"]] for each in package.iter() if each.tag.endswith("}itemref")]
            paragraphs: list[str] = []
            for href in order:
                page = _Paragraphs()
                page.feed(_part(archive, normpath(join(dirname(root), unquote(href)))).decode("utf-8-sig"))
                page.close()
                paragraphs += page.found
    except (
        OSError,
        zipfile.BadZipFile,
        ElementTree.ParseError,
        KeyError,
        StopIteration,
        UnicodeDecodeError,
    ) as error:
        raise UserError(f"{file} can't be read as an EPUB: {error or type(error).__name__}") from error
    return Source(title=(title or file.stem).strip(), passages=tuple(_passages(paragraphs)))


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_EPUB_PART:
        raise UserError(f"{archive.filename}: {name} is larger than {MAX_EPUB_PART} bytes")
    return archive.read(name)
