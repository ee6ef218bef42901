"""The same weights for every engine: converted, or made of random numbers, and kept in build/bench.

    python bench/weights.py --models DIR NAME ...

NAME is `tiny.en` or `base`, CTranslate2 directories in DIR whose float16 weights are everybody's
source, or `small` or `turbo`: the dimensions of those models with random weights, for times alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "build" / "bench" / "models"
KINDS = ("ctranslate2", "ggml-f16", "ggml-q8_0", "openai", "transformers")
RANDOM = ("small", "turbo")


@dataclass(frozen=True)
class Dims:
    """openai-whisper's ten numbers."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    @property
    def eot(self) -> int:
        return 50257 if self.n_vocab >= 51865 else 50256

    @property
    def is_multilingual(self) -> bool:
        return self.n_vocab >= 51865

    @property
    def sot(self) -> int:
        return self.eot + 1

    @property
    def transcribe(self) -> int:
        n_languages = self.n_vocab - 51765 - int(self.is_multilingual)
        return self.sot + n_languages + 2

    @property
    def timestamp_begin(self) -> int:
        return self.transcribe + 5

    @property
    def prompt(self) -> list[int]:
        """English, transcribe, with timestamps."""
        return [self.sot, self.sot + 1, self.transcribe] if self.is_multilingual else [self.sot]


DIMS = {
    "tiny.en": Dims(80, 1500, 384, 6, 4, 51864, 448, 384, 6, 4),
    "base": Dims(80, 1500, 512, 8, 6, 51865, 448, 512, 8, 6),
    "small": Dims(80, 1500, 768, 12, 12, 51865, 448, 768, 12, 12),
    "turbo": Dims(128, 1500, 1280, 20, 32, 51866, 448, 1280, 20, 4),
}


def path_of(name: str, kind: str, models: Path) -> Path:
    """Where the weights of model `name` lie for one kind of engine; `models` has the real ones."""
    if kind == "ctranslate2":
        return MODELS / name if name in RANDOM else models / name
    suffix = {"ggml-f16": "-f16.bin", "ggml-q8_0": "-q8_0.bin", "openai": ".pt"}
    return MODELS / (name + suffix.get(kind, "-transformers"))


# --- random weights -------------------------------------------------------------------------------


def tensor_shapes(dims: Dims) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of a model under openai-whisper's name."""
    for stack, n, n_layer, n_ctx in (
        ("encoder", dims.n_audio_state, dims.n_audio_layer, dims.n_audio_ctx),
        ("decoder", dims.n_text_state, dims.n_text_layer, dims.n_text_ctx),
    ):
        yield f"{stack}.positional_embedding", (n_ctx, n)
        for layer in range(n_layer):
            block = f"{stack}.blocks.{layer}"
            for attention in ("attn", "cross_attn") if stack == "decoder" else ("attn",):
                for part in ("query", "key", "value", "out"):
                    yield f"{block}.{attention}.{part}.weight", (n, n)
                    if part != "key":
                        yield f"{block}.{attention}.{part}.bias", (n,)
                yield f"{block}.{attention}_ln.weight", (n,)
                yield f"{block}.{attention}_ln.bias", (n,)
            for part, shape in (("mlp.0", (4 * n, n)), ("mlp.2", (n, 4 * n))):
                yield f"{block}.{part}.weight", shape
                yield f"{block}.{part}.bias", shape[:1]
            yield f"{block}.mlp_ln.weight", (n,)
            yield f"{block}.mlp_ln.bias", (n,)
        norm = f"{stack}.ln_post" if stack == "encoder" else f"{stack}.ln"
        yield f"{norm}.weight", (n,)
        yield f"{norm}.bias", (n,)
    n = dims.n_audio_state
    yield "encoder.conv1.weight", (n, dims.n_mels, 3)
    yield "encoder.conv1.bias", (n,)
    yield "encoder.conv2.weight", (n, n, 3)
    yield "encoder.conv2.bias", (n,)
    yield "decoder.token_embedding.weight", (dims.n_vocab, dims.n_text_state)


def random_tensors(dims: Dims) -> dict[str, np.ndarray]:
    """float16, the same at every call; norms are the identity, so that nothing explodes."""
    rng = np.random.default_rng(0)
    tensors = {}
    for name, shape in tensor_shapes(dims):
        if name.endswith(("ln.weight", "ln_post.weight")):
            tensors[name] = np.ones(shape, np.float16)
        elif name.endswith(".bias"):
            tensors[name] = np.zeros(shape, np.float16)
        else:
            numbers = rng.standard_normal(shape, np.float32)
            tensors[name] = (numbers * (0.5 / shape[-1] ** 0.5)).astype(np.float16)
    return tensors


