"""Columns are guessed from names, then from content; where two are as good, nothing is."""

from collections.abc import Sequence

import pytest

from textcls.config.models import DataConfig
from textcls.data._column_choice import NoLabelColumnError, choose_columns
from textcls.exceptions import DataError

LONG = [f"this is number {i} of the long texts" for i in range(40)]
SHORT = [f"no {i} here" for i in range(40)]
TWO = ["yes", "no"] * 20
NINE = [f"part {i % 9}" for i in range(40)]
IDS = [str(i) for i in range(40)]
SCALE = [f"{i / 40:.2f}" for i in range(40)]

Columns = dict[str, Sequence[str]]


def chosen(columns: Columns, **settings: object) -> tuple[tuple[str, ...], str]:
    found = choose_columns("f.csv", list(columns), DataConfig.model_validate(settings), columns)
    return found.texts, found.label


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"review": LONG, "sentiment": TWO}, (("review",), "sentiment")),
        ({"Review Text": LONG, "Category": NINE}, (("Review Text",), "Category")),
        ({"v1": TWO, "v2": LONG, "": IDS}, (("v2",), "v1")),
        ({"tweetId": IDS, "tweet": LONG, "class": TWO}, (("tweet",), "class")),
        ({"title": SHORT, "content": LONG, "topic": NINE}, (("content",), "topic")),
        ({"title": SHORT, "description": LONG, "queue": NINE}, (("title", "description"), "queue")),
        ({"headline": SHORT, "category": NINE}, (("headline",), "category")),
        ({"id": IDS, "utterance": LONG, "intent": NINE}, (("utterance",), "intent")),
        ({"text": LONG, "label": TWO, "label_text": TWO}, (("text",), "label")),
        ({"text": LONG, "category": NINE, "category_name": NINE}, (("text",), "category")),
        (
            {"airline_sentiment": TWO, "airline_sentiment_confidence": SCALE, "text": LONG},
            (("text",), "airline_sentiment"),
        ),
        ({"was": TWO, "wort": LONG}, (("wort",), "was")),
        ({"nr": IDS, "wort": LONG, "kurz": SHORT, "was": TWO, "wo": NINE}, (("wort",), "was")),
    ],
)
def test_columns_are_guessed(columns: Columns, expected: tuple[tuple[str, ...], str]) -> None:
    assert chosen(columns) == expected


def test_the_usual_names_are_taken_without_a_word() -> None:
    columns = {"label": TWO, "text": LONG, "sentiment": NINE}
    found = choose_columns("f.csv", list(columns), DataConfig(), columns)
    assert (found.texts, found.label, found.notices) == (("text",), "label", ())


def test_a_guess_is_said_with_three_rows() -> None:
    columns = {"subject": SHORT, "body": LONG, "queue": TWO}
    (said,) = choose_columns("f.csv", list(columns), DataConfig(), columns).notices
    assert said == (
        "f.csv: 'body' is used as the text and 'queue' (2 values) as the label: 'yes' for 'this "
        "is number 0 of the long texts'; 'no' for 'this is number 1 of the long texts'; 'yes' for "
        "'this is number 2 of the long texts'; 'subject' could be read as well. --text and --label "
        "(data.text_columns, data.label_column) name others"
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"comment": LONG, "question": LONG, "label": TWO},
            "'comment', 'question' may each be the text; its columns are .* such as "
            r"--text comment,question --label label \(",
        ),
        (
            {"text": LONG, "topic": NINE, "sentiment": TWO},
            "'topic', 'sentiment' may each be the label; .*--text text --label topic ",
        ),
        (
            {"das eine": LONG, "das andere": LONG, "was": TWO},
            "may each be the text; .* --text 'das eine,das andere' --label was",
        ),
        ({"text": LONG, "wo": TWO, "was": TWO[1:] + ["no"] * 21}, "may each be the label"),
        ({"text": LONG, "score": SCALE}, "no column looks like the label; .*--label score"),
    ],
)
def test_two_as_good_stop_with_the_options_to_paste(columns: Columns, message: str) -> None:
    with pytest.raises(DataError, match=message):
        chosen(columns)


def test_one_column_named_leaves_the_other_to_be_guessed() -> None:
    columns: Columns = {"comment": LONG, "question": LONG, "topic": NINE, "sentiment": TWO}
    assert chosen(columns, text_columns="comment,question", label_column="topic") == (
        ("comment", "question"),
        "topic",
    )
    del columns["topic"]
    assert chosen(columns, text_columns="question") == (("question",), "sentiment")


@pytest.mark.parametrize("given", ["review", ["review"], ("review",)])
def test_one_name_alone_is_a_list_of_one(given: object) -> None:
    assert DataConfig.model_validate({"text_columns": given}).text_columns == ("review",)


def test_a_missing_label_is_told_apart() -> None:
    with pytest.raises(NoLabelColumnError, match=r"no column 'topic' \(data.label_column\)"):
        chosen({"text": LONG}, text_columns="text", label_column="topic")
