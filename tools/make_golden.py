"""Makes the golden results under tests/golden with openai-whisper, in float32 on the CPU.

    python tools/make_golden.py [--models DIR] [--dev DIR] [--only WORD] [--list]

DIR holds `tiny.en/` and `base/`, CTranslate2 directories whose float16 weights are upcast here: the
same numbers that sottovoce loads. `--dev` names development clips with their manifest. Without
these arguments, SOTTOVOCE_TEST_MODELS and SOTTOVOCE_DEV_DATA are read; without clips, only what is
built from tests/data/jfk.flac is made.
Needs openai-whisper 20250625 and torch (the results in the repository: torch 2.13.0+cpu); it
imports nothing of sottovoce. Every record carries the recipe of its audio, the arguments of
`whisper.transcribe`, its result, and for every window how close the reference came to another word.
"""

import argparse
import hashlib
import importlib
import json
import math
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import whisper
import whisper.decoding
from whisper.model import ModelDimensions, Whisper

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
MODELS, DEV = "SOTTOVOCE_TEST_MODELS", "SOTTOVOCE_DEV_DATA"  # environment
sys.path.insert(0, str(ROOT / "tests"))

from oracle import clips  # noqa: E402  (the path above)

# --- the model: CTranslate2's model.bin under openai-whisper's names ------------------------------

CT2_DTYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}


def read_ct2(path: Path) -> dict[str, np.ndarray]:
    """Every variable of a model.bin: a header, then name, shape, dtype and data of each."""
    data = path.read_bytes()
    position = 0

    def take(layout: str) -> tuple:
        nonlocal position
        values = struct.unpack_from("<" + layout, data, position)
        position += struct.calcsize("<" + layout)
        return values

    def text() -> str:
        (length,) = take("H")
        (raw,) = take(f"{length}s")
        return raw.rstrip(b"\0").decode()

    (_version,) = take("I")
    spec = text()
    if spec != "WhisperSpec":
        raise SystemExit(f"{path}: a Whisper model is wanted, this is a {spec}")
    _revision, n_variables = take("II")
    variables = {}
    for _ in range(n_variables):
        name = text()
        (rank,) = take("B")
        shape = take(f"{rank}I")
        dtype, n_bytes = take("BI")
        array = np.frombuffer(data, CT2_DTYPES[dtype], math.prod(shape), position)
        variables[name] = array.reshape(shape)
        position += n_bytes
    return variables


