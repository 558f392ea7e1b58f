import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain

import numpy as np
import pytest
from nltk.tokenize import WordPunctTokenizer

from textcls.data.synthetic import _phrases as phrases
from textcls.data.synthetic import _words as words
from textcls.data.synthetic import generator
from textcls.data.synthetic.generator import (
    BEST_ACCURACY,
    CLASSES,
    KINDS,
    LABEL_NAMES,
    PLANS,
    VERSION,
    Plan,
    SyntheticCorpus,
    generate,
    true_label,
)

MAX_LENGTH = 128
# The corpus of VERSION 1. Whoever changes the texts raises VERSION and writes the new hash here.
PINNED = (1, "db704b7fbbf26e7aec0eb37453f6f8d1")

tokenize = WordPunctTokenizer().tokenize
ALL_PHRASES = phrases.PHRASES + phrases.TOPIC_PHRASES + phrases.PAIR_PHRASES
ANCHORS = {
    anchor: label
    for label, topics in enumerate(words.TOPICS)
    for topic in topics
    for anchor in (*topic.actors, *topic.objects)
}
LEAN_OF = {  # words that lean to one class only
    word: label
    for label, leans in enumerate(words.LEANS)
    for word in leans
    if sum(word in other for other in words.LEANS) == 1
}


@pytest.fixture(scope="module")
def corpus() -> SyntheticCorpus:
    return generate(20_000, 4_000, seed=0)


def anchor_classes(tokens: Iterable[str]) -> Counter[int]:
    return Counter(ANCHORS[token] for token in tokens if token in ANCHORS)


def hash_of(corpus: SyntheticCorpus) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for texts, labels in (
        (corpus.train_texts, corpus.train_labels),
        (corpus.test_texts, corpus.test_labels),
    ):
        for text, label in zip(texts, labels.tolist(), strict=True):
            digest.update(f"{label}\t{text}\n".encode())
    return digest.hexdigest()


def test_texts_are_the_same_on_every_machine() -> None:
    assert (VERSION, hash_of(generate(400, 100, seed=7))) == PINNED


def test_another_seed_gives_other_texts() -> None:
    assert not set(generate(200, 0, seed=1).train_texts) & set(generate(200, 0, seed=2).train_texts)


def test_a_smaller_corpus_is_the_beginning_of_a_larger_one(corpus: SyntheticCorpus) -> None:
    small = generate(1_000, 100, seed=0)
    assert small.train_texts == corpus.train_texts[:1_000]
    assert small.test_texts == corpus.test_texts[:100]
    np.testing.assert_array_equal(small.train_labels, corpus.train_labels[:1_000])
    np.testing.assert_array_equal(small.test_labels, corpus.test_labels[:100])


@pytest.mark.parametrize("size", [0, 1, 8, 19, 21, 30])
def test_any_size(size: int) -> None:
    corpus = generate(size, size, seed=3)
    assert len(corpus.train_texts) == len(corpus.test_texts) == size
    assert corpus.train_labels.shape == corpus.test_labels.shape == (size,)
    assert corpus.train_labels.dtype == corpus.test_labels.dtype == np.int64
    if size >= 8:
        assert set(corpus.train_labels) == set(corpus.test_labels) == set(range(CLASSES))


def test_classes_are_balanced(corpus: SyntheticCorpus) -> None:
    shares = np.bincount(corpus.train_labels) / len(corpus.train_labels)
    np.testing.assert_allclose(shares, 0.25, atol=0.01)


def test_no_text_occurs_twice(corpus: SyntheticCorpus) -> None:
    texts = corpus.train_texts + corpus.test_texts
    assert len(set(texts)) == len(texts)


# --- the best reachable accuracy


@pytest.mark.parametrize("seed", [0, 1])
def test_reading_the_cue_reaches_the_best_accuracy_exactly(seed: int) -> None:
    corpus = generate(2_000, 1_000, seed)
    for texts, labels in (
        (corpus.train_texts, corpus.train_labels),
        (corpus.test_texts, corpus.test_labels),
    ):
        read = np.array([true_label(text) for text in texts])
        assert np.mean(read == labels) == pytest.approx(BEST_ACCURACY, abs=1e-12)
    assert 0.93 <= BEST_ACCURACY <= 0.97


def test_the_cue_survives_tokens_in_lower_case_cut_at_the_length_limit(
    corpus: SyntheticCorpus,
) -> None:
    for text in corpus.test_texts:
        assert true_label(" ".join(tokenize(text)[:MAX_LENGTH]).lower()) == true_label(text)


def test_wrong_labels_are_unrelated_to_the_text(corpus: SyntheticCorpus) -> None:
    true = np.array([true_label(text) for text in corpus.train_texts])
    wrong = true != corpus.train_labels
    moves = Counter(zip(true[wrong].tolist(), corpus.train_labels[wrong].tolist(), strict=True))
    assert len(moves) == CLASSES * (CLASSES - 1)
    expected = wrong.sum() / len(moves)  # about 83
    assert all(abs(count - expected) < 5 * expected**0.5 for count in moves.values())


def test_a_text_without_an_anchor_is_refused() -> None:
    with pytest.raises(ValueError, match="no anchor in 'Nothing to see here'"):
        true_label("Nothing to see here")


# --- word order


def test_in_a_tie_the_order_decides() -> None:
    assert true_label("The chipmaker Halan sued the lender Doreson") == LABEL_NAMES.index(
        "Sci/Tech"
    )
    assert true_label("The lender Doreson sued the chipmaker Halan") == LABEL_NAMES.index(
        "Business"
    )


