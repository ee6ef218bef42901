"""A caller's own rule on logits: what it sees and may change, and what becomes of its errors."""

import copy
import gc
import json
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import talkative
import tiny_whisper
from sottovoce import ShapeError, StateError, TranscribeOptions, _core
from sottovoce.options import DecodeOptions
from talkative import DIMS, EOT, LANGUAGES, NO_SPEECH, SOT, TIMESTAMP_BEGIN, decode_one

PATIENCE = 60  # s, after which something hangs
SEARCHES = [{}, {"temperature": 0.8, "best_of": 3}, {"beam_size": 3}]
COMPUTE_TYPES = ["float32", "bfloat16", "int8"]
PLAIN = talkative.SPECIAL | {"initial_tokens": [SOT], "sample_len": 8}
UNTIMED = PLAIN | {"timestamps": False}
NO_RULES = {"sot_index": 0, "suppress_tokens": [], "blank_tokens": []}


def nothing(tokens, logits):
    """A filter that changes nothing."""


def forcing(wanted):
    """A filter after which only this may follow `PLAIN`'s initial token."""

    def force(tokens, logits):
        kept = logits[wanted[len(tokens) - 1]]
        logits[:] = -np.inf
        logits[wanted[len(tokens) - 1]] = kept

    return force


def everything(result):
    """All that a result says."""
    hypotheses = [(each.tokens, each.sum_logprob, each.score) for each in result.hypotheses]
    names = ("tokens", "logprobs", "alternatives", "sum_logprob", "avg_logprob", "no_speech_prob")
    return [getattr(result, name) for name in names], hypotheses


@pytest.fixture
def window():
    return talkative.encode(talkative.model(), 1)[0]


def hear(window, filtering, **given):
    return decode_one(talkative.model(), window, UNTIMED | {"logit_filter": filtering} | given)


# --- what it changes ------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "cpu-guarded"])
@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
@pytest.mark.parametrize("search", SEARCHES)
def test_one_that_changes_nothing_changes_no_bit(search, compute_type, device, rng):
    model = talkative.model(compute_type=compute_type, device=device)
    windows = talkative.encode(model, 4)
    for trial in range(24):
        options = talkative.random_options(rng, top_k=3, n_best=2, seed=trial, **search)
        if trial % 3 == 0:  # sot is the end of the prompt: no_speech_prob and the first token share
            options |= {"initial_tokens": [SOT], "sot_index": 0}  # a row of logits
        plain = decode_one(model, windows[trial % 4], options)
        filtered = decode_one(model, windows[trial % 4], options | {"logit_filter": nothing})
        assert everything(filtered) == everything(plain)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_token_that_it_forbids_is_never_chosen(window, search):
    banned = {t for h in hear(window, None, n_best=3, **search).hypotheses for t in h.tokens}

    def ban(tokens, logits):
        logits[list(banned)] = -np.inf

    result = hear(window, ban, n_best=3, top_k=5, **search)
    assert result.tokens
    said = {t for h in result.hypotheses for t in h.tokens}
    assert not banned & (said | {t for step in result.alternatives for t, _ in step})


@pytest.mark.parametrize("search", [{}, {"temperature": 0.8, "best_of": 3}])
def test_a_token_that_it_leaves_alone_is_chosen_and_certain(window, search):
    wanted = [5, 9, 9, 44, 17, 90, 3, EOT]
    result = hear(window, forcing(wanted), **search)
    assert result.tokens == wanted[:-1]
    assert result.logprobs == [0.0] * 7
    assert result.sum_logprob == 0.0


def test_the_other_rules_come_after_it(window):
    """It may ask for what they forbid, and gets something else."""

    def ask(tokens, logits):
        logits[[5, 6, 7, TIMESTAMP_BEGIN + 9]] = 100.0

    rules = {"suppress_tokens": [5], "blank_tokens": [6]}
    assert hear(window, ask, **rules).tokens[:2] == [7, 6]
    timed = hear(window, ask, timestamps=True, max_initial_timestamp_index=4, **rules)
    assert TIMESTAMP_BEGIN <= timed.tokens[0] <= TIMESTAMP_BEGIN + 4