def from_ct2(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """openai-whisper's names, float32; fused projections taken apart, the zero key bias gone."""
    tensors = {}

    def copy(theirs: str, ours: str, names: dict[str, str]) -> None:
        for a, b in names.items():
            tensors[f"{ours}.{b}"] = variables[f"{theirs}/{a}"]

    def split(theirs: str, ours: str, parts: list[str]) -> None:
        weights = np.split(variables[f"{theirs}/weight"], len(parts))
        biases = np.split(variables[f"{theirs}/bias"], len(parts))
        for part, weight, bias in zip(parts, weights, biases, strict=True):
            tensors[f"{ours}.{part}.weight"] = weight
            if part != "key":
                tensors[f"{ours}.{part}.bias"] = bias
            elif bias.any():
                raise SystemExit(f"{theirs}: a key bias that is not zero")

    norm, dense = {"gamma": "weight", "beta": "bias"}, {"weight": "weight", "bias": "bias"}
    for side in ("encoder", "decoder"):
        position = "positional_embedding"
        tensors[f"{side}.{position}"] = variables[f"{side}/position_encodings/encodings"]
        copy(f"{side}/layer_norm", f"{side}.ln_post" if side == "encoder" else f"{side}.ln", norm)
        for layer in range(count_layers(variables, side)):
            a, b = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            copy(f"{a}/self_attention/layer_norm", f"{b}.attn_ln", norm)
            split(f"{a}/self_attention/linear_0", f"{b}.attn", ["query", "key", "value"])
            copy(f"{a}/self_attention/linear_1", f"{b}.attn.out", dense)
            if side == "decoder":
                copy(f"{a}/attention/layer_norm", f"{b}.cross_attn_ln", norm)
                split(f"{a}/attention/linear_0", f"{b}.cross_attn", ["query"])
                split(f"{a}/attention/linear_1", f"{b}.cross_attn", ["key", "value"])
                copy(f"{a}/attention/linear_2", f"{b}.cross_attn.out", dense)
            copy(f"{a}/ffn/layer_norm", f"{b}.mlp_ln", norm)
            copy(f"{a}/ffn/linear_0", f"{b}.mlp.0", dense)
            copy(f"{a}/ffn/linear_1", f"{b}.mlp.2", dense)
    copy("encoder/conv1", "encoder.conv1", dense)
    copy("encoder/conv2", "encoder.conv2", dense)
    copy("decoder/embeddings", "decoder.token_embedding", {"weight": "weight"})
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def count_layers(variables: dict[str, np.ndarray], side: str) -> int:
    return len(
        {n.split("/")[1] for n in variables if n.startswith(f"{side}/layer_")} - {"layer_norm"}
    )


def load_model(directory: Path) -> Whisper:
    """openai-whisper's own module with the weights of a CTranslate2 directory."""
    variables = read_ct2(directory / "model.bin")
    tensors = from_ct2(variables)
    n_audio_ctx, n_audio_state = tensors["encoder.positional_embedding"].shape
    n_text_ctx, n_text_state = tensors["decoder.positional_embedding"].shape
    dims = ModelDimensions(
        n_mels=tensors["encoder.conv1.weight"].shape[1],
        n_audio_ctx=n_audio_ctx,
        n_audio_state=n_audio_state,
        n_audio_head=int(variables["encoder/num_heads"]),
        n_audio_layer=count_layers(variables, "encoder"),
        n_vocab=len(tensors["decoder.token_embedding.weight"]),
        n_text_ctx=n_text_ctx,
        n_text_state=n_text_state,
        n_text_head=int(variables["decoder/num_heads"]),
        n_text_layer=count_layers(variables, "decoder"),
    )
    model = Whisper(dims)
    model.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()})
    heads = torch.zeros(dims.n_text_layer, dims.n_text_head, dtype=torch.bool)
    for layer, head in json.loads((directory / "config.json").read_text())["alignment_heads"]:
        heads[layer, head] = True
    model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return model.eval()


# --- the reference, with a glance at how sure it was ----------------------------------------------


class Watch:
    """Notes each decoded window: where it began, and the narrowest choices made in it."""

    def __init__(self) -> None:
        self.windows: list[dict[str, Any]] = []
        self.language_probs: dict[str, float] | None = None
        self.calls: list[dict[str, Any]] = []

    def begin(self) -> None:
        self.narrowest, self.at, self.step = math.inf, -1, 0

    def margin(self, value: float) -> None:
        if value < self.narrowest:
            self.narrowest, self.at = value, self.step
        self.step += 1


