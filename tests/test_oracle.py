"""The oracle against itself, numbers done by hand, and openai-whisper where it is installed."""

import math
from dataclasses import asdict

import numpy as np
import pytest

import oracle
from oracle import Dims
from oracle.mel import hz_to_mel, mel_to_hz

ODD_DIMS = Dims(
    n_mels=128,
    n_audio_ctx=50,
    n_audio_state=128,
    n_audio_head=2,
    n_audio_layer=3,
    n_text_state=128,
    n_text_head=4,
    n_text_layer=1,
)


# --- mel ------------------------------------------------------------------------------------------


def test_hann_is_periodic():
    window = oracle.hann()
    assert window[0] == 0.0
    assert window[200] == 1.0
    np.testing.assert_allclose(window[1:], window[:0:-1], atol=1e-15)
    np.testing.assert_allclose(window + np.roll(window, 200), 1.0, atol=1e-15)


def test_power_spectrum_of_a_cosine_stands_in_three_bins(rng):
    """cos at bin 10 under the Hann window: |N/4|^2 there, a quarter of that next door, else 0."""
    samples = np.cos(2 * np.pi * 10 / 400 * np.arange(1600))
    frame = oracle.power_spectrum(samples)[:, 5]  # samples 600 to 999: no reflection
    expected = np.zeros(201)
    expected[[9, 10, 11]] = [2500.0, 10000.0, 2500.0]
    np.testing.assert_allclose(frame, expected, atol=1e-9)


def test_power_spectrum_is_a_dft_of_reflected_samples(rng):
    samples = rng.standard_normal(480)
    reflected = np.concatenate([samples[200:0:-1], samples[:200]])
    angles = np.outer(np.arange(201), np.arange(400)) * (-2 * np.pi / 400)
    direct = np.exp(1j * angles) @ (reflected * oracle.hann())
    spectrum = oracle.power_spectrum(samples)
    assert spectrum.shape == (201, 3)
    np.testing.assert_allclose(spectrum[:, 0], np.abs(direct) ** 2, rtol=1e-9, atol=1e-9)