def write_random(name: str, directory: Path, base: Path) -> None:
    """A CTranslate2 directory of random weights, with the vocabulary of `base`."""
    import ctranslate2_writer as writer

    dims = DIMS[name]
    variables = writer.variables_of(random_tensors(dims), dims.n_audio_head, dims.n_text_head)
    # What CTranslate2's own converter writes as well, and its loader asks for.
    variables |= {
        "decoder/activation": np.int8(3),
        "decoder/alibi": np.int8(0),
        "decoder/alignment_heads": np.int16(1),
        "decoder/scale_embeddings": np.int8(0),
        "decoder/start_from_zero_embedding": np.int8(0),
    }
    data = writer.model_bin(writer.quantised(variables, "float16"))
    directory.mkdir(parents=True)
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    words = (base / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    if dims.n_vocab > DIMS["base"].n_vocab:  # large-v3's hundredth language, after <|su|>
        at = DIMS["base"].transcribe - 1
        words.insert(at, "<|yue|>")
        for token in tokenizer["added_tokens"]:
            token["id"] += token["id"] >= at
        tokenizer["added_tokens"].append(
            {**tokenizer["added_tokens"][-1], "id": at, "content": "<|yue|>"}
        )
        tokenizer["added_tokens"].sort(key=lambda token: token["id"])
        config["lang_ids"].append(at)
        # The timestamps have no entries in either file; their ids follow from n_vocab.
    config["alignment_heads"] = [[dims.n_text_layer - 1, 0]]
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (directory / "vocabulary.txt").write_text("\n".join(words), encoding="utf-8")
    features = {"feature_size": dims.n_mels, "sampling_rate": 16000, "hop_length": 160}
    features |= {"n_fft": 400, "chunk_length": 30}
    (directory / "preprocessor_config.json").write_text(json.dumps(features), encoding="utf-8")
    (directory / "model.bin").write_bytes(data)


# --- the other engines' files ---------------------------------------------------------------------

GGML_MAGIC = 0x67676D6C
GGML_F32, GGML_F16, GGML_Q8_0 = 0, 1, 8  # types of a tensor
GGML_FILE_TYPE = {"ggml-f16": 1, "ggml-q8_0": 7 + 2 * 1000}  # the latter with its format's version
Q8_0_BLOCK = 32  # weights that share a scale


def q8_0(array: np.ndarray) -> bytes:
    """Blocks of a float16 scale (largest / 127) and 32 bytes."""
    blocks = np.ascontiguousarray(array, np.float32).reshape(-1, Q8_0_BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / 127
    inverse = np.divide(1.0, scales, out=np.zeros_like(scales), where=scales > 0)
    out = np.empty(len(blocks), [("scale", "<f2"), ("values", "i1", Q8_0_BLOCK)])
    out["scale"] = scales[:, 0]
    out["values"] = np.rint(blocks * inverse)
    return out.tobytes()


def write_ggml(source: Path, out: Path, dims: Dims, kind: str) -> None:
    """whisper.cpp's file: dimensions, mel filters, byte strings of the vocabulary, tensors."""
    import make_golden
    from whisper.audio import mel_filters

    from sottovoce import _core

    vocabulary = _core.Vocabulary.open(str(source))
    filters = mel_filters("cpu", dims.n_mels).numpy().astype("<f4")
    with out.open("wb") as file:
        file.write(struct.pack("<I4i", GGML_MAGIC, dims.n_vocab, *list(asdict(dims).values())[1:4]))
        file.write(struct.pack("<i", dims.n_audio_layer))
        file.write(struct.pack("<3i", dims.n_text_ctx, dims.n_text_state, dims.n_text_head))
        file.write(struct.pack("<3i", dims.n_text_layer, dims.n_mels, GGML_FILE_TYPE[kind]))
        file.write(struct.pack("<2i", *filters.shape) + filters.tobytes())
        words = [vocabulary.bytes(token) for token in range(dims.eot)]
        file.write(struct.pack("<i", len(words)))
        for word in words:
            file.write(struct.pack("<i", len(word)) + word)
        for name, tensor in make_golden.from_ct2(
            make_golden.read_ct2(source / "model.bin")
        ).items():
            if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
                tensor = tensor[:, None]
            plain = tensor.ndim < 2 or name.endswith((".bias", "positional_embedding"))
            type_id, data = GGML_F16, tensor.astype("<f2").tobytes()
            if plain:
                type_id, data = GGML_F32, tensor.astype("<f4").tobytes()
            elif kind == "ggml-q8_0" and tensor.ndim == 2:
                type_id, data = GGML_Q8_0, q8_0(tensor)
            file.write(struct.pack("<3i", tensor.ndim, len(name), type_id))
            file.write(struct.pack(f"<{tensor.ndim}i", *reversed(tensor.shape)))
            file.write(name.encode() + data)


def write_openai(source: Path, out: Path, dims: Dims) -> None:
    """openai-whisper's checkpoint, float16 as it is published."""
    import make_golden
    import torch

    tensors = make_golden.from_ct2(make_golden.read_ct2(source / "model.bin"))
    state = {name: torch.from_numpy(t.astype(np.float16)) for name, t in tensors.items()}
    torch.save({"dims": asdict(dims), "model_state_dict": state}, out)


def generation_config(dims: Dims, suppress: list[int]) -> dict[str, Any]:
    from whisper.tokenizer import LANGUAGES

    config: dict[str, Any] = {
        "max_length": dims.n_text_ctx,
        "decoder_start_token_id": dims.sot,
        "bos_token_id": dims.eot,
        "eos_token_id": dims.eot,
        "pad_token_id": dims.eot,
        "prev_sot_token_id": dims.transcribe + 2,
        "no_timestamps_token_id": dims.timestamp_begin - 1,
        "max_initial_timestamp_index": 50,
        "suppress_tokens": suppress,
        "begin_suppress_tokens": [220, dims.eot],
        "is_multilingual": dims.is_multilingual,
        "return_timestamps": True,
    }
    if dims.is_multilingual:
        n_languages = dims.transcribe - 2 - dims.sot
        codes = list(LANGUAGES)[:n_languages]
        config["lang_to_id"] = {f"<|{code}|>": dims.sot + 1 + i for i, code in enumerate(codes)}
        config["task_to_id"] = {"transcribe": dims.transcribe, "translate": dims.transcribe - 1}
    return config


def write_transformers(source: Path, out: Path, dims: Dims) -> None:
    """A Hugging Face directory, float16."""
    import make_golden

    import huggingface_writer

    tensors = make_golden.from_ct2(make_golden.read_ct2(source / "model.bin"))
    out.mkdir(parents=True)
    huggingface_writer.write_model(out, tensors, dims, kind="float16")
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["WhisperForConditionalGeneration"], "pad_token_id": dims.eot}
    config |= {"encoder_ffn_dim": 4 * dims.n_audio_state, "decoder_ffn_dim": 4 * dims.n_text_state}
    config |= {"bos_token_id": dims.eot, "eos_token_id": dims.eot}
    config |= {"decoder_start_token_id": dims.sot}
    shutil.copy(source / "tokenizer.json", out)
    suppress = json.loads((source / "config.json").read_text(encoding="utf-8"))["suppress_ids"]
    for name, value in (
        ("config.json", config),
        ("generation_config.json", generation_config(dims, suppress)),
    ):
        (out / name).write_text(json.dumps(value), encoding="utf-8")


# --- making what is missing -----------------------------------------------------------------------


def make(path: Path, write: Callable[[Path], None]) -> Path:
    """`path`, written under another name first, so that half a file is never taken for a whole."""
    if path.exists():
        return path
    print(f"weights: {path.name}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("part-" + path.name)
    if part.is_dir():
        shutil.rmtree(part)
    write(part)
    return part.rename(path)


def prepare(name: str, models: Path, kinds: tuple[str, ...] = KINDS) -> None:
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]
    dims, source = DIMS[name], path_of(name, "ctranslate2", models)
    if name in RANDOM:
        make(source, lambda part: write_random(name, part, models / "base"))
    writers: dict[str, Callable[[Path], None]] = {
        "ggml-f16": lambda part: write_ggml(source, part, dims, "ggml-f16"),
        "ggml-q8_0": lambda part: write_ggml(source, part, dims, "ggml-q8_0"),
        "openai": lambda part: write_openai(source, part, dims),
        "transformers": lambda part: write_transformers(source, part, dims),
    }
    for kind in kinds:
        if kind != "ctranslate2":
            make(path_of(name, kind, models), writers[kind])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, required=True, help="holds tiny.en/ and base/")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("names", nargs="+", choices=DIMS)
    args = parser.parse_args()
    for name in args.names:
        prepare(name, args.models, tuple(args.kinds))


if __name__ == "__main__":
    main()