def test_timestamps_are_preferred_by_what_it_left(window):
    """Text wins although the network would rather have said a time."""

    def mute(tokens, logits):
        if len(tokens) > 1:
            logits[TIMESTAMP_BEGIN:] -= 1000.0

    result = hear(window, mute, timestamps=True)
    assert all(token < TIMESTAMP_BEGIN for token in result.tokens[1:])


@pytest.mark.parametrize("initial", [[SOT], [SOT, LANGUAGES[0], 7]])
def test_the_no_speech_probability_is_the_networks(window, initial):
    def raise_it(tokens, logits):
        logits[NO_SPEECH] = 100.0

    prompt = {"initial_tokens": initial}
    plain, filtered = (hear(window, f, **prompt) for f in (None, raise_it))
    assert filtered.no_speech_prob == plain.no_speech_prob


# --- what it sees ---------------------------------------------------------------------------------


class Witness:
    """A filter that keeps what it is called with."""

    def __init__(self):
        self.calls = []

    def __call__(self, tokens, logits):
        self.calls.append((tokens, logits))


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("timestamps", [True, False])
def test_it_sees_the_tokens_so_far_and_all_logits_after_them(window, search, timestamps):
    """Of each row as it stands after beams were rearranged. What it sees is what the model says of
    those tokens, before any rule."""
    witness = Witness()
    initial = [talkative.SOT_PREV, 4, 5, SOT, LANGUAGES[1]]
    given = {"initial_tokens": initial, "sot_index": 3, "timestamps": timestamps}
    result = hear(window, witness, **given, **search)
    script = talkative.Script(talkative.model(), window, [])
    assert witness.calls[0][0] == initial
    for tokens, logits in witness.calls:
        assert type(tokens) is list
        assert {type(token) for token in tokens} == {int}
        assert tokens[:5] == initial
        assert (logits.shape, logits.dtype) == ((DIMS.n_vocab,), np.float32)
        assert logits.flags.writeable
        np.testing.assert_array_equal(logits, script(tuple(tokens)))
    seen = [tokens[5:] for tokens, _ in witness.calls]
    for n in range(len(result.tokens)):
        assert result.tokens[:n] in seen


def test_the_first_step_has_one_row_and_the_others_those_on_their_way(window):
    for search, rows in ({"beam_size": 3}, 3), ({"temperature": 0.8, "best_of": 3}, 3), ({}, 1):
        witness = Witness()
        hear(window, witness, suppress_tokens=[EOT], sample_len=4, **search)
        lengths = [len(tokens) for tokens, _ in witness.calls]
        assert lengths == [1, *[2] * rows, *[3] * rows, *[4] * rows]


def test_it_may_keep_and_change_what_it_was_given(window):
    witness = Witness()
    plain = hear(window, witness)
    kept = [logits.copy() for _, logits in witness.calls]

    def spoil(tokens, logits):
        tokens.clear()
        for _, earlier in witness.calls:
            earlier[:] = 0.0

    assert everything(hear(window, spoil)) == everything(plain)
    witness.calls.clear()
    gc.collect()
    hear(window, witness)
    np.testing.assert_array_equal([logits for _, logits in witness.calls], kept)


# --- in company -----------------------------------------------------------------------------------


def penalise(tokens, logits):
    """Repetition."""
    logits[[token for token in tokens if token < EOT]] -= 2.0


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
def test_windows_with_and_without_are_as_alone(compute_type, rng):
    model = talkative.model(n_threads=2, compute_type=compute_type)
    windows = talkative.encode(model, 12)
    rules = [None, penalise, nothing, forcing([7] * 40)]
    options = [
        talkative.random_options(rng, seed=i, logit_filter=rules[i % 4], **SEARCHES[i % 3])
        | (UNTIMED | NO_RULES if i % 4 == 3 else {})
        for i in range(12)
    ]
    together = model.decode(windows, [_core.DecodingOptions(**each) for each in options])
    alone = [decode_one(model, *pair) for pair in zip(windows, options, strict=True)]
    assert list(map(everything, together)) == list(map(everything, alone))


