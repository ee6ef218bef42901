"""`WhisperModel.align`: the words of a text in a recording, from what people call."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

from sottovoce import Alignment, ScriptError, WhisperModel, _core
from sottovoce.text.units import units

JFK = (
    "And so, my fellow Americans: ask not what your country can do for you, "
    "ask what you can do for your country."
)


@pytest.fixture(scope="module")
def alone(tiny_en, jfk) -> Alignment:
    return tiny_en.align(jfk, JFK)


def said(alignment: Alignment) -> list[str]:
    return [word.word.strip() for word in alignment.words if word.is_said]


def test_all_words_of_the_text_were_said(alone):
    assert said(alone) == JFK.split()
    assert alone.text == " " + JFK
    assert repr(alone) == "<Alignment of 11.0 s, en: 22 of 22 words were said>"
    starts = [word.start for word in alone.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= 11.0 for word in alone.words)


def test_times_are_those_that_transcribe_gives(tiny_en, jfk, alone):
    talk = tiny_en.transcribe(jfk, word_timestamps=True, beam_size=None, policy="openai")
    heard = [word for segment in talk for word in segment.words]
    key = "".join(unit.key for word in heard for unit in units(word.word))
    assert key == "".join(unit.key for unit in units(JFK))
    ours = np.array([(word.start, word.end) for word in alone.words])
    assert np.abs(ours - [(word.start, word.end) for word in heard]).max() <= 0.021


@pytest.mark.parametrize(
    ("text", "unsaid"),
    [
        (JFK.replace("ask what", "and never forget to ask what"), "and never forget to"),
        (JFK.replace("fellow Americans", "dear friends from Europe"), "dear friends from Europe:"),
        ("Ladies and gentlemen, " + JFK, "Ladies and gentlemen,"),
        (JFK + " Thank you very much indeed.", "Thank you very much indeed."),
    ],
)
def test_words_that_were_not_said_have_no_times(tiny_en, jfk, text, unsaid):
    found = tiny_en.align(jfk, text)
    missing = [word for word in found.words if not word.is_said]
    assert " ".join(word.word.strip() for word in missing) == unsaid
    assert all(word.start is word.end is None and word.probability == 0 for word in missing)
    assert unsaid not in found.text


def test_words_that_were_heard_otherwise_have_times(tiny_en, jfk, alone):
    """Spelled as the model would never have."""
    text = JFK.replace("country can", "kuntry can").replace("fellow", "felow")
    found = tiny_en.align(jfk, text)
    assert said(found) == text.split()
    for word, other in zip(found.words, alone.words, strict=True):
        assert word.start == pytest.approx(other.start, abs=0.25), word


def test_a_text_may_skip_what_was_said(tiny_en, jfk, alone):
    found = tiny_en.align(jfk, "And so, my fellow Americans. Ask what you can do for your country!")
    assert len(said(found)) == 13
    assert [s.text for s in found.segments] == [
        " And so, my fellow Americans.",
        " Ask what you can do for your country!",
    ]
    assert found.words[5].start == alone.words[14].start


def test_numbers_are_found_however_they_are_spelled(base, dev_data):
    found = base.align(
        dev_data / "synth-en-counting.wav",
        "One two three four five six seven eight nine ten.",
        "en",
    )
    starts = [word.start for word in found.words]
    assert None not in starts
    assert starts == sorted(starts)


def test_characters_of_a_language_without_spaces_are_words(base, dev_data):
    text = "駅の前に新しい図書館ができました。"
    found = base.align(dev_data / "tts-kokoro-ja-1-jm_kumo.flac", text, "ja")
    assert "".join(word.word for word in found.words).strip() == text
    starts = [word.start for word in found.words]
    assert None not in starts
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog, and nobody knows why it does.",
        "press star to return to the main menu",
        "completely unrelated " * 300,
        "xylophone xylophone xylophone",  # what repeats itself is probable from the second time on
        "the cat sat on the mat. " * 10,
        "ha " * 8,
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "fellow " * 50,
    ],
)
def test_a_text_of_something_else_is_an_error(tiny_en, jfk, text):
    with pytest.raises(ScriptError, match="have nothing to do with each other"):
        tiny_en.align(jfk, text)


@pytest.mark.parametrize("text", ["fellow", "my", "And", "your country can"])
def test_a_text_of_few_words_is_found(tiny_en, jfk, alone, text):
    found = tiny_en.align(jfk, text)
    assert said(found) == text.split()
    assert found.words[0].start in {word.start for word in alone.words}


@pytest.mark.filterwarnings("ignore::sottovoce.AudioWarning")
@pytest.mark.parametrize("n_samples", [0, 100, 16000])
def test_a_recording_without_words_is_an_error(tiny_en, n_samples):
    with pytest.raises(ScriptError, match="no word was heard"):
        tiny_en.align(np.zeros(n_samples, np.float32), "Hello")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, TypeError, "text must be a str, got NoneType"),
        (b"And so", TypeError, "text must be a str, got bytes"),
        ("", ValueError, "text must hold words, got ''"),
        (" ... — !", ValueError, "text must hold words, got ' ... — !'"),
        ("a\ud800b", ValueError, "text must be Unicode, got a lone surrogate at character 1"),
    ],
)
def test_what_is_no_text_is_refused_before_anything_is_read(tiny_en, text, error, message):
    with pytest.raises(error, match=f"align: {message}"):
        tiny_en.align("/nowhere.wav", text)


def test_other_options_are_checked(tiny_en, jfk):
    with pytest.raises(ValueError, match="language must be"):
        tiny_en.align(jfk, JFK, "de")
    with pytest.raises(ValueError, match="batch_size must be"):
        tiny_en.align(jfk, JFK, batch_size=0)
    with pytest.raises(TypeError, match="align: progress must be a function"):
        tiny_en.align(jfk, JFK, progress=3)


def test_text_and_recording_may_be_long_and_lack_much_of_each_other(base, dev_data):
    """Five recordings, two of them not in the text, whose order of chapters has two that are not
    in the recording."""
    lines = (dev_data / "manifest.jsonl").read_text().splitlines()
    manifest = [json.loads(line) for line in lines]
    clips = {entry["file"]: entry for entry in manifest}
    files = ["tts-hibari-gettysburg.flac", "sonnet1.mp3", "tts-piper-joe-tech-long.flac", "jfk.wav"]
    texts = {name: clips[name]["reference"] for name in files}
    from sottovoce.audio import read

    sound = [read(dev_data / name).samples for name in (*files[:2], "music-30s.flac", *files[2:])]
    script = "\n".join(
        [texts[files[0]], "A chapter that is not read. " * 30, texts[files[2]], texts[files[3]]]
    )
    found = base.align(np.concatenate(sound), script, "en", batch_size=3)
    of_chapter = [word for word in found.words if word.span[0] in chapter_of(script)]
    assert len(of_chapter) == 180
    assert sum(word.is_said for word in of_chapter) <= 2
    others = [word for word in found.words if word not in of_chapter]
    assert sum(word.is_said for word in others) >= 0.99 * len(others)
    starts = [word.start for word in found.words if word.is_said]
    assert starts == sorted(starts)
    offset = sum(part.size for part in sound[:3]) / _core.SAMPLE_RATE
    compiler = next(word for word in found.words if word.word == " compiler")
    assert offset - 0.2 < compiler.start < offset + 1


def chapter_of(script: str) -> range:
    begin = script.index("A chapter")
    return range(begin, script.rindex("is not read.") + 12)


def test_a_result_does_not_depend_on_the_batch_or_the_threads(tiny_en_dir, jfk, alone):
    other = WhisperModel(tiny_en_dir, cpu_threads=1)
    twice = np.concatenate([jfk, jfk, jfk])
    found = [m.align(twice, f"{JFK} {JFK}", batch_size=n).words for m in (other,) for n in (1, 2)]
    assert found[0] == found[1]


def test_it_is_saved_copied_and_told_of(tiny_en, jfk, tmp_path):
    told = []
    found = tiny_en.align(jfk, JFK + " Amen.", progress=told.append)
    assert told[-1].position == told[-1].info.duration
    srt = found.save(tmp_path / "a.srt").read_text()
    assert srt.endswith("country.\n\n")
    document = json.loads(found.save(tmp_path / "a.json").read_text())
    assert [word["start"] for word in document["words"]] == [word.start for word in found.words]
    assert document["words"][-1] == {
        "word": " Amen.",
        "start": None,
        "end": None,
        "probability": 0.0,
        "span": [len(JFK) + 1, len(JFK) + 6],
    }
    for again in (copy.copy(found), pickle.loads(pickle.dumps(found))):
        assert again.words == found.words
        assert again.segments == found.segments
        assert isinstance(again, Alignment)