@contextmanager
def watched() -> Iterator[Watch]:
    """While this lasts, openai-whisper tells what it decides; it decides as always."""
    watch = Watch()
    # The package's attribute `transcribe` is the function; the module hides behind it.
    module, decoding = importlib.import_module("whisper.transcribe"), whisper.decoding
    pad, detect, run = module.pad_or_trim, Whisper.detect_language, decoding.DecodingTask.run
    greedy, beam = decoding.GreedyDecoder.update, decoding.BeamSearchDecoder.update
    rank = decoding.MaximumLikelihoodRanker.rank

    def pad_watched(mel: torch.Tensor, length: int) -> torch.Tensor:
        # The slice mel[:, seek:seek + size] of a contiguous array starts `seek` after its base.
        watch.calls.append({"seek": mel.storage_offset(), "size": mel.shape[-1]})
        return pad(mel, length)

    def detect_watched(model: Whisper, mel: torch.Tensor, *args: Any) -> Any:
        tokens, probs = detect(model, mel, *args)
        watch.language_probs = probs
        watch.calls.pop()  # that slice was the detector's
        return tokens, probs

    def run_watched(task: Any, mel: torch.Tensor) -> Any:
        watch.begin()
        results = run(task, mel)
        watch.windows.append({**watch.calls[-1], "margin": watch.narrowest, "at": watch.at})
        return results

    def greedy_watched(decoder: Any, tokens: Any, logits: torch.Tensor, sums: Any) -> Any:
        if decoder.temperature != 0:
            raise SystemExit("a golden result must not be sampled")
        best, second = logits[0].float().log_softmax(-1).topk(2).values.tolist()
        watch.margin(best - second)
        return greedy(decoder, tokens, logits, sums)

    def beam_watched(decoder: Any, tokens: Any, logits: torch.Tensor, sums: torch.Tensor) -> Any:
        # The narrowest choice of a step: the last beam kept against the best candidate dropped.
        logprobs, scores = logits.float().log_softmax(-1), {}
        for row, prefix in enumerate(tokens.tolist()):
            for value, token in zip(*logprobs[row].topk(decoder.beam_size + 1), strict=True):
                scores[(*prefix, token.item())] = (sums[row] + value).item()
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)
        going_on = [i for i, sequence in enumerate(ranked) if sequence[-1] != decoder.eot]
        last = going_on[decoder.beam_size - 1]
        if last + 1 < len(ranked):
            watch.margin(scores[ranked[last]] - scores[ranked[last + 1]])
        return beam(decoder, tokens, logits, sums)

    def rank_watched(ranker: Any, tokens: Any, sums: list[list[float]]) -> Any:
        selected = rank(ranker, tokens, sums)
        if len(tokens[0]) > 1:  # the winner against the runner-up, both summed log-probs
            averages = sorted(
                (s / max(len(t), 1) for t, s in zip(tokens[0], sums[0], strict=True)), reverse=True
            )
            watch.margin(averages[0] - averages[1])
        return selected

    module.pad_or_trim, Whisper.detect_language = pad_watched, detect_watched
    decoding.DecodingTask.run, decoding.GreedyDecoder.update = run_watched, greedy_watched
    decoding.BeamSearchDecoder.update = beam_watched
    decoding.MaximumLikelihoodRanker.rank = rank_watched
    try:
        yield watch
    finally:
        module.pad_or_trim, Whisper.detect_language = pad, detect
        decoding.DecodingTask.run, decoding.GreedyDecoder.update = run, greedy
        decoding.BeamSearchDecoder.update = beam
        decoding.MaximumLikelihoodRanker.rank = rank


def transcribe(model: Whisper, samples: np.ndarray, options: dict[str, Any]) -> dict[str, Any]:
    """One result, with the windows it came from and the seconds it took."""
    started = time.perf_counter()
    with watched() as watch:
        result = whisper.transcribe(model, samples, fp16=False, **options)
    if any(s["temperature"] != 0 for s in result["segments"]):
        raise SystemExit("a golden result must not be sampled")
    out = {
        "language": result["language"],
        "text": result["text"],
        "segments": [tidy(segment) for segment in result["segments"]],
        "windows": [tidy(window) for window in watch.windows],
        "seconds": round(time.perf_counter() - started, 1),
    }
    if watch.language_probs:
        out["language_probs"] = {
            code: float(f"{p:.5g}") for code, p in watch.language_probs.items() if p > 1e-4
        }
    return out


def tidy(fields: dict[str, Any]) -> dict[str, Any]:
    """Seven decimals are more than float32 gives."""
    return {
        k: [tidy(v) for v in value]
        if k == "words"
        else round(value, 7)
        if isinstance(value, float) and math.isfinite(value)
        else value
        for k, value in fields.items()
    }


# --- what is recorded -----------------------------------------------------------------------------

SHORT_PROMPT = "Inaugural address, Washington, January 1961."
# 9 words, 30 times: 240 tokens and more, past the 223 that fit
LONG_PROMPT = " ".join(["the torch has been passed to a new generation"] * 30)

