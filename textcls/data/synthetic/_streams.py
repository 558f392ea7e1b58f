"""Streams of words and phrases for the embedded corpus, drawn by frequency, without end.

A stream is an iterator with a generator of its own, so that what one stream draws never depends on
how often another was asked.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from textcls.data.synthetic import _phrases as phrases
from textcls.data.synthetic import _words as words

CLASSES = len(words.LABEL_NAMES)
CHUNK = 512  # draws at a time: enough to make numpy's cost per call small
NAME_STRIDE = 999_983  # a prime: neighbours in rank look unlike each other

T = TypeVar("T")
Streams = dict[str, Iterator[str]]


def desk(key: tuple[int, ...], label: int) -> Streams:
    """Streams of everything that the class writes: a desk of the newsroom."""
    streams: Streams = {}
    for name, options in (*words.WORDS.items(), ("lean", words.LEANS[label])):
        start = label * len(options) // CLASSES if name in words.LEANING else 0
        turned = options[start:] + options[:start]
        streams[name] = pick(random(key, name), turned, _zipf(len(options), 4))
    for name, endings in words.NAME_ENDINGS.items():
        streams[name] = _names(random(key, name), endings, label)
    for name, template, first, last in words.NUMBERS:
        streams[name] = _numbers(random(key, name), template, first, last)
    for name, frames in phrases.PHRASES:
        streams[name] = _say(random(key, name), frames, [streams])
    topics = [
        streams | _topic((*key, place), topic) for place, topic in enumerate(words.TOPICS[label])
    ]
    for name, frames in phrases.TOPIC_PHRASES:
        streams[name] = _say(random(key, name), frames, topics)
    return streams


def _topic(key: tuple[int, ...], topic: words.Topic) -> Streams:
    return {
        name: pick(random(key, name), options, _zipf(len(options), 4))
        for name, options in topic._asdict().items()
    }


def pairs(key: tuple[int, ...], desks: list[Streams], first: int, second: int) -> Streams:
    """Return the phrases in which an actor of one class comes before one of another.

    Args:
        key: Begins the seeds of all streams.
        desks: The streams of each class.
        first: The class that is named first.
        second: The other one.
    """
    actors = {"actor": desks[first]["actor"], "other": desks[second]["actor"]}
    settings = [desks[first] | actors, desks[second] | actors]
    return {
        name: _say(random(key, name), frames, settings) for name, frames in phrases.PAIR_PHRASES
    }


def random(key: tuple[int, ...], name: str) -> np.random.Generator:
    """Return a generator of its own for each key and name; the name enters by its checksum."""
    return np.random.Generator(np.random.PCG64([*key, zlib.crc32(name.encode())]))


def _zipf(count: int, flat: int) -> np.ndarray:
    """Weights that fall as 1 / (rank + flat); int64 (count,)."""
    return 2**40 // (np.arange(count, dtype=np.int64) + flat)


def pick(
    rng: np.random.Generator,
    options: Sequence[T],
    weights: Sequence[int] | np.ndarray | None = None,
) -> Iterator[T]:
    """Yield options without end, each as often as its weight says.

    Args:
        rng: Draws in chunks, so nothing else may draw from it.
        options: At least one.
        weights: Integers, one for each option; None for all alike.
    """
    bounds = np.cumsum([1] * len(options) if weights is None else weights, dtype=np.int64)
    while True:
        draws = rng.integers(0, bounds[-1], size=CHUNK, dtype=np.int64)
        for place in np.searchsorted(bounds, draws, side="right").tolist():
            yield options[place]


def _numbers(rng: np.random.Generator, template: str, first: int, last: int) -> Iterator[str]:
    """Yield numbers without end, small ones more often."""
    for number in pick(rng, range(first, last), _zipf(last - first, 30)):
        yield template.format(number, *divmod(number, 10))


def _names(rng: np.random.Generator, endings: Sequence[str], label: int) -> Iterator[str]:
    """Yield invented names without end: few are frequent, most are rare."""
    starts, middles = words.NAME_STARTS, words.NAME_MIDDLES
    count = len(starts) * len(middles) * len(endings)
    for rank in pick(rng, range(count), _zipf(count, 8)):
        place, ending = divmod(
            (rank + label * count // CLASSES) * NAME_STRIDE % count, len(endings)
        )
        start, middle = divmod(place, len(middles))
        yield starts[start] + middles[middle] + endings[ending]


def _say(
    rng: np.random.Generator, frames: Sequence[str], settings: Sequence[Streams]
) -> Iterator[str]:
    """Yield phrases without end: any frame in any setting, its {slots} filled from the streams."""
    compiled = [_compile(frame, streams) for streams in settings for frame in frames]
    for parts in pick(rng, compiled):
        yield "".join([part if isinstance(part, str) else next(part) for part in parts])


def _compile(frame: str, streams: Streams) -> list[str | Iterator[str]]:
    """Cut a frame at its slots: "the {actor}" -> ["the ", stream of actors, ""]."""
    pieces = re.split(r"{(\w+)}", frame)
    return [streams[piece] if place % 2 else piece for place, piece in enumerate(pieces)]