def test_rows_are_called_in_the_order_of_slots():
    model = talkative.model()
    windows = talkative.encode(model, 3)
    called = []
    options = [
        _core.DecodingOptions(
            **UNTIMED | {"suppress_tokens": [EOT], "sample_len": 3, "beam_size": 2},
            logit_filter=lambda tokens, logits, slot=slot: called.append((len(tokens), slot)),
        )
        for slot in range(3)
    ]
    model.decode(windows, options)
    assert called == [(n, s) for n in (1, 2, 3) for s in range(3) for _ in range(min(n, 2))]


def test_threads_call_theirs_at_once():
    """Each waits within its filter until the other is in its own."""
    model = talkative.model()
    (window,) = talkative.encode(model, 1)
    both = threading.Barrier(2)

    def meet(tokens, logits):
        both.wait(PATIENCE)

    options = UNTIMED | {"suppress_tokens": [EOT], "logit_filter": meet}
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: decode_one(model, window, options).tokens, range(2)))
    alone = decode_one(model, window, options | {"logit_filter": None}).tokens
    assert found == [alone, alone]


def test_it_may_use_the_model(window):
    model = talkative.model()

    def ask(tokens, logits):
        np.testing.assert_array_equal(model.logits(tokens, window)[-1], logits)
        logits[decode_one(model, window, UNTIMED).tokens] = -np.inf

    banned = hear(window, None).tokens
    assert not set(banned) & set(hear(window, ask).tokens)


def test_it_may_not_use_the_batch_that_calls_it(window):
    batch = talkative.model().new_batch(2, 1)

    def enter(tokens, logits):
        batch.advance()

    batch.submit(window, _core.DecodingOptions(**UNTIMED, logit_filter=enter))
    (finished,) = batch.advance()
    assert isinstance(finished.error, StateError)
    assert batch.n_free == 2


# --- what goes wrong ------------------------------------------------------------------------------


class OddError(Exception):
    """Somebody's own, which cannot be copied from its message."""

    def __init__(self, one, two):
        super().__init__(one)
        self.two = two


def failing_after(n_calls, error):
    calls = []

    def fail(tokens, logits):
        calls.append(tokens)
        if len(calls) > n_calls:
            raise error

    return fail


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("n_calls", [0, 4])
def test_what_it_raises_arrives_with_its_traceback(window, search, n_calls):
    error = OddError("odd", 2)
    with pytest.raises(OddError) as raised:
        hear(window, failing_after(n_calls, error), suppress_tokens=[EOT], **search)
    assert raised.value is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fail"
    assert hear(window, nothing).tokens == hear(window, None).tokens


def test_an_error_ends_its_window_alone():
    model = talkative.model()
    windows = talkative.encode(model, 3)
    error = OddError("odd", 2)
    plain = UNTIMED | {"suppress_tokens": [EOT]}
    rules = [None, failing_after(2, error), penalise]
    batch = model.new_batch(3, 1)
    for window, rule in zip(windows, rules, strict=True):
        batch.submit(window, _core.DecodingOptions(**plain, logit_filter=rule))
    (failed,) = batch.advance()
    assert failed.id == 1
    assert failed.error is error is failed.error
    assert traceback.extract_tb(failed.error.__traceback__)[-1].name == "fail"
    assert failed.result.tokens == []
    assert batch.n_free == 1
    batch.submit(windows[1], _core.DecodingOptions(**plain))  # its slot serves on
    found = {}
    while batch.n_free < 3:
        found |= {f.id: f.result.tokens for f in batch.advance()}
    alone = [(0, None), (2, penalise), (1, None)]
    assert [found[i] for i in (0, 2, 3)] == [
        decode_one(model, windows[i], plain | {"logit_filter": rule}).tokens for i, rule in alone
    ]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_leaves_at_once(window, interruption):
    calls = []

    def interrupt(tokens, logits):
        calls.append(tokens)
        raise interruption

    model = talkative.model()
    batch = model.new_batch(2, 1)
    for _ in range(2):
        batch.submit(window, _core.DecodingOptions(**UNTIMED, logit_filter=interrupt))
    with pytest.raises(interruption):
        batch.advance()
    assert len(calls) == 1
    assert hear(window, nothing).tokens == hear(window, None).tokens


