"""DecodeBatch: windows that come and go in slots are heard as they are alone; figures, refusals."""

import random
import threading

import numpy as np
import pytest

import talkative
from sottovoce import _core
from talkative import DIMS, EOT, SOT, decode_one, random_options

SEARCHES = [{}, {"temperature": 0.8, "best_of": 3}, {"beam_size": 3}]
ROWS = 3
PLAIN = talkative.SPECIAL | {"initial_tokens": [SOT, 122], "sample_len": 3}
ENDLESS = PLAIN | {"suppress_tokens": [EOT], "timestamps": False}
DEAD_END = PLAIN | {"suppress_tokens": list(range(211)), "timestamps": False}


def as_tuple(result: _core.DecodingResult):
    fields = ("sum_logprob", "avg_logprob", "no_speech_prob", "temperature")
    return (*result.tokens, *(getattr(result, name) for name in fields))


def options(given: dict) -> _core.DecodingOptions:
    return _core.DecodingOptions(**given)


def run_through(model, windows, wanted, n_slots, max_passes=0, order=None):
    """Results by window: each is submitted as soon as a slot is free, in the given order."""
    batch = model.new_batch(n_slots, ROWS)
    waiting = list(order if order is not None else range(len(windows)))
    window_of_id, found = {}, {}
    while waiting or batch.n_free < n_slots:
        while waiting and batch.n_free:
            window = waiting.pop(0)
            window_of_id[batch.submit(windows[window], options(wanted[window]))] = window
        for finished in batch.advance(max_passes):
            assert finished.error is None
            found[window_of_id.pop(finished.id)] = as_tuple(finished.result)
    return [found[window] for window in range(len(windows))]


@pytest.fixture
def crowd(rng):
    """A model, windows and options of all kinds, and what each is alone."""
    model = talkative.model()
    windows = talkative.encode(model, 14)
    wanted = [random_options(rng, seed=i, **SEARCHES[i % 3]) for i in range(14)]
    alone = [as_tuple(decode_one(model, *pair)) for pair in zip(windows, wanted, strict=True)]
    return model, windows, wanted, alone


@pytest.mark.parametrize("n_slots", [1, 2, 3, 8, 14])
@pytest.mark.parametrize("max_passes", [0, 1, 5])
def test_windows_in_slots_are_as_alone(crowd, n_slots, max_passes):
    model, windows, wanted, alone = crowd
    assert run_through(model, windows, wanted, n_slots, max_passes) == alone


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_refill_changes_no_bit(crowd, seed):
    model, windows, wanted, alone = crowd
    order = random.Random(seed).sample(range(14), 14)
    assert run_through(model, windows, wanted, 4, order=order) == alone


def test_windows_in_slots_are_as_alone_on_every_isa(isa, rng):
    model = talkative.model(isa, 2)
    windows = talkative.encode(model, 6)
    wanted = [random_options(rng, seed=i, **SEARCHES[i % 3]) for i in range(6)]
    alone = [as_tuple(decode_one(model, *pair)) for pair in zip(windows, wanted, strict=True)]
    assert run_through(model, windows, wanted, 3) == alone


def test_a_prompt_may_join_at_any_pass(rng):
    """Between every two tokens of the first window another comes in, with the longest prompt."""
    model = talkative.model()
    windows = talkative.encode(model, 2)
    first = ENDLESS | {"sample_len": 20, "beam_size": 3}
    second = ENDLESS | {"initial_tokens": [SOT, *[3] * (DIMS.n_text_ctx - 1)]}
    expected = {
        as_tuple(decode_one(model, *pair)) for pair in zip(windows, (first, second), strict=True)
    }
    for n_before in range(20):
        batch = model.new_batch(2, ROWS)
        batch.submit(windows[0], options(first))
        if n_before:
            assert batch.advance(n_before) == []
        batch.submit(windows[1], options(second))
        found = [*batch.advance(), *batch.advance()]
        assert {as_tuple(finished.result) for finished in found} == expected


def test_ids_count_and_slots_come_free():
    model = talkative.model()
    windows = talkative.encode(model, 3)
    batch = model.new_batch(2, 1)
    assert (batch.n_slots, batch.rows_per_slot, batch.n_free) == (2, 1, 2)
    assert batch.submit(windows[0], options(ENDLESS)) == 0
    assert batch.submit(windows[1], options(ENDLESS | {"sample_len": 9})) == 1
    assert batch.n_free == 0
    assert [finished.id for finished in batch.advance()] == [0]
    assert batch.n_free == 1
    assert batch.submit(windows[2], options(ENDLESS | {"sample_len": 6})) == 2
    assert [finished.id for finished in batch.advance()] == [2, 1]  # by slot
    assert batch.n_free == 2
    assert batch.advance() == []


