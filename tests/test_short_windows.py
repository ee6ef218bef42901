"""short_windows: the core's shorter encoding against its parts, and when policy believes it."""

from dataclasses import replace

import numpy as np
import pytest

import fake_core
import oracle
import tiny_whisper
from fake_core import FakeCore, Heard, at, silence, word
from oracle import Dims
from sottovoce import TranscribeOptions, _core
from sottovoce.policy.short_windows import looks_odd, short_context
from sottovoce.policy.window import Window
from sottovoce.results import WindowResult
from test_model import make, random_mel

# --- the core -------------------------------------------------------------------------------------

DIMS = Dims(n_audio_ctx=40)


def of_length(dims: Dims, tensors, n_ctx: int, isa: str = ""):
    """A model whose windows are that short."""
    own = dict(tensors)
    own["encoder.positional_embedding"] = oracle.sinusoids(dims.n_audio_ctx, dims.n_audio_state)[
        :n_ctx
    ].astype(np.float32)
    return make(replace(dims, n_audio_ctx=n_ctx), own, isa)


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("n_ctx", [1, 7, 39])
def test_it_is_a_shorter_model_and_then_silence(isa, rng, n_ctx, compute_type):
    tensors = oracle.random_checkpoint(DIMS, rng)
    dims = _core.ModelDims(*(getattr(DIMS, name) for name in DIMS.__dataclass_fields__))
    model = _core.Model(
        _core.Checkpoint(dims, tensors), isa=isa, n_threads=2, compute_type=compute_type
    )
    mel = random_mel(rng, DIMS)[:, : 2 * n_ctx - 1].copy()
    features = model.encode(mel, n_ctx).values
    empty = model.encode(mel[:, :0].copy()).values
    np.testing.assert_array_equal(features[n_ctx:], empty[n_ctx:])
    if compute_type == "float32":
        shorter = of_length(DIMS, tensors, n_ctx, isa)
        np.testing.assert_array_equal(features[:n_ctx], shorter.encode(mel).values)


def test_all_positions_are_the_whole_window(rng):
    model = make(DIMS, oracle.random_checkpoint(DIMS, rng))
    mel = random_mel(rng, DIMS)
    whole = model.encode(mel)
    np.testing.assert_array_equal(model.encode(mel, 40).values, whole.values)
    assert model.encode(mel, None).values.shape == (40, DIMS.n_audio_state)


@pytest.mark.parametrize(
    ("n_ctx", "n_frames", "message"),
    [
        (0, 0, "encode: n_ctx must be in 1..n_audio_ctx=40, got 0"),
        (-1, 0, "encode: n_ctx must be in 1..n_audio_ctx=40, got -1"),
        (41, 80, "encode: n_ctx must be in 1..n_audio_ctx=40, got 41"),
        (5, 11, r"n_frames<=10) float32, got (80, 11) float32"),
    ],
)
def test_what_does_not_fit(rng, n_ctx, n_frames, message):
    model = make(DIMS, oracle.random_checkpoint(DIMS, rng))
    with pytest.raises(_core.ShapeError) as raised:
        model.encode(np.zeros((DIMS.n_mels, n_frames), np.float32), n_ctx)
    assert str(raised.value).endswith(message.replace("80", str(DIMS.n_mels)))
    with pytest.raises(ValueError, match="hidden_states needs all positions, n_ctx=None"):
        model.encode(np.zeros((DIMS.n_mels, 4), np.float32), 5, hidden_states=True)


# --- policy ---------------------------------------------------------------------------------------

TOKENIZER = fake_core.tokenizer()


@pytest.mark.parametrize(
    ("size", "n_ctx"),
    [(1, 128), (128, 128), (129, 192), (1000, 576), (2688, 1408), (2689, 1472), (2817, None)],
)
def test_how_much_is_encoded(size, n_ctx):
    """The audio, up to a multiple of 64 positions, and 64 behind it, unless that is nearly all."""
    assert short_context(size, 3000) == n_ctx


def heard(**given) -> WindowResult:
    fields = {"tokens": (at(0), word(1), at(4)), "text": "word", "language": "en"}
    judged = {"temperature": 0.0, "avg_logprob": -0.3, "no_speech_prob": 0.1}
    return WindowResult(**{**fields, **judged, "compression_ratio": 1.0, **given})


@pytest.mark.parametrize(
    ("given", "odd"),
    [
        ({}, False),
        ({"tokens": (at(0), word(1), at(4.2))}, False),
        ({"tokens": (at(0), word(1), at(4.24))}, True),
        ({"tokens": (word(1),) * 223}, False),
        ({"tokens": (word(1),) * 224}, True),
        ({"avg_logprob": -1.1}, True),
        ({"compression_ratio": 2.5}, True),
        ({"avg_logprob": -1.1, "no_speech_prob": 0.9}, True),
    ],
)
def test_what_looks_odd(given, odd):
    window = Window(0, 400)
    assert looks_odd(heard(**given), window, TOKENIZER, TranscribeOptions(), 448) is odd


def run(script, seconds=5.0, **keywords):
    core = FakeCore(script)
    found = core.model().transcribe(silence(seconds), language="en", short_windows=True, **keywords)
    return list(found), core


def test_a_short_window_is_encoded_as_far_as_it_goes():
    segments, core = run([Heard([at(0), word(1), at(4)])])
    assert len(segments) == 1
    assert core.contexts == [320]
    assert [mel.shape for mel in core.encoded] == [(80, 500)]


def test_one_that_looks_odd_is_heard_again_in_full_with_all_temperatures():
    bad = Heard([at(0), word(1), at(4)], avg_logprob=-2.0)
    good = Heard([at(0), word(2), at(4)])
    segments, core = run([bad, bad, good], temperature=(0.0, 0.4), beam_size=None)
    assert core.contexts == [320, None]
    assert [options.temperature for options in segments] == [0.4]


def test_long_windows_are_encoded_whole():
    _, core = run([Heard([at(0), word(1), at(30)]), Heard([at(0), word(1), at(4)])], 35.0)
    assert core.contexts == [None, 320]
    core = FakeCore([Heard([at(0), word(1), at(4)])])
    list(core.model().transcribe(silence(5), language="en"))
    assert core.contexts == [None]


def test_the_language_is_found_in_what_is_decoded():
    core = FakeCore([Heard([at(0), word(1), at(4)])])
    list(core.model().transcribe(silence(5), short_windows=True))
    assert core.contexts == [320]
    assert core.detected_in == core.heard_in


def test_batches_are_as_one_by_one(rng):
    model = tiny_whisper.model(n_threads=2)
    audios = [rng.standard_normal(n * 8000).astype(np.float32) * 0.1 for n in (3, 9, 70, 14)]
    options = {"temperature": (0.0, 0.4), "sample_len": 20, "short_windows": True}
    alone = [list(model.transcribe(audio, **options)) for audio in audios]
    together = [list(found) for found in model.transcribe_many(audios, batch_size=3, **options)]
    assert together == alone


def units(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalpha() or c == " ").split()


def test_real_speech(tiny_en, jfk):
    whole = tiny_en.transcribe(jfk)
    short = tiny_en.transcribe(jfk, short_windows=True)
    assert units(short.text) == units(whole.text)
    core = short.info.metrics.core
    assert core.encoder_calls == whole.info.metrics.core.encoder_calls == 1