@pytest.mark.parametrize(("value", "name"), [(np.nan, "nan"), (np.inf, "inf")])
@pytest.mark.parametrize("search", SEARCHES)
def test_what_is_no_logit_is_refused(window, search, value, name):
    def spoil(tokens, logits):
        if len(tokens) == 3:
            logits[[7, 200]] = value

    message = rf"^decode: logit_filter must leave finite logits or -inf, got {name} for token 7$"
    with pytest.raises(ShapeError, match=message):
        hear(window, spoil, suppress_tokens=[EOT], **search)


@pytest.mark.parametrize("search", SEARCHES)
def test_one_that_forbids_everything(window, search):
    def forbid(tokens, logits):
        logits[:] = -np.inf

    with pytest.raises(ShapeError, match=r"^decode: the options suppress every token that could"):
        hear(window, forbid, **search)


def test_an_array_that_it_returns_is_refused(window):
    message = r"^logit_filter must change logits where they are and return None, got numpy.ndarray$"
    with pytest.raises(TypeError, match=message):
        hear(window, lambda tokens, logits: logits - 1.0)


def test_the_core_takes_functions_alone():
    message = r"^logit_filter must be a function of \(tokens, logits\) or None, got 5$"
    with pytest.raises(TypeError, match=message):
        _core.DecodingOptions(**PLAIN, logit_filter=5)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (5, r"got 5$"),
        ("ban", r"got 'ban'$"),
        (lambda: None, r"got <function .*>: too many positional arguments$"),
        (lambda tokens: None, r"got <function .*>: too many positional arguments$"),
        (
            lambda tokens, logits, more: None,
            r"got <.*>: missing a required argument: 'more'$",
        ),
    ],
)
@pytest.mark.parametrize("options", [TranscribeOptions, DecodeOptions])
def test_what_cannot_be_called_so_is_refused_at_the_door(options, rule, message):
    where = "decode" if options is DecodeOptions else "transcribe"
    must = rf"^{where}: logit_filter must be a function of \(tokens, logits\) or None, "
    with pytest.raises(TypeError, match=must + message):
        options(logit_filter=rule)


@pytest.mark.parametrize("rule", [nothing, Witness(), print, np.add, None])
def test_whatever_may_be_called_so_is_taken(rule):
    assert TranscribeOptions(logit_filter=rule).attempt(0.0).logit_filter is rule


# --- as people use it -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whisper():
    return tiny_whisper.model()


@pytest.fixture
def noise(rng):
    return rng.standard_normal(40 * 16000).astype(np.float32) / 9


def test_transcribe_decode_and_many_take_it(whisper, noise):
    plain = whisper.transcribe(noise, language="en")
    banned = {t for s in plain for t in s.tokens if t < whisper.tokenizer.special.eot}
    assert banned

    def ban(tokens, logits):
        logits[list(banned)] = -np.inf

    filtered = whisper.transcribe(noise, language="en", logit_filter=ban)
    (of_many,) = whisper.transcribe_many([noise], language="en", logit_filter=ban)
    assert list(of_many) == list(filtered)
    assert not banned & {t for s in filtered for t in s.tokens}
    mel = _core.log_mel(noise[: 30 * 16000], 80)
    assert not banned & {*whisper.decode(mel, language="en", logit_filter=ban).tokens}


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_one_that_changes_nothing_is_heard_nowhere(whisper, noise, windows):
    """Through retries, sampled ones too."""
    plain, filtered = (
        list(whisper.transcribe(noise, language="en", windows=windows, logit_filter=rule))
        for rule in (None, nothing)
    )
    assert filtered == plain


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_who_asked_for_a_transcription_gets_the_error(whisper, noise, windows):
    error = OddError("odd", 2)
    found = whisper.transcribe(
        noise, language="en", windows=windows, logit_filter=failing_after(9, error)
    )
    with pytest.raises(OddError) as raised:
        list(found)
    assert raised.value is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fail"
    assert list(whisper.transcribe(noise, language="en"))