# Name -> (clip, options). Every one is run greedily and with five beams, on both models.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{clip: (clip, {}) for clip in clips.CLIPS},
    "without_timestamps": ("jfk", {"without_timestamps": True}),
    "without_timestamps_30s": ("tiled_30s", {"without_timestamps": True}),
    "initial_prompt": ("jfk", {"initial_prompt": SHORT_PROMPT}),
    "initial_prompt_65s": ("pause_65s", {"initial_prompt": SHORT_PROMPT}),
    "initial_prompt_long": ("tiled_30.01s", {"initial_prompt": LONG_PROMPT}),
    "carry_prompt": (
        "pause_65s",
        {"initial_prompt": SHORT_PROMPT, "carry_initial_prompt": True},
    ),
    "carry_prompt_long": (
        "pause_65s",
        {"initial_prompt": LONG_PROMPT, "carry_initial_prompt": True},
    ),
    "prefix": ("jfk", {"prefix": "And so, my dear"}),
    "prefix_untimed": ("jfk", {"prefix": "And so, my dear", "without_timestamps": True}),
    "condition_off": ("pause_65s", {"condition_on_previous_text": False}),
    "clip_odd": ("jfk", {"clip_timestamps": "2.5"}),
    "clip_even": ("jfk", {"clip_timestamps": "0.5,3.2,5,10.99"}),
    "clip_three": ("tiled_30s", {"clip_timestamps": [1.0, 11.5, 13.255]}),
    "suppress_nothing": ("jfk", {"suppress_tokens": ""}),
    "suppress_some": ("jfk", {"suppress_tokens": "-1,11,13"}),
    "suppress_blank_off": ("late", {"suppress_blank": False}),
    "max_initial_none": ("late", {"max_initial_timestamp": None}),
    "max_initial_zero": ("late", {"max_initial_timestamp": 0.0}),
    "max_initial_half": ("late", {"max_initial_timestamp": 0.5}),
    "sample_len": ("jfk", {"sample_len": 12}),
    "all_silent": ("pause_65s", {"no_speech_threshold": 0.0, "logprob_threshold": 0.0}),
    "no_speech_off": ("silence_5s", {"no_speech_threshold": None}),
}

MULTILINGUAL_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "detect": ("jfk", {"language": None}),
    "detect_65s": ("pause_65s", {"language": None}),
    "detect_silence": ("silence_5s", {"language": None}),
    "translate": ("jfk", {"task": "translate"}),
    "translate_from_es": ("jfk", {"task": "translate", "language": "es"}),
    "as_german": ("jfk", {"language": "de"}),
    "as_japanese": ("jfk", {"language": "ja"}),
}

ENGLISH_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "translate_en_model": ("jfk", {"task": "translate"}),
}

BEAM_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "patience": ("tiled_30s", {"beam_size": 5, "patience": 2.0}),
    "patience_rounds": ("jfk", {"beam_size": 5, "patience": 0.5}),  # round(2.5) is 2
    "length_penalty": ("tiled_30s", {"beam_size": 5, "length_penalty": 0.6}),
    "length_penalty_zero": ("first_5s", {"beam_size": 5, "length_penalty": 0.0}),
    "two_beams": ("tiled_30s", {"beam_size": 2}),
}

WORD_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "words": ("jfk", {"word_timestamps": True}),
    "words_30.01s": ("tiled_30.01s", {"word_timestamps": True}),
    "words_65s": ("pause_65s", {"word_timestamps": True}),
    "words_first_5s": ("first_5s", {"word_timestamps": True}),
    "words_hallucination": (
        "pause_65s",
        {"word_timestamps": True, "hallucination_silence_threshold": 2.0},
    ),
    "words_hallucination_short": (
        "pause_65s",
        {"word_timestamps": True, "hallucination_silence_threshold": 0.2},
    ),
    "words_late": ("late", {"word_timestamps": True}),
    "words_silence": ("silence_5s", {"word_timestamps": True, "no_speech_threshold": None}),
    "words_beam": ("tiled_30s", {"word_timestamps": True, "beam_size": 5}),
    "words_clips": ("tiled_30s", {"word_timestamps": True, "clip_timestamps": [1.0, 11.5, 13.255]}),
    "words_plain": ("tiled_30s", {"word_timestamps": True, "without_timestamps": True}),
}

MULTILINGUAL_WORD_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "words_as_japanese": ("jfk", {"word_timestamps": True, "language": "ja"}),
    "words_translate": ("jfk", {"word_timestamps": True, "task": "translate", "language": "es"}),
    "words_as_arabic": ("jfk", {"word_timestamps": True, "language": "ar"}),
}

# The default temperatures, on audio where the first one is good enough.
FALLBACK_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    f"default_temperatures_{clip}": (clip, {"best_of": 5})
    for clip in ("jfk", "first_5s", "late", "silence_5s")
}


