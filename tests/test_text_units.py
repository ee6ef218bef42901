"""Units in which texts are compared: what two spellings of the same speech share."""

import pytest

from sottovoce.text.units import units


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("don't DON’T dont", ["dont"] * 3),
        ("'quoted' rock'n'roll ''", ["quoted", "rocknroll"]),
        ("well-known forty-two", ["well", "known", "forty", "two"]),
        ("café cafe\u0301 CAFE", ["cafe"] * 3),
        ("Größe ﬁn ＡＢＣ１", ["grosse", "fin", "abc1"]),
        ("$3.50 — 10%", ["3", "50", "10"]),
        ("你好,world。", ["你", "好", "world"]),
        ("カード", ["カー", "ト\u3099"]),
        ("नमस्ते दुनिया", ["नमसत", "दनय"]),
        ("مرحبا بكم", ["مرحبا", "بكم"]),
        ("... -- !", []),
        ("", []),
    ],
)
def test_keys_leave_out_what_nobody_says(text, keys):
    assert [unit.key for unit in units(text)] == keys


def test_places_are_those_of_the_text():
    text = "  Say “naïve” — 图书館!"
    assert [text[unit.begin : unit.end] for unit in units(text)] == ["Say", "naïve", *"图书館"]


def test_any_text_has_units_in_order(rng):
    for _ in range(300):
        text = "".join(map(chr, rng.choice(0xD000, size=rng.integers(40))))
        found = units(text)
        places = [place for unit in found for place in (unit.begin, unit.end)]
        assert places == sorted(places)
        assert all(unit.key and unit.begin < unit.end for unit in found)
