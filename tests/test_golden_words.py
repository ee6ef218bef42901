"""That no word of the golden results owes its time to rounding.

Dynamic time warping chooses among thousands of paths, and two may cost the same to within what
float32 errs by: then openai-whisper's own answer is luck, and says nothing of ours. Here every
matrix of every golden record is spoilt as badly as rounding could spoil it: the path that was taken
loses, and all others gain, what a cell may err by. If it stays the best, then no computation in
float32 finds another.

A cell errs by its own rounding (`matrix_bound`), and by that of the cost that it is added to. Of
427 words of tiny.en and 726 of base none can move, nor by twice that error. By four times it 23 and
1 could, by 0.02 s; by ten times 23 and 12, by up to 1.7 s.
SOTTOVOCE_SLOW=1 takes every record, an ordinary run the first of each model.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import oracle
from oracle import clips
from sottovoce import WhisperModel, _core
from sottovoce.policy import listening
from sottovoce.policy.words import with_words
from test_alignment import EPS, matrix_bound

GOLDEN = Path(__file__).parent / "golden"


def records() -> list:
    found = []
    for path in sorted(GOLDEN.glob("*-words.json")):
        contents = json.loads(path.read_text(encoding="utf-8"))
        for index, record in enumerate(contents["records"]):
            marks = [pytest.mark.slow] if index else []
            name = f"{contents['about']['model']}-{record['name']}"
            found.append(pytest.param(contents["about"]["model"], record, id=name, marks=marks))
    return found


class Listening:
    """A core that remembers what it was asked to align."""

    def __init__(self, core: _core.Model) -> None:
        self.core, self.calls = core, []

    def __getattr__(self, name):
        return getattr(self.core, name)

    def align(self, features, options, **keywords):
        found = self.core.align(features, options, **keywords)
        self.calls.append((features, options, found))
        return found


def matrix_of(core, eot, features, options) -> tuple[np.ndarray, float]:
    """What the core has warped, and what a cell of it may err by."""
    tokens = [*options.initial_tokens, *options.text_tokens, eot]
    scores = core.cross_attention(tokens, features, core.alignment_heads, softmax=False)
    n_positions = options.n_frames // 2
    matrix = _core.attention_matrix(
        scores.copy(),
        n_positions=n_positions,
        first_row=len(options.initial_tokens) - 1,
        n_rows=len(options.text_tokens) + 1,
        isa=core.isa,
    )
    return matrix, matrix_bound(scores, n_positions)


def spoilt(matrix: np.ndarray, error: float) -> np.ndarray:
    """Of all matrices that differ by `error`, the one in which the best path is worst off."""
    found = matrix.astype(np.float64) + error
    for cell in oracle.best_path(matrix, np.float64):
        found[cell] -= 2 * error
    return found


def times_of(cut) -> list[tuple[str, float, float]]:
    return [(w.word, w.start, w.end) for segment in cut.segments for w in segment.words]


@pytest.mark.filterwarnings("ignore::sottovoce.AudioWarning")  # one clip is silence
@pytest.mark.parametrize(("model_name", "record"), records())
def test_no_word_of_the_golden_results_is_where_it_is_by_luck(
    model_name, record, request, monkeypatch
):
    model = request.getfixturevalue(model_name.replace(".", "_"))
    core = Listening(model.core)
    windows = []

    def keeping(cut, alignment, *more):
        windows.append((cut, alignment, more))
        return with_words(cut, alignment, *more)

    monkeypatch.setattr(listening, "with_words", keeping)
    found = WhisperModel.of_parts(core, model.tokenizer).transcribe(
        clips.build(record["clip"]), policy="openai", **{"beam_size": None, **record["options"]}
    )
    n_words = sum(len(segment.words) for segment in found)
    assert n_words == sum(len(s["words"]) for s in record["result"]["segments"])
    aligned = {id(alignment): asked for *asked, alignment in core.calls}
    for cut, alignment, more in windows:
        if alignment is None:
            continue
        features, options = aligned[id(alignment)]
        if options.n_frames < 4:  # one position, and so one path
            continue
        matrix, error = matrix_of(core, model.tokenizer.special.eot, features, options)
        costs, _ = oracle.path_table(matrix, np.float64)
        error += EPS / 2 * np.abs(costs[np.isfinite(costs)]).max()
        starts = np.array(oracle.path_starts(spoilt(matrix, error), np.float64), np.int32)
        worst = SimpleNamespace(starts=starts, probabilities=alignment.probabilities)
        assert times_of(with_words(cut, worst, *more)) == times_of(
            with_words(cut, alignment, *more)
        )
