"""The seek loop, with a scripted core: what it hears, where it goes on, what prompts it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import fake_core
from fake_core import FakeCore, Heard, at, run, silence, word
from sottovoce import _core
from sottovoce.policy.seek import clips

TOKENIZER = fake_core.tokenizer()
LONG = Heard([at(0), word(1), at(30)])  # one sentence that fills a window


@pytest.fixture(autouse=True)
def open_options(monkeypatch):
    """The core's options tell nobody what they hold; these do."""
    monkeypatch.setattr(_core, "DecodingOptions", SimpleNamespace)


# --- windows ---


def test_windows_follow_each_other_and_the_last_one_is_short():
    segments, core = run([LONG, LONG, Heard([at(0), word(2), at(4)])], 64.5)
    assert [mel.shape for mel in core.encoded] == [(80, 3000), (80, 3000), (80, 450)]
    assert [s.seek for s in segments] == [0, 3000, 6000]
    assert [s.id for s in segments] == [0, 1, 2]
    assert segments[2].end == 64.0


def test_a_window_starts_where_the_last_finished_sentence_ended():
    first = Heard([at(0), word(1), at(20), at(20), word(2)])
    _, core = run([first, LONG, LONG], 60)
    assert [mel.shape[1] for mel in core.encoded] == [3000, 3000, 1000]


def test_the_windows_are_slices_of_one_mel_padded_with_thirty_seconds(jfk):
    core = FakeCore([Heard([at(0), word(1), at(5), at(5), word(2)]), LONG])
    segments, _ = core.model().transcribe(jfk, language="en")
    list(segments)
    mel = _core.log_mel(jfk, 80, padding=480000)
    assert mel.shape == (80, 1100 + 3000)
    assert np.array_equal(core.encoded[0], mel[:, :1100])
    assert np.array_equal(core.encoded[1], mel[:, 500:1100])


def test_silence_is_skipped_without_a_segment_and_without_a_trace_in_the_prompt():
    quiet = Heard([word(9)], avg_logprob=-1.5, no_speech_prob=0.9)
    segments, core = run([LONG, quiet, LONG], 90)
    assert [s.seek for s in segments] == [0, 6000]
    assert [s.id for s in segments] == [0, 1]
    assert core.prompts()[2] == LONG.tokens


def test_confident_words_are_kept_despite_no_speech():
    segments, _ = run([Heard([word(9)], avg_logprob=-0.9, no_speech_prob=0.9)], 30)
    assert [s.text for s in segments] == [" w9"]


def test_each_window_is_encoded_once_for_all_temperatures():
    script = [Heard([word(1)], avg_logprob=-3.0)] * 3
    segments, core = run(script, 30, temperature=(0.0, 0.2, 0.6))
    assert len(core.encoded) == 1
    assert len(core.asked) == 3
    assert segments[0].temperature == 0.6


# --- clips ---


@pytest.mark.parametrize(
    ("timestamps", "expected"),
    [
        ([0.0], [(0, 5000)]),
        ([], [(0, 5000)]),
        ([1.0, 2.0], [(100, 200)]),
        ([1.0, 2.0, 3.005], [(100, 200), (300, 5000)]),
        ([0.0, 99.0], [(0, 5000)]),  # an end beyond the audio
        ([3.0, 4.0, 1.0, 2.0], [(300, 400), (100, 200)]),
    ],
)
def test_clips_are_pairs_and_a_missing_end_is_the_end_of_the_audio(timestamps, expected):
    assert clips(timestamps, 5000) == expected


def test_windows_stay_inside_their_clips():
    segments, core = run([LONG, LONG, LONG], 90, clip_timestamps="10,12.5,50")
    assert [mel.shape[1] for mel in core.encoded] == [250, 3000, 1000]
    assert [s.seek for s in segments] == [1000, 5000, 8000]


