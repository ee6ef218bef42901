"""The back end's interface: devices by name, windows side by side, and the guard that keeps every
array shut outside the verbs."""

import re
from pathlib import Path

import numpy as np
import pytest

import oracle
import tiny_whisper
from oracle import Dims
from sottovoce import _core

SMALL = Dims(n_audio_ctx=32, n_audio_layer=2)
GUARDED = "cpu-guarded"
GUARDED_ADDRESSES = 1 << 36  # bytes, in one piece


def small_core(rng, **runtime) -> _core.Model:
    tensors = oracle.random_checkpoint(SMALL, rng)
    return _core.Model(_core.Checkpoint(_core.ModelDims(**vars(SMALL)), tensors), **runtime)


def windows(core: _core.Model, n: int, rng) -> list[np.ndarray]:
    """Whole ones and shorter ones."""
    lengths = [core.dims.n_frames - 7 * (i % 3) for i in range(n)]
    return [rng.standard_normal((core.dims.n_mels, k)).astype(np.float32) for k in lengths]


def test_devices_have_names(rng):
    assert small_core(rng, device="cpu").device == "cpu"
    assert small_core(rng, device="auto").device == "cpu"
    assert small_core(rng, device=GUARDED).device == GUARDED


def test_an_unknown_device_is_named(rng):
    with pytest.raises(_core.ShapeError, match=r"device must be 'cpu' or 'auto', got 'tpu'$"):
        small_core(rng, device="tpu")


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("n_threads", [1, 8, 16])  # which take 1, 2 and 4 windows at once
def test_windows_side_by_side_are_as_alone(n_threads, compute_type, rng):
    core = small_core(rng, n_threads=n_threads, compute_type=compute_type)
    mels = windows(core, 5, rng)
    together = core.encode_windows(mels, hidden_states=True)
    assert len(together) == 5
    for mel, features in zip(mels, together, strict=True):
        alone = core.encode(mel, hidden_states=True)
        np.testing.assert_array_equal(features.values, alone.values)
        assert len(features.hidden_states) == SMALL.n_audio_layer + 1
        np.testing.assert_array_equal(features.hidden_states, alone.hidden_states)
        np.testing.assert_array_equal(core.logits([1, 2], features), core.logits([1, 2], alone))
    assert core.metrics.encoder_calls == 10
    assert core.encode_windows([]) == []


def test_a_window_that_does_not_fit_is_refused_before_any_is_encoded(rng):
    core = small_core(rng)
    mels = windows(core, 2, rng)
    mels[1] = mels[1][:5]
    with pytest.raises(_core.ShapeError, match=r"encode: mel must be \(n_mels=80"):
        core.encode_windows([np.ascontiguousarray(mel) for mel in mels])
    assert core.metrics.encoder_calls == 0


# --- the guard ------------------------------------------------------------------------------------


def largest_shut_range() -> int:
    """Bytes of this process's longest run of addresses that can be neither read nor written."""
    longest = shut_from = shut_to = 0
    maps = Path("/proc/self/maps").read_text()
    for begin, end, access in re.findall(r"^(\w+)-(\w+) (\S+)", maps, re.MULTILINE):
        if access.startswith("---"):
            shut_from = shut_from if int(begin, 16) == shut_to else int(begin, 16)
            shut_to = int(end, 16)
            longest = max(longest, shut_to - shut_from)
    return longest


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
def test_nothing_above_the_verbs_touches_an_array(compute_type, rng):
    """An encoding, every way to decode, and a look inside: with the bits of the plain back end. A
    touch would end this process with SIGSEGV."""
    cores = [
        small_core(np.random.default_rng(1), device=device, compute_type=compute_type)
        for device in ("cpu", GUARDED)
    ]
    mels = windows(cores[0], 2, rng)

    def everything(core: _core.Model) -> list[np.ndarray]:
        features = core.encode_windows(mels, hidden_states=True)
        state = core.new_state(features, 4)
        found = [f.values for f in features] + [h for f in features for h in f.hidden_states]
        found.append(state.step([[1, 2, 3], [4], [], [5, 6]]))
        state.rearrange([1, 0, 3, 2])
        found.append(state.step_all([[1], [2, 3], [4], []]))
        found += [core.cross_attention([1, 2], features[0], [(0, 1)], softmax=s) for s in (True, 0)]
        found.append(core.detect_language(features[0], 1, [2, 3, 4]))
        ids = {"eot": 5, "no_speech": 6, "no_timestamps": 7, "timestamp_begin": 8}
        searches = [{}, {"beam_size": 3}, {"temperature": 0.7, "best_of": 3}]
        for search in searches:
            options = [
                _core.DecodingOptions(**ids, initial_tokens=[1, 2], sample_len=9, **search)
                for _ in features
            ]
            for result in core.decode(features, options):
                found += [np.array(result.tokens), np.array(result.sum_logprob)]
        return found

    for plain, guarded in zip(*map(everything, cores), strict=True):
        np.testing.assert_array_equal(plain, guarded)
    assert largest_shut_range() >= GUARDED_ADDRESSES  # all of it: nobody computes


def test_packed_weights_are_a_cpus(tmp_path, rng):
    path = str(tmp_path / "small.packed")
    assert not _core.save_packed(small_core(rng, device=GUARDED), path, "small")
    assert list(tmp_path.iterdir()) == []
    assert _core.save_packed(small_core(rng, device="cpu"), path, "small")
    assert _core.open_packed(path, "small", device=GUARDED) is None


def test_features_outlive_a_guarded_model():
    model = tiny_whisper.model()
    checkpoint = _core.Checkpoint(model.dims, tiny_whisper.tensors())
    features = _core.Model(checkpoint, n_threads=1, device=GUARDED).encode(
        np.zeros((80, 3000), np.float32)
    )
    assert np.isfinite(features.values).all()
