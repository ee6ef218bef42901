"""Files one by one against files side by side, and a long one by independent windows.

    python bench/batch.py --model DIR [--batch-size 8] [--beam-size 5] [--rounds 3] AUDIO ...

The ways take turns. Prints of each the median seconds by the clock and of the processors, and the
passes of the decoder; fails if a batch heard anything else than one by one.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from sottovoce import Segment, WhisperModel

Way = Callable[[], list[list[Segment]]]


def ways(model: WhisperModel, arguments: argparse.Namespace) -> dict[str, Way]:
    options = {"language": "en", "temperature": 0.0, "beam_size": arguments.beam_size}
    independent = {"windows": "independent", **options}

    def alone(**given: object) -> list[list[Segment]]:
        return [list(model.transcribe(path, **given)[0]) for path in arguments.audio]

    def together(**given: object) -> list[list[Segment]]:
        many = model.transcribe_many(arguments.audio, batch_size=arguments.batch_size, **given)
        return [segments for segments, _ in many]

    return {
        "one by one": lambda: alone(**options),
        "side by side": lambda: together(**options),
        "independent, one by one": lambda: alone(batch_size=1, **independent),
        "independent, side by side": lambda: together(**independent),
    }


def n_passes(model: WhisperModel) -> int:
    return model.core.metrics.decoder_token_ms.count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("audio", nargs="+")
    arguments = parser.parse_args()
    model = WhisperModel(arguments.model)
    results: dict[str, list[list[Segment]]] = {}
    figures: dict[str, list[tuple[float, float, int]]] = {}
    for _ in range(arguments.rounds):
        for name, way in ways(model, arguments).items():
            before = n_passes(model)
            clock, processors = time.perf_counter(), time.process_time()
            results[name] = way()
            clock, processors = time.perf_counter() - clock, time.process_time() - processors
            figures.setdefault(name, []).append((clock, processors, n_passes(model) - before))
    for name, of_way in figures.items():
        clock, processors, passes = (
            statistics.median(values) for values in zip(*of_way, strict=True)
        )
        print(f"{name:<26}{clock:8.2f} s {processors:8.2f} s of processors {passes:6.0f} passes")
    assert results["one by one"] == results["side by side"]
    assert results["independent, one by one"] == results["independent, side by side"]


if __name__ == "__main__":
    main()
