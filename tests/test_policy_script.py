"""A script's words, their times and the segments that they make."""

import pytest

import fake_core
from sottovoce import ScriptError
from sottovoce.policy.script import (
    aligned_words,
    check_related,
    heard_units,
    match,
    script_segments,
    script_words,
)
from sottovoce.results import Word


def words_of(script: str) -> list[str]:
    return [script[word.begin : word.end] for word in script_words(script)]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("One, two — three!", ["One,", "two —", "three!"]),
        ("“… so", ["“… so"]),
        ("- a\n- b", ["- a\n-", "b"]),
        ("你好,世界。", ["你", "好,", "世", "界。"]),
        ("iPhone发布", ["iPhone", "发", "布"]),
        ("well-known", ["well-known"]),
    ],
)
def test_marks_belong_to_words(script, words):
    assert words_of(script) == words


def test_words_hold_all_of_a_script_but_its_white_space(rng):
    letters = [*"ab '\"-.,\n\t你界é", "\u0301"]
    for _ in range(300):
        script = "".join(rng.choice(letters, size=rng.integers(1, 30)))
        found = aligned_words(script, script_words(script))
        rest = list(script)
        for word in found:
            begin, end = word.span
            assert word.word in (script[begin:end], " " + script[begin:end])
            rest[begin:end] = [""] * (end - begin)
        assert not "".join(rest).strip()


HEARD = [
    Word(" One", 0.0, 0.5, 0.9),
    Word(" well-known", 1.0, 2.0, 0.8),
    Word(" three.", 2.0, 2.5, 0.5),
]


def aligned(script: str):
    words = script_words(script)
    match(words, heard_units(HEARD))
    return aligned_words(script, words)


def test_words_take_the_times_of_what_was_heard():
    found = aligned("One well known thing: THREE")
    assert [(w.word, w.start, w.end, w.is_said) for w in found] == [
        (" One", 0.0, 0.5, True),
        (" well", 1.0, 1.44, True),
        (" known", 1.44, 2.0, True),
        (" thing:", None, None, False),
        (" THREE", 2.0, 2.5, True),
    ]
    assert [w.probability for w in found] == [0.9, 0.8, 0.8, 0.0, 0.5]


def test_segments_are_lines_and_sentences_that_were_said():
    script = "One. Nothing of this!\nWell-known\nthree"
    found = aligned(script)
    segments = list(script_segments(script, found, fake_core.tokenizer()))
    assert [(s.id, s.text, s.start, s.end) for s in segments] == [
        (0, " One.", 0.0, 0.5),
        (1, " Well-known", 1.0, 2.0),
        (2, " three", 2.0, 2.5),
    ]
    assert [word.word for s in segments for word in s.words] == [" One.", " Well-known", " three"]


def test_a_text_of_something_else_is_refused():
    words = script_words("completely other words than those")
    match(words, heard_units(HEARD))
    with pytest.raises(
        ScriptError, match="0 of the text's 5 words are among the 3 that were heard"
    ):
        check_related(words, heard_units(HEARD))
    with pytest.raises(ScriptError, match="no word was heard"):
        check_related(words, [])


@pytest.mark.parametrize("script", ["One", "One well-known three " + "and more " * 50])
def test_one_may_hold_much_more_than_the_other(script):
    words = script_words(script)
    match(words, heard_units(HEARD))
    check_related(words, heard_units(HEARD))
