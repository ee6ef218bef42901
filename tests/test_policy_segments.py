"""The tokens of one window -> segments."""

from dataclasses import replace

import pytest

import fake_core
from fake_core import at, word
from sottovoce.policy.segments import (
    Cut,
    cut_window,
    full_text,
    with_whole_characters,
    without_empty_speech,
)
from sottovoce.policy.window import Window
from sottovoce.results import Alternative, Hypothesis, WindowResult

TOKENIZER = fake_core.tokenizer()
SPECIAL = TOKENIZER.special


def cut_result(tokens, seek=0, size=3000) -> Cut:
    heard = WindowResult(tuple(tokens), "", "en", 0.4, -0.5, 0.1, 1.5)
    return cut_window(Window(seek, size), heard, TOKENIZER)


def cut(tokens, seek=0, size=3000):
    """(start, end, tokens) of each segment, and where to go on."""
    found = cut_result(tokens, seek, size)
    return [(s.start, s.end, list(s.tokens)) for s in found.segments], found.seek


def test_adjacent_timestamps_end_one_segment_and_start_the_next():
    tokens = [at(0), word(1), at(2), at(2.5), word(2), at(4), at(4)]
    segments, seek = cut(tokens)
    assert segments == [(0.0, 2.0, tokens[:3]), (2.5, 4.0, tokens[3:6])]
    assert seek == 400


def test_each_segment_has_what_is_known_of_its_tokens():
    tokens = (at(0), word(1), at(2), at(2.5), word(2), at(4), at(4))
    kinds = [(Alternative(token, "", -1.0),) for token in tokens]
    one = Hypothesis("w1", tokens, -0.5, -0.5)
    heard = WindowResult(
        tokens,
        "",
        "en",
        0.4,
        -0.5,
        0.1,
        1.5,
        tuple(-0.1 * i for i in range(7)),
        tuple(kinds),
        (one,),
    )
    first, second = cut_window(Window(0, 3000), heard, TOKENIZER).segments
    assert first.logprobs == heard.logprobs[:3]
    assert second.logprobs == heard.logprobs[3:6]
    assert second.alternatives == tuple(kinds[3:6])
    assert first.hypotheses == second.hypotheses == (one,)
    emptied = without_empty_speech(replace(first, end=first.start))
    assert (emptied.tokens, emptied.logprobs, emptied.alternatives) == ((), (), ())


def test_words_after_the_last_pair_are_left_to_the_next_window():
    segments, seek = cut([at(0), word(1), at(2), at(2), word(2), word(3)], seek=100)
    assert segments == [(1.0, 3.0, [at(0), word(1), at(2)])]
    assert seek == 100 + 200


def test_a_single_timestamp_at_the_end_finishes_the_window():
    tokens = [at(0), word(1), at(2), at(2), word(2), at(9)]
    segments, seek = cut(tokens, size=1000)
    assert segments == [(0.0, 2.0, tokens[:3]), (2.0, 9.0, tokens[3:])]
    assert seek == 1000


def test_without_a_pair_the_last_timestamp_ends_the_only_segment():
    tokens = [at(0.5), word(1), at(7)]
    assert cut(tokens, seek=3000) == ([(30.0, 37.0, tokens)], 6000)


@pytest.mark.parametrize("tokens", [[word(1)], [at(0), word(1)], []])
def test_without_an_end_the_only_segment_lasts_as_long_as_the_window(tokens):
    assert cut(tokens, size=1234) == ([(0.0, 12.34, tokens)], 1234)


def test_words_before_the_first_timestamp_start_with_the_window():
    assert cut([word(1), at(2), at(2)], seek=100)[0] == [(1.0, 3.0, [word(1), at(2)])]


def test_a_lone_start_timestamp_is_taken_for_the_end_as_in_the_reference():
    assert cut([at(1.5), word(1)])[0] == [(0.0, 1.5, [at(1.5), word(1)])]


def test_a_pair_at_zero_does_not_hold_the_walk_up():
    assert cut([at(0), at(0), word(1)], size=500)[1] == 500


