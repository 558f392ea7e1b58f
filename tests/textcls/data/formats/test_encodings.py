"""The encoding of a file is told by its content, said, and can be named."""

# ruff: noqa: E501, RUF001 (texts of many languages, as long as they are)

from pathlib import Path

import pytest
from dataset_parts import read_data

from textcls.data.formats.encodings import detect_encoding, guess_encoding
from textcls.exceptions import DataError

FRENCH = "Le produit est très bon, je l’ai reçu à midi.|oui\nJamais plus, ça ne marche pas.|non\n"
TEXTS = {
    "cp1252": FRENCH,
    "cp1250": "Ten produkt jest naprawdę świetny, polecam.|tak\nNie działa, żądam zwrotu.|nie\n",
    "cp1251": "Очень хороший фильм, всем советую.|да\nПлохой фильм, не ходите.|нет\n",
    "cp1253": "Το φαγητό ήταν πολύ καλό και φτηνό.|ναι\nΔεν μου άρεσε η εξυπηρέτηση.|όχι\n",
    "cp1254": "Çok güzel, herkese tavsiye ederim, kargo da hızlı.|iyi\nHiç beğenmedim, şikayet.|kötü\n",
    "cp1255": "האוכל היה טעים מאוד והשירות מצוין.|כן\nלא אהבתי את המסעדה הזאת בכלל.|לא\n",
    "cp1256": "الطعام لذيذ جدا والخدمة ممتازة.|نعم\nلم يعجبني هذا المطعم أبدا.|لا\n",
    "koi8_r": "Очень хороший фильм, всем советую.|да\nПлохой фильм, не ходите.|нет\n",
    "gb18030": "很快，好吃，味道足，量大，下次还来|好\n送餐太慢了，一点都不好吃，再也不买|差\n",
    "cp932": "とても美味しいです、また買います|良\n遅くてまずいです、もう買いません|悪\n",
    "euc_jp": "とても美味しいです、また買います|良\n遅くてまずいです、もう買いません|悪\n",
    "cp949": "아주 맛있어요, 또 살게요|좋음\n너무 늦게 왔어요, 맛도 없어요|나쁨\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_a_file_in_another_encoding_is_read_and_the_encoding_said(
    tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "rows.csv"
    content = "text|label\n" + TEXTS[encoding] * 10
    file.write_bytes(content.encode(encoding))
    data = read_data(file)
    expected = {line.split("|")[0] for line in TEXTS[encoding].splitlines()}
    found = {text for split in data.splits.values() for text in split.texts.to_pylist()}
    assert found == expected
    (said,) = [notice for notice in data.notices if "data.encoding names another" in notice]
    assert f"read as {encoding}, such as" in said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_certain(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(("text,label\n" + "é one,a\ntwo,b\n" * 10).encode(encoding))
    data = read_data(file)
    assert {text for s in data.splits.values() for text in s.texts.to_pylist()} == {"é one", "two"}
    assert len(data.notices) == (2 if "16" in encoding else 1)


def test_an_encoding_that_is_named_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(("text,label\n" + "é one,a\ntwo,b\n" * 10).encode("cp1252"))
    data = read_data(file, encoding="cp1251")
    assert "й one" in data.splits["train"].texts.to_pylist()
    assert not [notice for notice in data.notices if "read as" in notice]


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(("text,label\n" + "é one,a\ntwo,b\n" * 10 + " ,a\n").encode("utf-16"))
    with pytest.raises(DataError, match=r"1 row has an empty text \(line 22\)"):
        read_data(file)


def test_utf8_with_damage_stays_utf8(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes("naïve café,a\n".encode() + b"caf\xe9,b\n")
    assert detect_encoding(file).name == "utf-8"
    file.write_bytes(b"text,label\na\xff,b\n")  # no letter that anybody writes
    assert detect_encoding(file).name == "utf-8"


@pytest.mark.parametrize("sample", ["£1000 won call now", "café", "“hm” – 5 €"])
def test_few_letters_are_western(sample: str) -> None:
    assert guess_encoding(sample.encode("cp1252")) == "cp1252"


def test_an_encoding_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"text,label\ncaf\xe9,a\n")
    with pytest.raises(DataError, match="not all of it is shift_jis"):
        read_data(file, encoding="shift_jis")


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be an encoding that Python knows, such as cp1252"):
        read_data(tmp_path, encoding="klingon")
