"""Languages by every name and code that people have for them."""

import re

import pytest

from sottovoce.text.languages import LANGUAGES, language_code, spoken_language


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("zh-CN", "zh"), ("zh_TW", "zh"), ("zh-Hant-TW", "zh"), ("zh-yue", "yue"), ("cmn", "zh"),
        ("yue-HK", "yue"), ("en-US", "en"), ("EN_us", "en"), ("en_US.UTF-8", "en"), ("eng", "en"),
        ("pt_BR", "pt"), ("es-419", "es"), ("sr_RS@latin", "sr"), ("sh", "sr"), ("fil", "tl"),
        ("fil-PH", "tl"), ("iw", "he"), ("iw-IL", "he"), ("in", "id"), ("ji", "yi"), ("jv", "jw"),
        ("jav", "jw"), ("nb", "no"), ("nb-NO", "no"), ("nob", "no"), ("nn", "nn"), ("nno", "nn"),
        ("ger", "de"), ("deu", "de"), ("de-CH-1901", "de"), ("fre", "fr"), ("chi", "zh"),
        ("arz", "ar"), ("ar-arz", "ar"), ("mo", "ro"), ("haw", "haw"), (" Eng ", "en"),
    ],
)  # fmt: skip
def test_codes_of_iso_639_are_taken_and_regions_dropped(given, code):
    assert language_code(given) == code


def test_every_language_has_a_code_of_three_letters():
    """ISO 639-3's, one for each: of Whisper's own codes two have three letters."""
    from sottovoce.text import languages

    others = languages._CODES_BY_OTHER_CODE
    assert {code for other, code in others.items() if len(other) == 3} | {"haw", "yue"} == {
        *LANGUAGES
    }
    assert not others.keys() & LANGUAGES.keys()
    assert all(re.fullmatch("[a-z]{2,3}", other) for other in others)
    rows = [row.split() for row in languages._OTHER_CODES.split(",")]
    listed = [other for row in rows for other in row[1:]]
    assert len(listed) == len(set(listed)) == len(others)


@pytest.mark.parametrize("given", ["auto", "AUTO", " auto ", ""])
def test_detection_may_be_asked_for(given):
    assert spoken_language(given) is None
    with pytest.raises(ValueError, match="language must be one of"):
        language_code(given)


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("germann", "german"), ("portugese", "portuguese"), ("chinise", "chinese"),
        ("Englsh", "english"), ("mandrin", "mandarin"), ("norwegain", "norwegian"),
    ],
)  # fmt: skip
def test_a_misspelt_language_gets_a_hint(given, near):
    with pytest.raises(ValueError, match=rf"got '{given}'; did you mean '{near}'\?$"):
        language_code(given)


@pytest.mark.parametrize("given", ["xx", "qqq", "auto", "xx-YY", "klingon", "en-", "-", "e", "12"])
def test_what_is_near_to_nothing_gets_no_guess(given):
    with pytest.raises(ValueError, match=rf"100 codes or names, got '{given}'$"):
        language_code(given)
