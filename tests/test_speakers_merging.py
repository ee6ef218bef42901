"""Words get the speakers of turns, and segments are cut where these change."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tiny_whisper
from sottovoce import Alternative, Segment, Transcription, Word
from sottovoce.speakers import Speakers, as_turns
from sottovoce.speakers.cutting import _parts

BEGIN = 50364  # the first timestamp


def segment(words, *, text=None, seek=0, **changes) -> Segment:
    """Of words with one token each, or more; with a timestamp in front and one behind."""
    tokens = (BEGIN, *(token for word in words for token in word.tokens), BEGIN + 50)
    return replace(
        Segment(
            id=0,
            seek=seek,
            start=words[0].start if words else 0.0,
            end=words[-1].end if words else 1.0,
            text="".join(word.word for word in words) if text is None else text,
            tokens=tokens,
            temperature=0.0,
            avg_logprob=-0.5,
            compression_ratio=1.0,
            no_speech_prob=0.0,
            words=tuple(words),
            logprobs=tuple(-float(i) for i in range(len(tokens))),
            alternatives=tuple((Alternative(token, "x", -1.0),) for token in tokens),
        ),
        **changes,
    )


def spoken(*times: tuple[float, float]) -> list[Word]:
    """Words " w0", " w1", ... of these times."""
    return [Word(f" w{i}", *span, 0.5, (i,)) for i, span in enumerate(times)]


def speakers(turns, *times: tuple[float, float]) -> list[str | None]:
    """Of words of these times in one segment."""
    pieces = Speakers(as_turns(turns)).label([segment(spoken(*times))])
    return [word.speaker for piece in pieces for word in piece.words]


def transcription(segments, text="all of it") -> Transcription:
    info = SimpleNamespace(language="en", duration=100.0)
    return Transcription(segments, info, text)


# --- whose a word is ---


def test_turns_that_touch_are_one():
    turns = [(0, 1, "B"), (1, 2, "B"), (0.5, 2.5, "A")]
    assert speakers(turns, (1.2, 1.8)) == ["B"]  # which speaks since 0


def test_a_turn_that_ends_where_the_word_begins_is_not_heard_in_it():
    turns = [(0, 1, "B"), (1.2, 2, "B"), (1.1, 1.9, "A")]
    assert speakers(turns, (1.0, 2.0)) == ["A"]  # both say 0.8 s, A since 1.1


def test_a_word_that_ends_before_it_begins_is_where_it_begins():
    assert speakers([(1.9, 2.1, "A")], (2.0, 1.0)) == ["A"]


@pytest.mark.parametrize(
    ("turns", "word", "speaker"),
    [
        ([(0, 2, "A"), (2, 4, "B")], (1.5, 1.9), "A"),
        ([(0, 2, "A"), (2, 4, "B")], (1.8, 2.1), "A"),
        ([(0, 2, "A"), (2, 4, "B")], (1.9, 2.2), "B"),
        ([(0, 1, "B"), (1.2, 2, "B"), (0.8, 1.3, "A")], (0.5, 1.5), "B"),  # 0.8 s of two turns
        ([(0, 1, "B"), (0, 1, "B"), (0, 1.5, "A")], (0, 1.4), "A"),  # the same time counts once
        ([(0, 10, "B"), (4, 6, "A")], (4.5, 5), "B"),  # both speak: who began first
        ([(4, 6, "A"), (0, 10, "B")], (4.5, 5), "B"),
        ([(0, 10, "B"), (0, 10, "A")], (4, 5), "A"),  # and then the first by name
        ([(0, 1, "A"), (1, 2, "B")], (0.9, 1.1), "A"),  # as long: who began first
        ([(0.1, 0.3, "B"), (0.3, 0.5, "A")], (0.2, 0.4), "B"),  # whatever 0.3 - 0.2 rounds to
        ([(0, 1, "A"), (3, 4, "B")], (1.3, 1.4), "A"),  # nobody: the nearest
        ([(0, 1, "A"), (3, 4, "B")], (2.6, 2.7), "B"),
        ([(0, 1, "A"), (2, 3, "B")], (1.4, 1.6), "A"),  # as near: who began first
        ([(0, 1, "A")], (1.5, 1.7), "A"),  # just near enough
        ([(0, 1, "A")], (1.51, 1.7), None),
        ([(5, 6, "A")], (4.0, 4.5), "A"),
        ([(5, 6, "A")], (4.0, 4.49), None),
        ([(0.7, 0.8, "A")], (1.3, 1.4), "A"),  # 1.3 - 0.8 is more than 0.5, by a rounding
        ([(1, 1, "A"), (0, 5, "B")], (1, 2), "B"),  # a turn of no length
        ([(1, 1, "A")], (1.2, 2), "A"),
        ([(0, 2, "A"), (2, 4, "B")], (1.0, 1.0), "A"),  # a word of no length
        ([(0, 2, "A"), (2, 4, "B")], (2.0, 2.0), "A"),
        ([(0, 2, "A"), (2.3, 4, "B")], (2.2, 2.2), "B"),
        ([(0, 1, "A")], (0.9, 0.5), "A"),  # one that ends before it begins
        ([(-1, 0.2, "A"), (0.2, 1, "B")], (0.0, 0.3), "A"),
        ([], (0, 1), None),
    ],
)
def test_a_word_is_whose_turns_overlap_it_most(turns, word, speaker):
    assert speakers(turns, word) == [speaker]
    assert speakers(turns[::-1], word) == [speaker]


def whose(turns, start: float, end: float) -> str | None:
    """By looking at every turn and every millisecond."""
    moments = np.arange(round(1000 * start), round(1000 * end)) + 0.5
    said: dict[str, set] = {}
    for since, until, name in turns:
        inside = {m for m in moments if 1000 * since < m < 1000 * until}
        said.setdefault(name, set()).update(inside)
    most = max(map(len, said.values()), default=0)
    if most:
        tied = [name for name in said if len(said[name]) == most]
        began = {n: min(s for s, u, who in joined(turns) if who == n and u > start) for n in tied}
        return min(tied, key=lambda name: (began[name], name))
    near = [
        (round(max(since - end, start - until, 0.0), 6), since, name)
        for since, until, name in joined(turns)
    ]
    distance, _, name = min(near, default=(1.0, 0.0, None))
    return name if distance <= 0.5 else None


def joined(turns):
    found = []
    for since, until, name in sorted(turns, key=lambda turn: (turn[2], turn[0], turn[1])):
        if found and found[-1][2] == name and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until), name)
        else:
            found.append((since, until, name))
    return found


def random_turns(rng, n: int, names: str, longest: int = 3000):
    starts = rng.integers(0, 20_000, n)
    ends = starts + rng.integers(1, longest, n)
    return [
        (s / 1000, e / 1000, names[i])
        for s, e, i in zip(
            starts.tolist(), ends.tolist(), rng.integers(0, len(names), n), strict=True
        )
    ]


def random_words(rng, n: int) -> list[Word]:
    starts = np.sort(rng.integers(0, 20_000, n)).tolist()
    lengths = rng.integers(0, 900, n).tolist()
    return [
        Word(f" w{i}", s / 1000, (s + d) / 1000, 0.5, tuple(range(10 * i, 10 * i + i % 3 + 1)))
        for i, (s, d) in enumerate(zip(starts, lengths, strict=True))
    ]


def test_random_turns_are_judged_as_by_brute_force(rng):
    for n_turns in (1, 2, 5, 12, 30):
        for _ in range(10):
            turns = random_turns(rng, n_turns, "ABC", longest=1500)
            for word in random_words(rng, 12):
                if word.end > word.start:
                    expected = whose(turns, word.start, word.end)
                    assert speakers(turns, (word.start, word.end)) == [expected]


# --- slips ---


A_B = [(0, 1, "A"), (1, 1.08, "B"), (1.08, 3, "A")]


@pytest.mark.parametrize(
    ("turns", "times", "expected"),
    [
        (A_B, [(0.5, 1), (1.0, 1.2), (1.2, 2)], "AAA"),  # A has most of it anyway
        # B's by a hair: near, but silent.
        (
            [(0, 0.9, "A"), (1.0, 1.0, "B"), (1.6, 3, "A")],
            [(0.5, 0.9), (1.1, 1.3), (1.6, 2)],
            "AAA",
        ),
        # B says less than half of it, and A nothing.
        (
            [(0, 1, "A"), (1.2, 1.3, "B"), (1.5, 3, "A")],
            [(0, 1), (1.1, 1.38), (1.5, 2)],
            "AAA",
        ),
        # Half of it is B's: no slip.
        (
            [(0, 1, "A"), (1.2, 1.35, "B"), (1.5, 3, "A")],
            [(0, 1), (1.1, 1.38), (1.5, 2)],
            "ABA",
        ),
        # 0.3 s are no slip.
        ([(0, 1, "A"), (1.2, 1.3, "B"), (1.5, 3, "A")], [(0, 1), (1.1, 1.4), (1.5, 2)], "ABA"),
        # Between two others, at an edge, or two in a row.
        (
            [(0, 1, "A"), (1.2, 1.3, "B"), (1.5, 3, "C")],
            [(0, 1), (1.1, 1.38), (1.5, 2)],
            "ABC",
        ),
        ([(1.2, 1.3, "B"), (1.5, 3, "A")], [(1.1, 1.38), (1.5, 2), (2, 2.5)], "BAA"),
        (
            [(0, 1, "A"), (1.2, 1.25, "B"), (1.5, 1.55, "B"), (1.7, 3, "A")],
            [(0, 1), (1.1, 1.3), (1.4, 1.6), (1.7, 2)],
            "ABBA",
        ),
        # Nobody's, between two of one.
        ([(0, 1, "A"), (2.4, 3, "A")], [(0, 1), (1.6, 1.7), (2.4, 3)], "AAA"),
        ([(0, 1, "A"), (2.4, 3, "A")], [(0, 1), (1.55, 1.86), (2.4, 3)], "A-A"),
        # Nobody is no speaker to go to.
        ([(5, 5.01, "B")], [(0, 1), (5.1, 5.2), (9, 10)], "-B-"),
        # Of no length: as said where a turn is, as a slip where none is.
        ([(0, 1, "A"), (1, 2, "B"), (2, 3, "A")], [(0, 1), (1.5, 1.5), (2, 3)], "ABA"),
        ([(0, 1, "A"), (1.3, 1.4, "B"), (2, 3, "A")], [(0, 1), (1.5, 1.5), (2, 3)], "AAA"),
    ],
)
def test_a_short_word_that_is_hardly_said_is_its_neighbours(turns, times, expected):
    found = speakers(turns, *times)
    assert "".join(name or "-" for name in found) == expected


def test_slips_are_seen_within_a_segment_alone():
    """So that a segment is known when it is heard."""
    turns = [(0, 1, "A"), (1.2, 1.3, "B"), (1.5, 3, "A")]
    parts = [segment([word]) for word in spoken((0, 1), (1.1, 1.38), (1.5, 2))]
    assert [s.speaker for s in Speakers(as_turns(turns)).label(parts)] == ["A", "B", "A"]


# --- segments are cut ---


def test_a_segment_is_cut_where_its_speaker_changes():
    words = [
        Word(" Hi", 0.5, 1.0, 0.9, (1, 2)),
        Word(" there.", 1.0, 1.5, 0.8, (3,)),
        Word(" Yes?", 2.0, 2.5, 0.7, (4, 5, 6)),
        Word(" So", 3.0, 3.5, 0.6, (7,)),
    ]
    whole = segment(words, start=0.4, end=3.6)
    turns = [(0, 1.6, "Ada"), (1.8, 2.6, "Bob"), (2.8, 4, "Ada")]
    first, second, third = transcription([whole]).with_speakers(turns).segments
    assert [s.text for s in (first, second, third)] == [" Hi there.", " Yes?", " So"]
    assert [s.speaker for s in (first, second, third)] == ["Ada", "Bob", "Ada"]
    assert [(s.start, s.end) for s in (first, second, third)] == [(0.5, 1.5), (2.0, 2.5), (3, 3.5)]
    assert first.tokens == (BEGIN, 1, 2, 3)
    assert second.tokens == (4, 5, 6)
    assert third.tokens == (7, BEGIN + 50)
    assert first.logprobs + second.logprobs + third.logprobs == whole.logprobs
    assert second.logprobs == (-4.0, -5.0, -6.0)
    assert [a[0].token for a in second.alternatives] == [4, 5, 6]
    assert [s.id for s in (first, second, third)] == [0, 1, 2]
    assert first.words == tuple(replace(word, speaker="Ada") for word in words[:2])
    assert first.avg_logprob == third.avg_logprob == whole.avg_logprob


def test_a_segment_of_one_speaker_stays_whole():
    whole = segment(spoken((0.5, 1), (1, 2)), start=0.25, end=2.25, text=" as it was", id=3)
    (found,) = transcription([whole]).with_speakers([(0, 3, "A")]).segments
    words = tuple(replace(word, speaker="A") for word in whole.words)
    assert found == replace(whole, id=0, speaker="A", words=words)


def test_what_nobody_says_is_a_piece_of_its_own():
    whole = segment(spoken((0, 1), (3, 4), (8, 9)))
    found = transcription([whole]).with_speakers([(0, 1, "A"), (8, 9, "A")]).segments
    assert [s.speaker for s in found] == ["A", None, "A"]
    assert [s.text for s in found] == [" w0", " w1", " w2"]


def test_without_words_a_segment_is_judged_whole():
    def plain(start, end, text=" said", **changes):
        found = segment([], text=text, start=start, end=end, **changes)
        return replace(found, words=None)

    turns = [(0, 3, "A"), (3, 10, "B")]
    parts = [plain(0, 4), plain(2, 9), plain(10.4, 11), plain(11, 12), plain(5, 5, text="")]
    found = transcription(parts).with_speakers(turns).segments
    assert [s.speaker for s in found] == ["A", "B", "B", None, None]
    assert [replace(s, id=0, speaker=None) for s in found] == parts
    assert found[4].words is None


def test_marks_of_a_neighbour_stay_where_the_text_has_them():
    """A mark that aligning has given to a word of another segment: text and tokens stay put."""
    turns = [(0, 1, "A"), (1, 2, "B")]
    a, b = Word(" one", 0, 1, 1.0, (1,)), Word(" two.", 1, 2, 1.0, (2, 3))
    behind = segment([a, b], text=" one two", tokens=(BEGIN, 1, 2, BEGIN + 9))
    before = segment([a, b], text=". one two.", tokens=(BEGIN, 9, 1, 2, 3, BEGIN + 9))
    quoted = Word(' "one', 0, 1, 1.0, (8, 1))
    gained = segment([quoted, b], text="one two.", tokens=(BEGIN, 1, 2, 3, BEGIN + 9))
    for whole, texts, tokens in [
        (behind, [" one", " two"], [(BEGIN, 1), (2, BEGIN + 9)]),
        (before, [". one", " two."], [(BEGIN, 9, 1), (2, 3, BEGIN + 9)]),
        (gained, ["one", " two."], [(BEGIN, 1), (2, 3, BEGIN + 9)]),
    ]:
        found = transcription([whole]).with_speakers(turns).segments
        assert [s.text for s in found] == texts
        assert [s.tokens for s in found] == tokens


def test_words_without_tokens_leave_them_to_the_first_piece():
    words = [replace(word, tokens=()) for word in spoken((0, 1), (1, 2))]
    whole = segment(words, tokens=(BEGIN, 5, 6, BEGIN + 9), logprobs=(), alternatives=())
    found = transcription([whole]).with_speakers([(0, 1, "A"), (1, 2, "B")]).segments
    assert [s.tokens for s in found] == [(BEGIN, 5, 6, BEGIN + 9), ()]
    assert [s.text for s in found] == [" w0", " w1"]
    assert [s.logprobs for s in found] == [(), ()]


def test_random_transcripts_keep_every_word_and_token(rng):
    for _ in range(60):
        words = random_words(rng, int(rng.integers(1, 30)))
        cuts = sorted({0, len(words), *rng.integers(0, len(words) + 1, 3).tolist()})
        parts = [segment(words[a:b]) for a, b in pairwise(cuts)]
        turns = random_turns(rng, int(rng.integers(0, 25)), "ABCD")
        talk = transcription(parts).with_speakers(turns)
        found = list(talk.segments)
        assert [replace(w, speaker=None) for s in found for w in s.words] == words
        assert "".join(s.text for s in found) == "".join(s.text for s in parts)
        for name in ("tokens", "logprobs", "alternatives"):
            both = [[x for s in some for x in getattr(s, name)] for some in (found, parts)]
            assert both[0] == both[1]
        assert [s.id for s in found] == list(range(len(found)))
        assert all(a.start <= b.start for a, b in pairwise(found))
        assert all({w.speaker for w in s.words} == {s.speaker} for s in found)
        assert all("".join(w.word for w in s.words) == s.text for s in found)
        assert talk.text == "all of it"
        again = talk.with_speakers(turns)
        assert [s.speaker for s in again.segments if len(s.words) > 2] == [
            s.speaker for s in found if len(s.words) > 2
        ]


def test_hours_of_turns_are_merged_at_once():
    """10,000 turns and 30,000 words: looking at each for each would take minutes."""
    turns = [(i, i + 1.2, "ABCDEFGH"[i % 8]) for i in range(10_000)]
    words = [Word(" w", i / 3, i / 3 + 0.3, 1.0, (7,)) for i in range(30_000)]
    parts = [segment(words[i : i + 30]) for i in range(0, len(words), 30)]
    found = transcription(parts).with_speakers(turns).segments
    assert sum(len(s.words) for s in found) == len(words)


# --- transcriptions ---


def test_speakers_are_known_as_segments_are_heard():
    heard = []

    def source():
        for i in range(3):
            heard.append(i)
            yield segment(spoken((2 * i, 2 * i + 1), (2 * i + 1, 2 * i + 2)))

    talk = transcription(source(), lambda segments: f"{len(list(segments))} segments")
    named = talk.with_speakers([(0, 3, "A"), (3, 9, "B")])
    assert heard == []
    assert named.segments[0].speaker == "A"
    assert heard == [0]
    assert [(s.id, s.speaker) for s in named] == [(0, "A"), (1, "A"), (2, "B"), (3, "B")]
    assert named.text == talk.text == "3 segments"
    assert named.info is talk.info
    assert [s.speaker for s in talk] == [None] * 3


def test_turns_are_checked_before_anything_is_heard():
    def source():
        pytest.fail("nothing is asked for")
        yield

    with pytest.raises(ValueError, match=r"^with_speakers: turn 0: end must be no earlier"):
        transcription(source()).with_speakers([(1, 0, "A")])


def test_other_speakers_take_the_place_of_those_before(tmp_path):
    whole = segment(spoken((0, 1), (1, 2)))
    (tmp_path / "b.rttm").write_text("SPEAKER f 1 0 2 <NA> <NA> B\n")
    talk = transcription([whole]).with_speakers([(0, 2, "A")])
    (found,) = talk.with_speakers(tmp_path / "b.rttm").segments
    assert {found.speaker, *(word.speaker for word in found.words)} == {"B"}
    (found,) = talk.with_speakers([]).segments
    assert {found.speaker, *(word.speaker for word in found.words)} == {None}


def test_parts_lie_within_the_whole():
    """Of words that begin before the segment, and of a long one that says the same again."""
    parts = _parts("de", [list("ab"), list("cd"), list("e")])
    assert ["de"[part] for part in parts] == ["", "d", "e"]
    parts = _parts("ab", [list("ab"), list("cd"), list("e")])
    assert ["ab"[part] for part in parts] == ["ab", "", ""]
    whole = [99, *[1, 2] * 150, 98]
    parts = _parts(whole, [[1, 2] * 50, [1, 2] * 100])
    assert [len(whole[part]) for part in parts] == [101, 201]


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_transcribe_gives_speakers_as_it_hears(rng, windows):
    model = tiny_whisper.model()
    noise = rng.standard_normal(16000 * 70).astype(np.float32) / 9
    keywords = {"word_timestamps": True, "temperature": 0.0, "sample_len": 30, "windows": windows}
    turns = random_turns(rng, 60, "AB") + [(20 + i, 21 + i, "AB"[i % 2]) for i in range(50)]
    plain = model.transcribe(noise, **keywords)
    expected = plain.with_speakers(turns)
    told = []
    found = model.transcribe(noise, speakers=turns, progress=told.append, **keywords)
    assert list(found) == list(expected)
    assert len(found.segments) > len(plain.segments)
    assert found.text == plain.text == expected.text
    heard = [replace(s, id=0) for progress in told for s in progress.segments]
    if windows == "sequential":
        assert heard == [replace(s, id=0) for s in expected]
    assert {s.speaker for s in heard} >= {"A", "B"}


def test_transcribe_refuses_bad_turns_before_it_reads():
    model = tiny_whisper.model()
    with pytest.raises(ValueError, match=r"^transcribe: turn 0: end must be no earlier"):
        model.transcribe("missing.wav", speakers=[(1, 0, "A")])
    with pytest.raises(ValueError, match=r"^transcribe: speakers must be None where channels"):
        model.transcribe("missing.wav", speakers=[], channels="speakers")


@pytest.mark.parametrize("batch_size", [1, 4])
def test_each_of_many_recordings_has_its_own_speakers(rng, batch_size):
    model = tiny_whisper.model()
    noises = [rng.standard_normal(16000 * n).astype(np.float32) / 9 for n in (40, 3, 61)]
    keywords = {"word_timestamps": True, "temperature": 0.0, "sample_len": 30}
    speakers = [[(0, 99, "A")], None, [(0, 30, "B"), (30, 99, "C")]]
    expected = [
        model.transcribe(noise, speakers=turns, **keywords)
        for noise, turns in zip(noises, speakers, strict=True)
    ]
    told = []
    found = model.transcribe_many(
        iter(noises),
        speakers=iter(speakers),
        progress=told.append,
        batch_size=batch_size,
        **keywords,
    )
    for got, wanted in zip(found, expected, strict=True):
        assert list(got) == list(wanted)
        assert got.text == wanted.text
    names = [{s.speaker for p in told if p.index == i for s in p.segments} for i in range(3)]
    assert [found - {None} for found in names] == [{"A"}, set(), {"B", "C"}]


def test_bad_turns_of_one_recording_are_told_in_its_turn():
    quiet = np.zeros(1600, np.float32)
    found = tiny_whisper.model().transcribe_many([quiet] * 3, speakers=[None, [(1, 0, "A")], []])
    next(found)
    with pytest.raises(ValueError, match=r"^transcribe_many: recording 1: turn 0: end must be no"):
        next(found)
    next(found)


@pytest.mark.parametrize(
    ("n_turns", "message"),
    [
        (1, "as many as recordings, got fewer: no turns behind the first 1"),
        (3, "as many as recordings, got more: no recordings behind the first 2"),
    ],
)
def test_each_recording_must_have_its_turns(n_turns, message):
    quiet = np.zeros(1600, np.float32)
    found = tiny_whisper.model().transcribe_many([quiet] * 2, speakers=[None] * n_turns)
    for _ in range(min(n_turns, 2)):
        next(found)
    with pytest.raises(ValueError, match=rf"^transcribe_many: speakers must be {message}$"):
        next(found)


@pytest.mark.parametrize("speakers", ["all.rttm", Path("all.rttm"), {"a": []}, 3])
def test_turns_of_many_recordings_come_in_their_order(speakers):
    message = "^transcribe_many: speakers must be an iterable of the turns of each recording, got "
    with pytest.raises(TypeError, match=message + type(speakers).__name__):
        tiny_whisper.model().transcribe_many([], speakers=speakers)
    with pytest.raises(ValueError, match=r"^transcribe_many: speakers must be None where channels"):
        tiny_whisper.model().transcribe_many([], speakers=[], channels="speakers")