def test_figures_of_a_batch_and_of_its_windows():
    model = _core.Model(talkative.checkpoint(), n_threads=1)
    windows = talkative.encode(model, 2)
    batch = model.new_batch(2, 3)
    batch.submit(windows[0], options(ENDLESS | {"sample_len": 5, "beam_size": 3}))
    assert batch.advance(2) == []
    batch.submit(windows[1], options(ENDLESS))
    found = [*batch.advance(), *batch.advance()]
    assert [finished.metrics.tokens for finished in found] == [15, 3]
    assert [finished.metrics.decoder_token_ms.count for finished in found] == [4, 2]
    for figures in (finished.metrics for finished in found):
        assert figures.decode_calls == 1
        assert min(figures.decoder_prefill_ms, figures.cross_kv_ms) > 0
        assert min(figures.kv_cache_bytes, figures.cross_kv_bytes) > 0
    assert (batch.metrics.decode_calls, batch.metrics.tokens) == (2, 18)
    assert batch.metrics.decoder_token_ms.count == 3  # of 5 passes, 2 with a prompt
    of_encoder = {"encoder_calls", "encoder_forward_ms", "attention_scratch_bytes"}
    of_model, of_batch = model.metrics.as_dict(), batch.metrics.as_dict()
    assert all(of_batch[name] == of_model[name] for name in of_batch.keys() - of_encoder)


def test_a_window_at_a_dead_end_leaves_alone():
    model = talkative.model()
    windows = talkative.encode(model, 3)
    good = [ENDLESS | {"sample_len": 9, "beam_size": 3}, ENDLESS]
    expected = [as_tuple(decode_one(model, windows[i], good[i])) for i in (0, 1)]
    batch = model.new_batch(3, ROWS)
    for window, given in zip(windows, [*good, DEAD_END], strict=True):
        batch.submit(window, options(given))
    (dead,) = batch.advance()
    assert dead.id == 2
    assert isinstance(dead.error, _core.ShapeError)
    assert str(dead.error) == "decode: the options suppress every token that could come next"
    assert dead.result.tokens == []
    found = {f.id: as_tuple(f.result) for _ in range(2) for f in batch.advance()}
    assert [found[0], found[1]] == expected


def test_a_batch_outlives_its_model():
    model = _core.Model(talkative.checkpoint(), n_threads=1)
    (window,) = talkative.encode(model, 1)
    batch = model.new_batch(1, 1)
    expected = as_tuple(decode_one(model, window, ENDLESS))
    del model
    batch.submit(window, options(ENDLESS))
    assert [as_tuple(finished.result) for finished in batch.advance()] == [expected]


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_slots", "rows"), [(0, 1), (1, 0), (-1, -1), (65536, 1), (256, 256)])
def test_sizes(n_slots, rows):
    with pytest.raises(_core.ShapeError) as raised:
        talkative.model().new_batch(n_slots, rows)
    assert str(raised.value) == (
        "DecodeBatch: n_slots and rows_per_slot must be at least 1, their product at most 65535, "
        f"got {n_slots} and {rows}"
    )


def test_a_full_batch_and_bad_options_change_nothing():
    model = talkative.model()
    (window,) = talkative.encode(model, 1)
    expected = as_tuple(decode_one(model, window, ENDLESS))
    batch = model.new_batch(1, 2)
    with pytest.raises(_core.ShapeError, match=r"^decode: sample_len must be at least 1, got 0$"):
        batch.submit(window, options(PLAIN | {"sample_len": 0}))
    with pytest.raises(_core.ShapeError, match=r"^submit: beam_size and best_of must be at most "):
        batch.submit(window, options(PLAIN | {"beam_size": 3}))
    other = _core.Model(talkative.checkpoint(), n_threads=1)
    with pytest.raises(_core.ShapeError, match="must come from this model's encode"):
        batch.submit(talkative.encode(other, 1)[0], options(PLAIN))
    with pytest.raises(_core.ShapeError, match="advance: max_passes must be at least 0, got -1"):
        batch.advance(-1)
    assert batch.submit(window, options(ENDLESS)) == 0
    with pytest.raises(_core.StateError, match=r"^submit: all n_slots=1 slots are taken; advance"):
        batch.submit(window, options(ENDLESS))
    assert [as_tuple(finished.result) for finished in batch.advance()] == [expected]


def test_a_batch_serves_one_thread_at_a_time():
    model = talkative.model()
    (window,) = talkative.encode(model, 1)
    batch = model.new_batch(4, 1)
    refusals, failures = [], []

    def work():
        for _ in range(300):
            try:
                if batch.n_free:
                    batch.submit(window, options(ENDLESS | {"sample_len": 30}))
                batch.advance(1)
            except _core.StateError as error:
                refusals.append(str(error))
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    expected = "another thread is using this batch|all n_slots=4 slots are taken"
    assert all(any(part in text for part in expected.split("|")) for text in refusals)


def test_features_must_be_features():
    batch = talkative.model().new_batch(1, 1)
    with pytest.raises(TypeError):
        batch.submit(np.zeros((80, 3000), np.float32), options(PLAIN))
