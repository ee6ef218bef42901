"""What a window starts with: the first tokens of each, and what a prompt leaves room for."""

import pytest

import fake_core
from fake_core import ENGLISH
from sottovoce.options import DecodeOptions
from sottovoce.policy.prompt import initial_tokens

TOKENIZER = fake_core.tokenizer()
SPECIAL = TOKENIZER.special
SOT = [SPECIAL.sot, SPECIAL.sot + 1, SPECIAL.transcribe]  # of English speech


def start(**keywords) -> list[int]:
    return initial_tokens(TOKENIZER, 448, DecodeOptions.from_keywords(keywords), "en")


def test_a_window_starts_with_the_sot_sequence():
    assert start() == SOT
    assert start(without_timestamps=True) == [*SOT, SPECIAL.no_timestamps]
    assert start(task="translate")[-1] == SPECIAL.translate


def test_a_prompt_stands_before_sot():
    assert start(prompt=[5, 6]) == [SPECIAL.sot_prev, 5, 6, *SOT]


def test_only_the_last_223_tokens_of_a_prompt_count():
    assert start(prompt=list(range(300))) == [SPECIAL.sot_prev, *range(77, 300), *SOT]


def test_an_empty_prompt_adds_no_sot_prev():
    assert start(prompt="") == start(prompt=[]) == SOT


def test_a_string_gets_one_space_in_front():
    assert start(prompt="  hi \n") == [SPECIAL.sot_prev, *TOKENIZER.encode(" hi"), *SOT]
    assert start(prefix="hi") == [*SOT, *TOKENIZER.encode(" hi")]


def test_a_prefix_is_kept_whole_by_default():
    assert start(prefix=list(range(100, 200))) == [*SOT, *range(100, 200)]


def test_a_prefix_is_cut_to_what_sample_len_leaves_of_half_the_context():
    assert start(prefix=[1, 2, 3, 4], sample_len=222) == [*SOT, 3, 4]


def test_a_prefix_after_more_than_half_the_context_loses_its_start():
    assert start(prefix=[1, 2, 3, 4], sample_len=225) == [*SOT, 2, 3, 4]


def test_a_prefix_follows_no_timestamps():
    assert start(prefix=[1], without_timestamps=True) == [*SOT, SPECIAL.no_timestamps, 1]


def test_too_much_to_start_with_is_refused():
    with pytest.raises(ValueError, match=r"must be <= n_text_ctx=448, got 503"):
        start(prefix=[1] * 500)


def test_prompt_ids_outside_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"in \[0, n_vocab=51865\), got 51865"):
        start(prompt=[51865])


def test_english_only_starts_with_sot_whatever_the_task():
    english = fake_core.tokenizer(ENGLISH)
    wanted = DecodeOptions(task="translate")
    assert initial_tokens(english, 448, wanted, "en") == [english.special.sot]
