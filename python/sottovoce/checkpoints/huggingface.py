"""Hugging Face's side: the core reads its directories; names and configurations are here.

Reading is the C++ reader's work. What stands here serves the converter: openai-whisper's tensor
names and dimensions in Hugging Face's words, and the JSON files that `transformers` expects.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from .._core import (
    CHUNK_LENGTH,
    HOP_LENGTH,
    N_FFT,
    N_FRAMES,
    N_SAMPLES,
    SAMPLE_RATE,
    Checkpoint,
    ModelDims,
)
from ..errors import LoadError
from .json_file import read_json

_FIXED: Final = {
    "encoder.positional_embedding": "model.encoder.embed_positions.weight",
    "decoder.positional_embedding": "model.decoder.embed_positions.weight",
    "decoder.token_embedding.weight": "model.decoder.embed_tokens.weight",
}
_STEMS: Final = {
    "encoder.conv1": "model.encoder.conv1",
    "encoder.conv2": "model.encoder.conv2",
    "encoder.ln_post": "model.encoder.layer_norm",
    "decoder.ln": "model.decoder.layer_norm",
}
_BLOCK_STEMS: Final = {
    "attn_ln": "self_attn_layer_norm",
    "cross_attn_ln": "encoder_attn_layer_norm",
    "mlp_ln": "final_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
    **{
        f"{attention}.{role}": f"{theirs}.{projection}"
        for attention, theirs in (("attn", "self_attn"), ("cross_attn", "encoder_attn"))
        for role, projection in (
            ("query", "q_proj"),
            ("key", "k_proj"),
            ("value", "v_proj"),
            ("out", "out_proj"),
        )
    },
}
_BLOCK: Final = re.compile(r"(encoder|decoder)\.blocks\.(\d+)\.(.+)\.(weight|bias)")


def open_huggingface(directory: Path) -> Checkpoint:
    """Opens config.json and model.safetensors, or its shards, in the core; may raise LoadError."""
    return Checkpoint.open(str(directory))


def huggingface_name(name: str) -> str:
    """encoder.blocks.0.attn.query.weight -> model.encoder.layers.0.self_attn.q_proj.weight.

    Raises LoadError for a name that is not one of openai-whisper's.
    """
    if name in _FIXED:
        return _FIXED[name]
    stem, _, kind = name.rpartition(".")
    if stem in _STEMS:
        return f"{_STEMS[stem]}.{kind}"
    match = _BLOCK.fullmatch(name)
    if match is None or match[3] not in _BLOCK_STEMS:
        raise LoadError(f"tensor {name} has no Hugging Face name")
    return f"model.{match[1]}.layers.{match[2]}.{_BLOCK_STEMS[match[3]]}.{match[4]}"


def is_reference_name(name: str) -> bool:
    """Whether it is openai-whisper's name of a tensor that the network needs."""
    try:
        return bool(huggingface_name(name))
    except LoadError:
        return False


def model_config(checkpoint: Checkpoint, special: dict[str, int], dtype: str) -> dict[str, Any]:
    """config.json of a WhisperForConditionalGeneration of these dimensions."""
    dims = checkpoint.dims
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "activation_function": "gelu",
        "is_encoder_decoder": True,
        "num_mel_bins": dims.n_mels,
        "max_source_positions": dims.n_audio_ctx,
        "d_model": dims.n_audio_state,
        "encoder_attention_heads": dims.n_audio_head,
        "encoder_layers": dims.n_audio_layer,
        "encoder_ffn_dim": _ffn_dim(checkpoint, "encoder", dims.n_audio_layer),
        "vocab_size": dims.n_vocab,
        "max_target_positions": dims.n_text_ctx,
        "decoder_attention_heads": dims.n_text_head,
        "decoder_layers": dims.n_text_layer,
        "decoder_ffn_dim": _ffn_dim(checkpoint, "decoder", dims.n_text_layer),
        "num_hidden_layers": dims.n_audio_layer,
        "scale_embedding": False,
        "use_cache": True,
        "torch_dtype": dtype,
        **_token_roles(special),
    }


def generation_config(checkpoint: Checkpoint, special: dict[str, int]) -> dict[str, Any]:
    """generation_config.json: what the checkpoint and the tokenizer's special tokens tell."""
    dims = checkpoint.dims
    config: dict[str, Any] = {
        "is_multilingual": dims.is_multilingual,
        "max_length": dims.n_text_ctx,
        "max_initial_timestamp_index": 50,
        "return_timestamps": False,
        **_token_roles(special),
    }
    if checkpoint.suppress_tokens:
        config["suppress_tokens"] = checkpoint.suppress_tokens
    if checkpoint.alignment_heads is not None:
        config["alignment_heads"] = [list(pair) for pair in checkpoint.alignment_heads]
    _put(config, special, "no_timestamps_token_id", "<|notimestamps|>")
    _put(config, special, "prev_sot_token_id", "<|startofprev|>")
    if dims.is_multilingual:
        tasks = ("transcribe", "translate")
        config["task_to_id"] = {t: special[f"<|{t}|>"] for t in tasks if f"<|{t}|>" in special}
        config["lang_to_id"] = _languages(special)
    return config


def preprocessor_config(dims: ModelDims) -> dict[str, Any]:
    """preprocessor_config.json: the audio front end, so that `WhisperProcessor` loads too."""
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": dims.n_mels,
        "sampling_rate": SAMPLE_RATE,
        "n_fft": N_FFT,
        "hop_length": HOP_LENGTH,
        "chunk_length": CHUNK_LENGTH,
        "n_samples": N_SAMPLES,
        "nb_max_frames": N_FRAMES,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }


def special_tokens(tokenizer_json: Path) -> dict[str, int]:
    """Names and ids of the added tokens of a tokenizer.json; LoadError if it is malformed."""
    added = read_json(tokenizer_json).get("added_tokens", [])
    try:
        return {str(token["content"]): int(token["id"]) for token in added}
    except (KeyError, TypeError, ValueError) as error:
        raise LoadError(
            f"{tokenizer_json}: added_tokens must be objects with content and id"
        ) from error


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _ffn_dim(checkpoint: Checkpoint, stack: str, n_layer: int) -> int:
    return len(checkpoint.tensor(f"{stack}.blocks.0.mlp.0.bias")) if n_layer else 0


def _token_roles(special: dict[str, int]) -> dict[str, int]:
    roles: dict[str, int] = {}
    for field in ("bos_token_id", "eos_token_id", "pad_token_id"):
        _put(roles, special, field, "<|endoftext|>")
    _put(roles, special, "decoder_start_token_id", "<|startoftranscript|>")
    return roles


def _put(config: dict[str, Any], special: dict[str, int], field: str, token: str) -> None:
    if token in special:
        config[field] = special[token]


def _languages(special: dict[str, int]) -> dict[str, int]:
    # Whisper numbers its languages in one run, from after <|startoftranscript|> to <|translate|>.
    first = special.get("<|startoftranscript|>", 0)
    last = special.get("<|translate|>", 0)
    return {token: index for token, index in special.items() if first < index < last}