def test_ties_are_as_frequent_as_planned(corpus: SyntheticCorpus) -> None:
    planned = sum(plan.share for plan in PLANS if plan.is_tie) / 100
    counts = [anchor_classes(tokenize(text.lower())).values() for text in corpus.test_texts]
    ties = [list(count).count(max(count)) == 2 for count in counts]
    assert np.mean(ties) == pytest.approx(planned, abs=0.01)


def test_in_a_tie_the_other_words_side_with_either_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "PLANS", [plan for plan in PLANS if plan.is_tie])
    sides = []
    for text in generate(4_000, 0, seed=0).train_texts:
        tokens = tokenize(text.lower())
        leans = Counter(LEAN_OF[token] for token in tokens if token in LEAN_OF)
        label = true_label(text)
        (other,) = anchor_classes(tokens).keys() - {label}
        if leans[label] != leans[other]:
            sides.append(leans[label] > leans[other])
    assert len(sides) > 2_000
    assert np.mean(sides) == pytest.approx(0.5, abs=4 * 0.5 / len(sides) ** 0.5)


@pytest.mark.parametrize("frame", [frame for _, frames in phrases.PAIR_PHRASES for frame in frames])
def test_in_a_pair_both_actors_have_the_same_neighbours(frame: str) -> None:
    parts = re.findall(r"{\w+}|\w+|[^\w\s]", frame)
    actor, other = parts.index("{actor}"), parts.index("{other}")
    assert actor < other
    assert parts[actor - 1] == parts[other - 1]
    assert parts[actor + 1] == parts[other + 1]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.title + "/" + "".join(plan.sentences))
def test_each_plan_gives_its_own_class_the_majority_or_the_first_word(plan: Plan) -> None:
    codes = plan.title + "".join(plan.sentences)
    weight = {"clause": 2, "mention": 1, "pair": 1, "filler": 0}
    own = sum(weight[KINDS[code]] for code in codes if code in "AaPQ")
    other = sum(weight[KINDS[code]] for code in codes if code in "BbPQ")
    assert (own == other) == plan.is_tie
    assert own >= other
    if plan.is_tie:
        assert codes.lstrip("-")[0] in "AaP"


def test_shares_add_up() -> None:
    assert sum(plan.share for plan in PLANS) == 100


# --- like AG News


def test_lengths_and_vocabulary_are_like_ag_news(corpus: SyntheticCorpus) -> None:
    lists = [tokenize(text.lower()) for text in corpus.train_texts]
    lengths = [len(tokens) for tokens in lists]
    low, middle, high = np.percentile(lengths, [5, 50, 95])
    assert 20 <= low <= 30
    assert 38 <= middle <= 46  # AG News: 45, mark-up included
    assert 62 <= high <= 80
    counts = Counter(chain.from_iterable(lists))
    assert 25_000 <= len(counts) <= 50_000  # AG News: 33,000 in as many texts
    assert len(set(chain.from_iterable(lists[:5_000]))) < 0.5 * len(counts)  # it grows
    frequencies = np.array(sorted(counts.values(), reverse=True)) / sum(lengths)
    assert 0.03 <= frequencies[0] <= 0.07  # 0.036
    ranks = np.array([10, 100, 1_000, 10_000])
    slope = np.polyfit(np.log(ranks), np.log(frequencies[ranks - 1]), 1)[0]
    assert -1.4 <= slope <= -0.9  # Zipf's law; AG News: -1.1


def test_sentences_read_like_sentences(corpus: SyntheticCorpus) -> None:
    for text in corpus.test_texts:
        assert not re.search(r"\b[Aa] [aeiouAEIOU]|[{}]|  |,,|\.\.| [.,]|^[a-z]|\. [a-z]", text), (
            text
        )
        assert text.endswith(".")


# --- the word lists


def test_an_anchor_belongs_to_one_class_and_stands_nowhere_else() -> None:
    classes: dict[str, set[int]] = {}
    for label, topics in enumerate(words.TOPICS):
        for topic in topics:
            for anchor in topic.actors + topic.objects:
                assert re.fullmatch(r"[a-z]+", anchor)
                classes.setdefault(anchor, set()).add(label)
    assert {anchor for anchor, labels in classes.items() if len(labels) > 1} == set()
    verbs = (topic.verbs for topics in words.TOPICS for topic in topics)
    frames = (frame for _, frames in ALL_PHRASES for frame in frames)
    literal = (re.findall(r"\w+", re.sub(r"{\w+}s?", " ", frame)) for frame in frames)
    units = [unit + "s" for unit in words.WORDS["unit"]]
    others = chain(*words.WORDS.values(), *words.LEANS, *verbs, *literal, units)
    assert {word.lower() for word in others} & classes.keys() == set()
    names = {
        (start + middle + ending).lower()
        for start in words.NAME_STARTS
        for middle in words.NAME_MIDDLES
        for endings in words.NAME_ENDINGS.values()
        for ending in endings
    }
    assert names & classes.keys() == set()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *words.WORDS.items(),
        *((f"lean {label}", options) for label, options in enumerate(words.LEANS)),
    ],
)
def test_a_list_holds_each_word_once(name: str, options: tuple[str, ...]) -> None:
    assert [word for word, count in Counter(options).items() if count > 1] == [], name