@pytest.mark.parametrize("clip_timestamps", ["100", "100,200", "5,5"])
def test_clips_without_audio_are_passed_over(clip_timestamps):
    segments, core = run([], 60, clip_timestamps=clip_timestamps)
    assert (segments, core.encoded) == ([], [])


# --- prompts ---


def test_a_window_is_prompted_with_all_tokens_before_it_timestamps_included():
    _, core = run([LONG, LONG, LONG], 90)
    assert core.prompts() == [[], LONG.tokens, LONG.tokens * 2]


def test_unconditioned_windows_are_not_prompted():
    _, core = run([LONG, LONG], 60, condition_on_previous_text=False)
    assert core.prompts() == [[], []]


def test_the_initial_prompt_precedes_what_was_said():
    _, core = run([LONG, LONG], 60, initial_prompt=" the ")
    the = TOKENIZER.encode(" the")
    assert core.prompts() == [the, the + LONG.tokens]


def test_the_initial_prompt_is_forgotten_with_the_rest_if_unconditioned():
    _, core = run([LONG, LONG], 60, initial_prompt=[5], condition_on_previous_text=False)
    assert core.prompts() == [[5], []]


def test_a_hot_window_does_not_prompt_the_next_and_takes_the_past_with_it():
    def hear(options):
        first = len(core.asked) == 1
        return replace(LONG, avg_logprob=-2.0 if not first and options.temperature < 0.6 else -0.1)

    core = FakeCore(hear)
    segments, _ = core.model().transcribe(
        silence(90), language="en", temperature=(0.0, 0.6), initial_prompt=[5]
    )
    assert [s.temperature for s in segments] == [0.0, 0.6, 0.6]
    past = [5, *LONG.tokens]
    assert core.prompts() == [[5], past, past, [], []]


def test_a_window_at_half_heat_still_prompts_the_next():
    _, core = run([LONG, LONG], 60, temperature=0.5)
    assert core.prompts() == [[], LONG.tokens]


def test_emptied_segments_leave_the_prompt():
    _, core = run([Heard([at(0), 220, at(30)]), LONG], 60)
    assert core.prompts() == [[], []]


def test_a_carried_initial_prompt_stands_before_every_window():
    keywords = {"initial_prompt": [5, 6], "carry_initial_prompt": True}
    _, core = run([LONG, LONG], 60, condition_on_previous_text=False, **keywords)
    assert core.prompts() == [[5, 6], [5, 6]]
    _, core = run([LONG, LONG], 60, **keywords)
    assert core.prompts() == [[5, 6], [5, 6, *LONG.tokens]]


def test_a_carried_initial_prompt_shortens_the_rest_to_223_tokens_in_all():
    talk = Heard([at(0), *[word(i) for i in range(100)], at(30)])
    initial = list(range(300, 350))
    _, core = run([talk] * 3, 90, initial_prompt=initial, carry_initial_prompt=True)
    said = [*talk.tokens, *talk.tokens]
    assert core.prompts()[2] == initial + said[-173:]


def test_a_carried_initial_prompt_without_room_gives_way_as_in_the_reference():
    initial = list(range(300, 300 + 230))
    _, core = run([LONG] * 3, 90, initial_prompt=initial, carry_initial_prompt=True)
    said = [*LONG.tokens, *LONG.tokens]
    assert core.prompts()[2] == (initial + said[7:])[-223:]
    full = list(range(300, 300 + 223))
    _, core = run([LONG] * 3, 90, initial_prompt=full, carry_initial_prompt=True)
    assert core.prompts()[2] == (full + said)[-223:]


def test_a_prefix_starts_every_window():
    _, core = run([LONG, LONG], 60, prefix=[7])
    assert [o.initial_tokens[-1] for o in core.asked] == [7, 7]


def test_ids_count_all_segments_the_emptied_ones_too():
    first = Heard([at(0), 220, at(2), at(2), word(1), at(9)])
    segments, _ = run([first, LONG], 60)
    assert [(s.id, s.is_empty) for s in segments] == [(0, True), (1, False), (2, False)]
