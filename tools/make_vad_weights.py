"""Makes python/sottovoce/data/silero_vad.safetensors from the PyPI package of Silero VAD (MIT).

    python tools/make_vad_weights.py    # numpy, onnx, safetensors and silero-vad==6.2.3 --no-deps

The half for 16 kHz, float32, without the Fourier basis, which the core computes. Of the files in
the package this takes the ONNX one for 16 kHz: silero_vad_16k.safetensors beside it holds other
numbers. Names are the PyTorch module's, in short; so is the order of the LSTM's gates: i, f, g, o.
"""

import importlib.metadata
from pathlib import Path

import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

VERSION = "6.2.3"
SOURCE = "silero_vad/data/silero_vad_16k_op15.onnx"
OUT = Path(__file__).parents[1] / "python" / "sottovoce" / "data" / "silero_vad.safetensors"


def main() -> None:
    package = importlib.metadata.distribution("silero-vad")
    if package.version != VERSION:
        raise SystemExit(f"silero-vad must be {VERSION}, got {package.version}")
    graph = onnx.load(str(package.locate_file(SOURCE))).graph
    found = {t.name.removeprefix("model."): numpy_helper.to_array(t) for t in graph.initializer}
    tensors = {}
    for i in range(4):
        for part in ("weight", "bias"):
            tensors[f"encoder.{i}.{part}"] = found[f"encoder.{i}.reparam_conv.{part}"]
    for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        tensors[f"decoder.rnn.{part}"] = found[f"decoder.rnn.{part}"]
    tensors["decoder.output.weight"] = found["decoder.decoder.2.weight"][:, :, 0]
    tensors["decoder.output.bias"] = found["decoder.decoder.2.bias"]
    made_from = {"made_from": f"silero-vad {VERSION} (MIT), {SOURCE}"}
    save_file({name: t.copy() for name, t in tensors.items()}, OUT, metadata=made_from)
    print(f"{OUT}: {sum(t.size for t in tensors.values()):,} numbers, {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