def test_segment_text_is_the_words_and_tokens_keep_the_timestamps():
    (segment,) = cut_result([at(0), word(1), SPECIAL.sot, word(2), at(30)]).segments
    assert segment.text == " w1 w2"
    assert segment.tokens == (at(0), word(1), SPECIAL.sot, word(2), at(30))


def test_segments_carry_the_figures_of_their_window():
    (segment,) = cut_result([at(0), word(1), at(1)], seek=200).segments
    assert (segment.seek, segment.temperature, segment.avg_logprob) == (200, 0.4, -0.5)
    assert (segment.no_speech_prob, segment.compression_ratio) == (0.1, 1.5)


def test_segments_without_length_or_words_are_emptied_not_dropped():
    tokens = [at(0), word(1), at(0), at(0), 220, at(2), at(2), word(2), at(3)]
    segments = [without_empty_speech(s) for s in cut_result(tokens).segments]
    assert [s.text for s in segments] == ["", "", " w2"]
    assert [s.tokens for s in segments] == [(), (), (at(2), word(2), at(3))]
    assert [s.is_empty for s in segments] == [True, True, False]
    assert [(s.start, s.end) for s in segments] == [(0, 0), (0, 2), (2, 3)]


def test_text_is_decoded_at_once_because_characters_may_span_segments():
    first, *rest = TOKENIZER.encode("☀")  # three bytes, three tokens
    assert len(rest) == 2
    tokens = [at(0), first, at(1), at(1), *rest, at(2)]
    segments = cut_result(tokens).segments
    assert [s.text for s in segments] == ["\ufffd", "\ufffd\ufffd"]
    assert full_text(segments, TOKENIZER) == "☀"
    assert full_text([], TOKENIZER) == ""


def spelled(*parts: list[int]) -> list[str]:
    """What stands in each segment of a window whose segments have these words."""
    tokens = [t for i, part in enumerate(parts) for t in (at(i), *part, at(i + 1))]
    spoken = map(without_empty_speech, cut_result(tokens).segments)
    segments = with_whole_characters(spoken, TOKENIZER)
    assert [s.tokens[1:-1] for s in segments] == [tuple(part) for part in parts]
    if not any("\ufffd" in s.text for s in segments):
        assert "".join(s.text for s in segments) == full_text(segments, TOKENIZER)
    return [s.text for s in segments]


@pytest.mark.parametrize("character", ["é", "☀", "語", "🎉"])
def test_a_character_is_whole_in_the_segment_in_which_it_begins(character):
    tokens = TOKENIZER.encode(character)  # a byte each
    for i in range(1, len(tokens)):
        said = [word(1), *tokens[:i]], [*tokens[i:], word(2)]
        assert spelled(*said) == [f" w1{character}", " w2"]


def test_whole_characters_stay_where_they_are():
    assert spelled([word(1)], [word(2)], TOKENIZER.encode("é"), [word(3)]) == [
        " w1", " w2", "é", " w3"
    ]  # fmt: skip


def test_a_character_may_lie_in_many_segments():
    assert spelled(*([token] for token in TOKENIZER.encode("🎉"))) == ["🎉", "", "", ""]


def test_what_is_no_character_is_as_in_the_reference():
    first, second, third = TOKENIZER.encode("☀")
    assert spelled([first], [third, word(1)]) == ["\ufffd", "\ufffd w1"]
    assert spelled([first, second], [word(1)]) == ["\ufffd", " w1"]
    assert spelled([second], [third]) == ["\ufffd", "\ufffd"]
    assert spelled([*TOKENIZER.encode("é")], [third]) == ["é", "\ufffd"]


def test_bytes_of_an_emptied_segment_are_not_joined():
    first, *rest = TOKENIZER.encode("☀")
    tokens = [at(0), first, at(0), at(0), *rest, at(1)]
    spoken = map(without_empty_speech, cut_result(tokens).segments)
    segments = with_whole_characters(spoken, TOKENIZER)
    assert [s.text for s in segments] == ["", full_text(segments, TOKENIZER)]
