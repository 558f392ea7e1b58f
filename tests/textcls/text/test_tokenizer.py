import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.tokenize import WordPunctTokenizer

from textcls.text.tokenizer import choose_tokenizer, tokenize, tokenize_cased

SHARED = Path(__file__).parents[4] / "shared"
EVERYTHING = 10**6

nltk_tokens = WordPunctTokenizer().tokenize


def reference(text: str, max_length: int = EVERYTHING) -> list[str]:
    return [token.lower() for token in nltk_tokens(text)[:max_length]]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Good muffins cost $3.88\nin New York.",
         ["good", "muffins", "cost", "$", "3", ".", "88", "in", "new", "york", "."]),
        ("Wall St. Bears -- #39;s &lt;b&gt; A\\B",
         ["wall", "st", ".", "bears", "--", "#", "39", ";", "s",
          "&", "lt", ";", "b", "&", "gt", ";", "a", "\\", "b"]),
        ("snake_case, don't", ["snake_case", ",", "don", "'", "t"]),
        ("", []),
        (" \t\r\n\v\f\u00a0\u2003\u2028", []),
    ],
)  # fmt: skip
def test_words_and_runs_of_punctuation_become_lower_case_tokens(
    text: str, tokens: list[str]
) -> None:
    assert tokenize(text, EVERYTHING) == tokens == reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9 cafe\u0301 nai\u0308ve",  # composed and combining accents
        "हिन्दी में लिखा हुआ, แปลภาษาไทย",  # vowel signs are marks, not letters
        "ΟΔΥΣΣΕΥΣ'Σ ΑΣ.Α ΣΑΣ",  # noqa: RUF001 (a final sigma depends on what follows it)
        "İstanbul Iğdır straße ǅ ﬁn",  # noqa: RUF001 (lower case may be longer than upper)
        "北京2008年奥运会。「日本語」テスト、한국어",
        "😀😀 👩‍👩‍👧 x️⃣ 🇫🇷! a\u200db c\u00add",
        "a\x00b \x1c\x1d\x1e\x1f\x85c \x7f d",
        "½ ² Ⅷ ٣ ೬ _‿_ €5 £6 ªº",
        "\ufeffbom \U0001d54f\U0001d7d8 \ue000 \uffff",
        "".join(map(chr, range(0x250))),
    ],
)
def test_awkward_unicode_is_cut_as_nltk_cuts_it(text: str) -> None:
    assert tokenize(text, EVERYTHING) == reference(text)


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.integers(1, 20))
def test_any_text_gives_the_first_tokens_of_nltk(text: str, max_length: int) -> None:
    assert tokenize(text, max_length) == reference(text, max_length)


@given(st.text("aB1_ .é", max_size=120), st.integers(1, 4))
def test_a_text_much_longer_than_asked_loses_nothing_at_the_cut(text: str, max_length: int) -> None:
    assert tokenize(text, max_length) == reference(text, max_length)


def test_a_long_text_with_few_tokens_is_read_to_its_end() -> None:
    text = "a" * 5000 + " " * 5000 + "B!"
    assert tokenize(text, 3) == ["a" * 5000, "b", "!"]


def test_a_token_longer_than_the_head_is_not_cut() -> None:
    assert tokenize("a" * 100 + " b", 1) == ["a" * 100]


def test_news_texts_are_cut_as_nltk_cuts_them() -> None:
    path = SHARED / "data/ag_news/test.csv"
    if not path.exists():
        pytest.skip(f"no AG News at {path}")
    with path.open(encoding="utf-8", newline="") as file:
        texts = [" ".join(row[1:]) for row in csv.reader(file)][:2000]
    assert all(tokenize(text, 128) == reference(text, 128) for text in texts)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("味道足，很好吃", ["味", "道", "足", "，", "很", "好", "吃"]),  # noqa: RUF001
        ("Tokyoは東京です。", ["tokyo", "は", "東", "京", "で", "す", "。"]),
        ("コーヒー OK 2024年", ["コ", "ー", "ヒ", "ー", "ok", "2024", "年"]),
        ("อาหารดี", ["อ", "า", "ห", "า", "ร", "ดี"]),
        ("맛있어요 good", ["맛", "있", "어", "요", "good"]),
        ("don't stop", ["don", "'", "t", "stop"]),
        ("naïve café, Хорошо", ["naïve", "café", ",", "хорошо"]),
    ],
)
def test_characters_of_scripts_without_blanks_are_tokens(text: str, tokens: list[str]) -> None:
    assert tokenize(text, EVERYTHING, "characters") == tokens


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_both_tokenizers_keep_every_visible_character(text: str) -> None:
    whole = "".join(tokenize_cased(text, EVERYTHING))
    assert "".join(tokenize_cased(text, EVERYTHING, "characters")) == whole


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["很快，好吃", "送餐太慢了"], "characters"),  # noqa: RUF001
        (["とても美味しい"], "characters"),
        (["อาหารอร่อยมาก"], "characters"),
        (["아주 맛있어요"], "characters"),
        (["good food", "東京"] + ["many words of english"] * 5, "wordpunct"),
        (["Очень хороший", "الطعام لذيذ", "very good"], "wordpunct"),
        (["", "123 !"], "wordpunct"),
    ],
)
def test_the_script_decides(texts: list[str], name: str) -> None:
    assert choose_tokenizer(texts) == name