def test_each_of_many_has_its_own_error(whisper, noise):
    rules = {}

    def fail(tokens, logits):
        name = threading.current_thread().name
        rules[name] = rules.get(name, 0) + 1
        raise OddError("odd", rules[name])

    found = whisper.transcribe_many([noise, noise[:16000], noise[:32000]], logit_filter=fail)
    raised = []
    for _ in range(3):
        with pytest.raises(OddError) as caught:
            next(found)
        raised.append(caught.value.two)
    assert sorted(raised) == [1, 2, 3]
    assert next(found, None) is None
    assert list(rules) == [threading.current_thread().name]  # who iterates


def test_an_error_of_one_thread_is_nobody_elses(whisper, noise):
    plain = list(whisper.transcribe(noise, language="en"))

    def call(i):
        rule = failing_after(3, OddError(i, i)) if i % 2 else nothing
        try:
            return list(whisper.transcribe(noise, language="en", logit_filter=rule))
        except OddError as error:
            return error.two

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, range(4), timeout=PATIENCE)) == [plain, 1, plain, 3]


@pytest.mark.parametrize("windows", ["sequential", "independent"])
def test_nothing_is_kept_of_a_filter_that_failed(whisper, noise, windows):
    class Rule:
        def __call__(self, tokens, logits):
            raise OddError("odd", 2)

    def hear_with(rule):
        with pytest.raises(OddError):
            list(whisper.transcribe(noise, language="en", windows=windows, logit_filter=rule))

    rule = Rule()
    kept = weakref.ref(rule)
    hear_with(rule)
    del rule
    gc.collect()
    assert kept() is None


def test_it_may_not_hear_what_calls_it(whisper, noise):
    def hear_further(tokens, logits):
        len(found.segments)

    found = whisper.transcribe(noise, language="en", logit_filter=hear_further)
    with pytest.raises(StateError, match=r"a logit filter .* interrupts cannot be heard further"):
        list(found)


def test_it_may_transcribe_with_the_same_model(whisper, noise):
    inner = list(whisper.transcribe(noise[:32000], language="en"))
    heard = []

    def hear_another(tokens, logits):
        if not heard:
            heard.append(list(whisper.transcribe(noise[:32000], language="en")))

    filtered = list(whisper.transcribe(noise, language="en", logit_filter=hear_another))
    assert heard == [inner]
    assert filtered == list(whisper.transcribe(noise, language="en"))


def test_in_plain_values_it_is_a_name_and_results_travel_without_it(whisper, noise):
    """A lambda cannot be pickled; a lock cannot be copied."""

    class Rule:
        def __init__(self):
            self.lock = threading.Lock()

        def __call__(self, tokens, logits):
            pass

    for rule, name in ((penalise, "penalise"), (Rule(), "Rule"), (None, None)):
        found = whisper.transcribe(noise[:32000], language="en", logit_filter=rule)
        assert found.info.options.logit_filter is rule
        told = json.loads(json.dumps(found.info.as_dict()["options"]))
        assert told["logit_filter"] == name
        assert told["beam_size"] == 5
        for again in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
            assert list(again) == list(found)
            assert again.info.options.logit_filter is None
            assert again.info.options.language == "en"


INTERRUPTED = """
    import signal, sys, threading
    import numpy as np
    import sottovoce

    model = sottovoce.WhisperModel(sys.argv[1])
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 40 * 16000).astype(np.float32)

    def pause(tokens, logits):
        print("called", flush=True)
        threading.Event().wait()

    try:
        list(model.transcribe(noise, language="en", policy="openai", logit_filter=pause))
    except KeyboardInterrupt:
        print(len(list(model.transcribe(noise, language="en", policy="openai"))) > 0)
"""


def test_ctrl_c_is_heard_within_it(tmp_path):
    directory = tiny_whisper.write(tmp_path / "tiny")
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout.readline() == "called\n"
    program.send_signal(signal.SIGINT)
    assert program.communicate(timeout=PATIENCE) == ("True\n", "")
