"""What is timed, in a fresh process: python bench/work.py JSON prints one JSON object.

    load    the weights into memory, from the page cache
    encode  log-mel, encoder and first token on a window of speech
    stages  log-mel, encoder, first token, and steps of the decoder, on windows of speech
    file    a whole recording
    many    windows of a recording as recordings of their own: one by one, then side by side

JSON: an Order. Times are lists, one entry a repetition, in the order they were taken.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import speech
import weights

BATCH = 8  # windows decoded together


@dataclass(frozen=True)
class Order:
    engine: str  # of engines.SPECS
    work: str  # load, encode, stages, file, many
    model: str  # of weights.DIMS
    models: str  # directory of the real models
    threads: int
    speech: str = ""  # WAV file
    language: str = "en"
    beam_size: int = 5  # file, many
    windows: str = "sequential"  # file: or "independent", BATCH of them at once
    cuts: tuple[tuple[float, float], ...] = ()  # independent: s at which they begin and end
    packed: bool = False  # load: from the cache of packed weights
    n_tokens: int = 48  # stages: steps of a timed decode
    n_times: int = 5  # repetitions
    most_s: float = 10.0  # no further repetition of a thing after so long


def repeated(body: Callable[[], Any], order: Order) -> list[float]:
    """Seconds of each of n_times calls, or as many as most_s allows, at least one."""
    times: list[float] = []
    while not times or (len(times) < order.n_times and sum(times) < order.most_s):
        started = time.perf_counter()
        body()
        times.append(time.perf_counter() - started)
    return times


def peak_rss_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def warm_page_cache(path: Path) -> None:
    for file in path.rglob("*") if path.is_dir() else [path]:
        with file.open("rb") as data:
            while data.read(1 << 24):
                pass


def encode(engine: engines.Engine, order: Order) -> tuple[dict[str, Any], Any]:
    """What it takes, and the features."""
    window = speech.window(speech.read(Path(order.speech)), 0)
    mel = engine.log_mel(window)  # once to warm up, like everything below
    mel_s = repeated(lambda: engine.log_mel(window), order)
    engine.decode(engine.encode(mel), 4, 1)
    encode_s: list[float] = []
    first_s: list[float] = []
    while not encode_s or (len(encode_s) < order.n_times and sum(encode_s) < order.most_s):
        started = time.perf_counter()
        features = engine.encode(mel)
        encoded = time.perf_counter()
        encode_s.append(encoded - started)
        if engine.first_token_apart:
            engine.decode(features, 1, 1)
            first_s.append(time.perf_counter() - encoded)
    result = {
        "log_mel_ms": [1000 * s for s in mel_s],
        "encode_ms": [1000 * s for s in encode_s],
        "first_token_ms": [1000 * s for s in first_s],
    }
    return result, features


def stages(engine: engines.Engine, order: Order) -> dict[str, Any]:
    result, features = encode(engine, order)
    result["latency_ms"] = {}

    def steps(name: str, features: Any, beam_size: int, n_windows: int) -> None:
        engine.token_ms(features, beam_size, 4)
        engine.latency_ms()
        times: list[float] = []
        repeated(
            lambda: times.append(engine.token_ms(features, beam_size, order.n_tokens) / n_windows),
            order,
        )
        result[name] = times
        if latency := engine.latency_ms():
            result["latency_ms"][name] = latency

    steps("beam1_token_ms", features, 1, 1)
    steps("beam5_token_ms", features, 5, 1)
    if engine.batches and order.model not in weights.RANDOM:
        samples = speech.read(Path(order.speech))
        mels = [engine.log_mel(speech.window(samples, i)) for i in range(BATCH)]
        steps("batch8_token_ms", engine.together(mels), 1, BATCH)
    return result


def whole_file(engine: engines.Engine, order: Order) -> dict[str, Any]:
    samples = speech.read(Path(order.speech))

    def transcribe(part: Any) -> str:
        if order.windows == "independent":
            seconds = len(part) / speech.SAMPLE_RATE
            cuts = [(start, min(end, seconds)) for start, end in order.cuts if start < seconds]
            return engine.transcribe_windows(part, order.language, order.beam_size, BATCH, cuts)
        return engine.transcribe(part, order.language, order.beam_size)

    transcribe(samples[: 8 * speech.SAMPLE_RATE])  # to warm up
    texts: list[str] = []
    times = repeated(lambda: texts.append(transcribe(samples)), order)
    return {"file_s": times, "audio_s": len(samples) / speech.SAMPLE_RATE, "text": texts[-1]}


def many(engine: engines.Engine, order: Order) -> dict[str, Any]:
    samples = speech.read(Path(order.speech))
    parts = [speech.window(samples, i) for i in range(BATCH)]
    texts: dict[str, list[str]] = {}

    def alone() -> None:
        found = [engine.transcribe(part, order.language, order.beam_size) for part in parts]
        texts["alone"] = found

    def together() -> None:
        texts["together"] = engine.transcribe_many(parts, order.language, order.beam_size, BATCH)

    together()  # to warm up
    result = {"many_s": repeated(together, order), "alone_s": repeated(alone, order)}
    assert texts["alone"] == texts["together"]
    return {**result, "n_recordings": BATCH}


def run(order: Order) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        engine = engines.create(order.engine, order.threads)
        import_s = time.perf_counter() - started
        path = weights.path_of(order.model, engines.SPECS[order.engine].weights, Path(order.models))
        warm_page_cache(path)
        started = time.perf_counter()
        (engine.load_packed if order.packed else engine.load)(path)
        result: dict[str, Any] = {
            "import_s": import_s,
            "load_s": time.perf_counter() - started,
        }
        if order.work == "encode":
            result |= encode(engine, order)[0]
        elif order.work == "stages":
            result |= stages(engine, order)
        elif order.work == "file":
            result |= whole_file(engine, order)
        elif order.work == "many":
            result |= many(engine, order)
    except engines.UnavailableError as error:
        return {"unavailable": str(error)}
    return {
        **result,
        "version": engine.version(),
        "settings": engine.settings(),
        "peak_rss_mb": peak_rss_mb(),
    }


def main() -> None:
    wanted = json.loads(sys.argv[1])
    names = {f.name for f in dataclasses.fields(Order)}
    order = Order(**{name: value for name, value in wanted.items() if name in names})
    print(json.dumps(run(order)))


if __name__ == "__main__":
    main()
