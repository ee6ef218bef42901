"""Tokens and deadlines: how soon they end a call, and what is left of it."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import talkative
from sottovoce import (
    CancelledError,
    CancelToken,
    DeadlineExceededError,
    Error,
    StoppedError,
    _core,
)
from talkative import EOT, SOT

UNTIMED = talkative.SPECIAL | {"initial_tokens": [SOT], "sample_len": 35, "timestamps": False}


@pytest.fixture
def window():
    return talkative.encode(talkative.model(), 1)[0]


class Steps:
    """A filter that counts the steps of a decoder, and has another thread cancel at one of them."""

    def __init__(self, token: CancelToken, last: int) -> None:
        self.token, self.last, self.n = token, last, 0

    def __call__(self, tokens, logits):
        logits[EOT] = -np.inf
        self.n += 1
        if self.n == self.last:
            thread = threading.Thread(target=self.token.cancel)
            thread.start()
            thread.join()


def test_the_errors_are_of_one_kind():
    assert issubclass(CancelledError, StoppedError)
    assert issubclass(DeadlineExceededError, StoppedError)
    assert issubclass(StoppedError, (Error, RuntimeError))
    assert issubclass(DeadlineExceededError, TimeoutError)
    error = CancelledError("why")
    assert (error.transcription, error.segments) == (None, ())


@pytest.mark.parametrize("kind", [StoppedError, CancelledError, DeadlineExceededError])
def test_the_errors_can_be_copied_and_pickled(kind):
    error = kind("why")
    error.segments = (1, 2)
    for same in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(same), str(same), same.segments) == (kind, "why", (1, 2))


def test_a_token_says_so_once_it_is_cancelled():
    token = CancelToken()
    token.check()
    assert not token.is_cancelled
    token.cancel()
    token.cancel()
    assert token.is_cancelled
    with pytest.raises(CancelledError, match=r"^cancelled by its token$"):
        token.check()


@pytest.mark.parametrize("seconds", [0, 0.0, -1, -1e300, float("-inf")])
def test_a_deadline_may_have_passed_already(seconds):
    for token in (CancelToken(deadline_s=seconds), CancelToken().with_deadline(seconds)):
        assert not token.is_cancelled
        with pytest.raises(DeadlineExceededError, match=r"^its deadline has passed$"):
            token.check()


@pytest.mark.parametrize("seconds", [1000, 1e18, float("inf")])
def test_a_deadline_may_be_far_away(seconds):
    CancelToken(deadline_s=seconds).check()


def test_a_deadline_is_a_number():
    with pytest.raises(_core.ShapeError, match="deadline_s must be a number, got nan"):
        CancelToken(deadline_s=float("nan"))


def test_a_token_with_a_deadline_is_cancelled_with_the_first():
    token = CancelToken()
    later = token.with_deadline(1000).with_deadline(2000)
    token.cancel()
    for each in (later, token.with_deadline(-1)):
        with pytest.raises(CancelledError):
            each.check()
    with pytest.raises(DeadlineExceededError):
        CancelToken(deadline_s=-1).with_deadline(1000).check()


@pytest.mark.parametrize("last", [1, 2, 17])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    "search", [{}, {"temperature": 1.0, "best_of": 3, "seed": 1}, {"beam_size": 3}]
)
def test_a_decoder_ends_within_a_step(n_threads, search, last):
    model = talkative.model(n_threads=n_threads)
    window = talkative.encode(model, 1)[0]
    n_rows = search.get("best_of") or search.get("beam_size") or 1
    token = CancelToken()
    steps = Steps(token, last)
    options = _core.DecodingOptions(**UNTIMED, **search, logit_filter=steps)
    with _core.Cancellable(token), pytest.raises(CancelledError):
        model.decode([window], [options])
    assert last <= steps.n < last + n_rows  # the filter is called for each row of a step


def test_a_batch_ends_within_a_step_and_the_model_serves_on(window):
    model, token = talkative.model(), CancelToken()
    plain = _core.DecodingOptions(**UNTIMED)
    before = model.decode([window], [plain])[0].tokens
    steps = Steps(token, 3)
    batch = model.new_batch(2, 1)
    batch.submit(window, _core.DecodingOptions(**UNTIMED, logit_filter=steps))
    batch.submit(window, plain)
    with _core.Cancellable(token), pytest.raises(CancelledError):
        batch.advance()
    assert steps.n == 3
    assert model.decode([window], [plain])[0].tokens == before


CALLS = {
    "encode": lambda model, mel, window: model.encode(mel),
    "decode": lambda model, mel, window: model.decode([window], [_core.DecodingOptions(**UNTIMED)]),
    "detect_language": lambda model, mel, window: model.detect_language(window, SOT, [122, 123]),
    "logits": lambda model, mel, window: model.logits([SOT, 1, 2], window),
    "log_mel": lambda model, mel, window: _core.log_mel(np.zeros(16000, np.float32), 80),
    "check": lambda model, mel, window: _core.check_cancellation(),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_heeds_the_token_of_its_thread(call, window, rng):
    model = talkative.model()
    shape = (talkative.DIMS.n_mels, 2 * talkative.DIMS.n_audio_ctx)
    mel = rng.standard_normal(shape, dtype=np.float32)
    token = CancelToken()
    with _core.Cancellable(token):
        CALLS[call](model, mel, window)
    token.cancel()
    CALLS[call](model, mel, window)  # outside of it
    with _core.Cancellable(token), pytest.raises(CancelledError):
        CALLS[call](model, mel, window)
    with _core.Cancellable(CancelToken(deadline_s=0)), pytest.raises(DeadlineExceededError):
        CALLS[call](model, mel, window)
    with _core.Cancellable(None):
        CALLS[call](model, mel, window)


def test_inner_and_outer_tokens_both_hold():
    outer, inner = CancelToken(), CancelToken()
    outer.cancel()
    with _core.Cancellable(outer):
        with _core.Cancellable(inner), pytest.raises(CancelledError):
            _core.check_cancellation()
        with _core.Cancellable(None), pytest.raises(CancelledError):
            _core.check_cancellation()
    _core.check_cancellation()


def test_one_token_ends_the_calls_of_two_threads(window):
    model, token, ended = talkative.model(), CancelToken(), []
    begun = threading.Barrier(3)

    def work():
        first = True

        def wait(tokens, logits):
            nonlocal first
            if first:
                begun.wait()
            first = False

        options = _core.DecodingOptions(**UNTIMED, logit_filter=wait)
        try:
            with _core.Cancellable(token):
                while True:
                    model.decode([window], [options])
        except CancelledError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait()
    _core.check_cancellation()  # not of this thread
    token.cancel()
    for thread in threads:
        thread.join(60)
    assert ended == ["cancelled by its token"] * 2


def test_what_is_stopped_leaves_nothing_behind(window):
    model, token = talkative.model(), CancelToken()
    steps = Steps(token, 2)
    gone = weakref.ref(steps)
    with _core.Cancellable(token), pytest.raises(CancelledError):
        model.decode([window], [_core.DecodingOptions(**UNTIMED, logit_filter=steps)])
    del steps
    gc.collect()
    assert gone() is None
