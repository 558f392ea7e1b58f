import pytest

from textcls.text.language import is_english


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("How do you change the colour of a plot in R when it has two axes?", True),
        ("a gripping film that is never dull", True),
        ("Der Drucker hat keine Tinte mehr und die Lampe ist an", False),
        ("De kat van de buren was in de tuin, of is het toch een hond", False),
        ("El perro y la gata son de la casa, que es muy grande", False),
        ("Det är en bra dag för oss i stan, den vi har väntat på", False),
        ("这家店的菜很好吃", False),
        ("", False),
    ],
)
def test_english_is_told_by_its_common_words(text: str, english: bool) -> None:
    assert is_english([text]) is english


def test_no_texts_are_not_english() -> None:
    assert not is_english([])