def shipped(model: str) -> dict[str, list[dict[str, Any]]]:
    """File stem -> records still without results."""
    temperature = {"temperature": 0.0}
    language = {"language": "en"}
    groups = {
        "greedy": [CASES, ENGLISH_CASES if model.endswith(".en") else MULTILINGUAL_CASES],
        "words": [WORD_CASES] if model.endswith(".en") else [WORD_CASES, MULTILINGUAL_WORD_CASES],
        "fallback": [FALLBACK_CASES],
    }
    groups["beam5"] = groups["greedy"]
    files = {}
    for group, tables in groups.items():
        base = {**language, **(temperature if group != "fallback" else {})}
        if group == "beam5":
            base["beam_size"] = 5
        files[f"{model}-{group}"] = [
            {"name": name, "clip": clip, "options": {**base, **options}}
            for table in tables
            for name, (clip, options) in table.items()
        ]
    files[f"{model}-beam5"] += [
        {"name": name, "clip": clip, "options": {**language, **temperature, **options}}
        for name, (clip, options) in BEAM_CASES.items()
    ]
    files[f"{model}-fallback"] += [
        {
            **record,
            "name": record["name"] + "_beam5",
            "options": {**record["options"], "beam_size": 5},
        }
        for record in files[f"{model}-fallback"]
        if "best_of" in record["options"]
    ]
    return files


def dev(model: str, directory: Path) -> dict[str, list[dict[str, Any]]]:
    """All clips for a multilingual model, those in English for the others; their own language."""
    manifest = [
        json.loads(line) for line in (directory / "manifest.jsonl").read_text().splitlines()
    ]
    files = {}
    for search in ("greedy", "beam5"):
        options = {"temperature": 0.0, **({"beam_size": 5} if search == "beam5" else {})}
        files[f"{model}-{search}"] = [
            {
                "name": clip["file"],
                "file": clip["file"],
                "options": {**options, "language": clip["language"]},
            }
            for clip in manifest
            if clip["language"] == "en" or not model.endswith(".en")
        ]
    return files


# --- running and writing --------------------------------------------------------------------------


def samples_of(record: dict[str, Any], directory: Path | None) -> np.ndarray:
    if "clip" in record:
        return clips.build(record["clip"])
    return clips.read(directory / record["file"])


def digest(samples: np.ndarray) -> str:
    return hashlib.sha256(samples.tobytes()).hexdigest()[:16]


def without_text(result: dict[str, Any]) -> dict[str, Any]:
    """For clips that are not ours to ship: ids and figures only."""
    text = hashlib.sha256(result.pop("text").encode()).hexdigest()[:16]
    segments = [{k: v for k, v in s.items() if k != "text"} for s in result.pop("segments")]
    return {**result, "text_sha256": text, "segments": segments}


def make(
    path: Path, model_name: str, model: Whisper, records: list[dict], data: Path | None
) -> None:
    started = time.perf_counter()
    for record in records:
        samples = samples_of(record, data)
        result = transcribe(model, samples, record["options"])
        if "file" in record:
            record["samples_sha256"] = digest(samples)
            result = without_text(result)
        record["result"] = result
    about = {
        "model": model_name,
        "openai_whisper": whisper.__version__,
        "torch": torch.__version__,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in records)
    path.write_text(f'{{"about":{json.dumps(about)},"records":[\n{lines}\n]}}\n')
    print(f"{path}: {len(records)} records, {time.perf_counter() - started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given = {name: Path(os.environ[name]) for name in (MODELS, DEV) if os.environ.get(name)}
    parser.add_argument("--models", type=Path, default=given.get(MODELS), help="tiny.en/, base/")
    parser.add_argument("--dev", type=Path, default=given.get(DEV), help="holds a manifest.jsonl")
    parser.add_argument("--only", default="", help="files whose name contains this")
    parser.add_argument("--list", action="store_true", help="say what would be made")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.models is None:
        parser.error(f"--models or {MODELS} must name the directory of the models")
    torch.set_num_threads(args.threads)
    for model_name in ("tiny.en", "base"):
        files = {GOLDEN / f"{stem}.json": r for stem, r in shipped(model_name).items()}
        if args.dev:
            in_dev = dev(model_name, args.dev).items()
            files |= {GOLDEN / "dev" / f"{stem}.json": r for stem, r in in_dev}
        files = {p: r for p, r in files.items() if args.only in str(p.relative_to(GOLDEN))}
        if args.list:
            print(*(f"{path}: {len(records)} records" for path, records in files.items()), sep="\n")
        elif files:
            model = load_model(args.models / model_name)
            for path, records in files.items():
                make(path, model_name, model, records, args.dev)


if __name__ == "__main__":
    main()