def test_mel_scale_landmarks():
    np.testing.assert_allclose(hz_to_mel([0.0, 200.0, 1000.0, 6400.0]), [0.0, 3.0, 15.0, 42.0])
    hz = np.linspace(0.0, 8000.0, 97)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, atol=1e-9)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_mel_filters_are_triangles_of_unit_area(n_mels):
    filters = oracle.mel_filters(n_mels)
    assert filters.shape == (n_mels, 201)
    assert (filters >= 0).all()
    assert (filters.max(axis=1) > 0).all()
    assert (np.diff(filters.argmax(axis=1)) >= 0).all()
    areas = filters.sum(axis=1) * 40.0  # bins are 40 Hz wide
    np.testing.assert_allclose(areas[-n_mels // 4 :], 1.0, rtol=0.05)  # wide ones sample well


def test_log_mel_of_silence_and_its_floor():
    assert (oracle.log_mel(np.zeros(1600), 80) == (-10.0 + 4.0) / 4.0).all()
    loud = np.concatenate([np.cos(np.arange(8000)), np.zeros(8000)])
    mel = oracle.log_mel(loud, 80, padding=320)
    assert mel.shape == (80, (16000 + 320) // 160)
    assert mel.max() - mel.min() == pytest.approx(2.0)  # 8 decades over 4


# --- layers ---------------------------------------------------------------------------------------


def test_gelu_by_hand():
    # x Phi(x), and Phi(1) from a table
    phi = 0.8413447460685429
    np.testing.assert_allclose(oracle.gelu([0.0, 1.0, -1.0]), [0.0, phi, phi - 1.0], rtol=1e-15)
    assert oracle.gelu(40.0) == 40.0
    assert oracle.gelu(-20.0) == pytest.approx(-20.0 * 2.7536241186062e-89, rel=1e-12)


def test_layer_norm_by_hand():
    # mean 2, variance 2: (x - 2) / sqrt(2 + 1e-5) * weight + bias
    out = oracle.layer_norm(
        [[0.0, 2.0, 2.0, 4.0]], np.array([1, 1, 1, 2.0]), np.array([0, 5, 0, 1.0])
    )
    s = 2.0 / math.sqrt(2.00001)
    np.testing.assert_allclose(out, [[-s, 5.0, 0.0, 2 * s + 1.0]], rtol=1e-15)


def test_conv1d_by_hand():
    x = np.array([[1.0, 2.0, 3.0, 4.0]])
    weight = np.array([[[1.0, 10.0, 100.0]]])
    np.testing.assert_array_equal(oracle.conv1d(x, weight, [0.5]), [[210.5, 321.5, 432.5, 43.5]])
    np.testing.assert_array_equal(oracle.conv1d(x, weight, [0.5], stride=2), [[210.5, 432.5]])


def test_softmax_sums_to_one_and_ignores_a_shift(rng):
    x = rng.standard_normal((5, 17)) * 30
    x[2, 3] = -np.inf
    weights = oracle.softmax(x)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=1e-14)
    assert weights[2, 3] == 0.0
    np.testing.assert_allclose(oracle.softmax(x + 1000.0), weights, rtol=1e-10)


def test_attention_by_hand():
    """Width 4 (scale 1/2), two keys whose scores differ by ln 3: weights 1/4 and 3/4."""
    q = np.array([[2.0, 0.0, 0.0, 0.0]])
    k = np.array([[0.0, 1.0, 1.0, 1.0], [math.log(3.0), 0.0, 0.0, 0.0]])
    v = np.array([[4.0, 0.0, 8.0, 0.0], [0.0, 4.0, 8.0, 0.0]])
    out, scores = oracle.attention(q, k, v, n_head=1)
    np.testing.assert_allclose(scores, [[[0.0, math.log(3.0)]]])
    np.testing.assert_allclose(out, [[1.0, 3.0, 8.0, 0.0]])


def test_heads_do_not_mix(rng):
    q, k, v = rng.standard_normal((3, 6, 8))
    both, _ = oracle.attention(q, k, v, n_head=2)
    for head in (slice(0, 4), slice(4, 8)):
        alone, _ = oracle.attention(q[:, head], k[:, head], v[:, head], n_head=1)
        np.testing.assert_allclose(both[:, head], alone, rtol=1e-13)


def test_sinusoids_landmarks():
    table = oracle.sinusoids(10, 8)
    np.testing.assert_array_equal(table[0], [0, 0, 0, 0, 1, 1, 1, 1])
    assert table[3, 0] == pytest.approx(math.sin(3.0))
    assert table[3, 3] == pytest.approx(math.sin(3.0e-4))


# --- the network ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [Dims(), ODD_DIMS], ids=["small", "odd"])
def test_activations_stay_of_order_one(dims, rng):
    tensors = oracle.random_checkpoint(dims, rng)
    mel = rng.standard_normal((dims.n_mels, 2 * dims.n_audio_ctx))
    for state in oracle.encoder_states(mel, tensors, dims):
        assert 0.2 < state.std() < 5.0
    out = oracle.decode([1, 2, 3], oracle.encode(mel, tensors, dims), tensors, dims)
    assert 0.5 < out.logits.std() < 5.0


def test_short_window_is_filled_with_zeros(rng):
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    mel = rng.standard_normal((dims.n_mels, 31))
    filled = np.concatenate([mel, np.zeros((dims.n_mels, 17))], axis=1)
    short, full = (oracle.encode(m, tensors, dims) for m in (mel, filled))
    np.testing.assert_array_equal(short, full)


def test_decoder_does_not_see_the_future(rng):
    dims = Dims()
    tensors = oracle.random_checkpoint(dims, rng)
    features = rng.standard_normal((dims.n_audio_ctx, dims.n_audio_state))
    tokens = rng.integers(0, dims.n_vocab, 9).tolist()
    whole = oracle.decode(tokens, features, tensors, dims)
    part = oracle.decode(tokens[:4], features, tensors, dims)
    np.testing.assert_allclose(part.logits, whole.logits[:4], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole.cross_weights.sum(axis=-1), 1.0, rtol=1e-12)
    assert whole.cross_scores.shape == (2, 3, 9, dims.n_audio_ctx)


# --- against openai-whisper, where it is installed ------------------------------------------------


@pytest.fixture(scope="module")
def whisper():
    pytest.importorskip("torch", reason="the comparison with openai-whisper needs torch")
    return pytest.importorskip("whisper", reason="openai-whisper is not installed")


@pytest.mark.parametrize("n_mels", [80, 128])
def test_mel_as_openai_whisper(whisper, n_mels, jfk):
    theirs = whisper.audio.mel_filters("cpu", n_mels).numpy()
    np.testing.assert_allclose(oracle.mel_filters(n_mels), theirs, atol=1e-8)
    mel = whisper.log_mel_spectrogram(jfk.copy(), n_mels, padding=4800).numpy()
    np.testing.assert_allclose(oracle.log_mel(jfk, n_mels, 4800), mel, atol=2e-4)


@pytest.mark.parametrize("dims", [Dims(), ODD_DIMS], ids=["small", "odd"])
def test_network_as_openai_whisper(whisper, dims, rng, monkeypatch):
    import torch

    module = whisper.model
    # Their norm computes in float32 whatever it is given; here it may keep its float64.
    monkeypatch.setattr(module.LayerNorm, "forward", torch.nn.LayerNorm.forward)
    tensors = oracle.random_checkpoint(dims, rng)
    model = module.Whisper(module.ModelDimensions(**asdict(dims)))
    model.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()})
    model.double().eval()
    scores = []
    for block in model.decoder.blocks:
        block.cross_attn.register_forward_hook(lambda _m, _i, out: scores.append(out[1][0].numpy()))
    mel = rng.standard_normal((dims.n_mels, 2 * dims.n_audio_ctx))
    tokens = rng.integers(0, dims.n_vocab, 13)
    with torch.no_grad():
        features = model.encoder(torch.from_numpy(mel)[None])
        with module.disable_sdpa():  # the path that shows its scores, in float32
            logits = model.decoder(torch.from_numpy(tokens)[None], features)
    ours = oracle.encode(mel, tensors, dims)
    np.testing.assert_allclose(ours, features[0].numpy(), atol=1e-12)
    out = oracle.decode(tokens, ours, tensors, dims)
    np.testing.assert_allclose(out.logits, logits[0].numpy(), atol=5e-6)
    np.testing.assert_allclose(out.cross_scores, np.stack(scores), atol=5e-6)
