"""What other engines call things, and what they come to here: answers to names nobody knows.

An answer goes before any guess by spelling. It is true of this version: what is missing is said to
be missing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

_CALLED = {
    "beam_size": "beam beams num_beams n_beams beam_width",
    "logprob_threshold": "log_prob_threshold logprob_thold avg_logprob_threshold",
    "no_speech_threshold": "no_speech_thold no_speech_prob_threshold",
    "condition_on_previous_text": "condition_on_prev_tokens condition_on_prev_text",
    "sample_len": "max_new_tokens max_tokens max_length max_token",
    "language": "lang source_language language_code",
    "sample_rate": "sampling_rate samplerate sr rate",
    "word_timestamps": "word_level word_times words",
    "batch_size": "batch n_batch",
    "logit_filter": "logits_processor logits_processors logit_filters logits_filter",
    "progress": "callback progress_callback new_segment_callback on_progress",
}
_MODEL_CALLED = {
    "name_or_path": "model_size_or_path model model_name model_path model_size name path",
    "cpu_threads": "n_threads num_threads threads intra_threads",
    "compute_type": "dtype torch_dtype compute precision quantization quantize",
    "download_root": "cache_dir download_dir model_dir models_dir",
}


def _names(called: Mapping[str, str]) -> dict[str, str]:
    return {o: f"it is called {ours}" for ours, others in called.items() for o in others.split()}


_VAD = "vad_filter=True hears speech alone, and vad_parameters= says what counts as speech"
_WINDOW = "a window is 30 s long; windows='independent' cuts a recording at its pauses"
_PROGRESS = "give progress= a function, which is told how far a recording has been heard"
_LANGUAGE = "a recording has one language, given or detected in its first 30 s"
_REPEATS = (
    "there is none: a window that repeats itself is tried again at a higher temperature "
    "(compression_ratio_threshold)"
)
_THREADS = "WhisperModel takes it, as cpu_threads"
_FILES = "transcribe(...).save('talk.srt') writes a file"
_SIDE_BY_SIDE = (
    "it is not needed: any number of threads may use a model at once, and transcribe_many hears "
    "windows side by side"
)
_DIARIZE = "a diarizer tells speakers apart; Transcription.with_speakers takes what it returns"
_INSIDE = "it is not needed: give what is in it by name, such as language= and beam_size="

_OPTIONS = {
    **_names(_CALLED),
    **dict.fromkeys(("vad", "vad_options", "vad_method", "use_vad", "vad_threshold"), _VAD),
    "hotwords": "it comes with a later version; until then initial_prompt can hold the words",
    **dict.fromkeys(("chunk_length", "chunk_length_s", "chunk_size", "stride_length_s"), _WINDOW),
    **dict.fromkeys(("verbose", "log_progress", "print_progress", "progress_bar"), _PROGRESS),
    **dict.fromkeys(("repetition_penalty", "no_repeat_ngram_size"), _REPEATS),
    "prompt_reset_on_temperature": "it is 0.5: a window that took more does not prompt the next",
    "temperature_increment_on_fallback": "give temperature= what is tried in turn: (0.0, 0.2, 0.4)",
    "fp16": "it is not needed: WhisperModel(..., compute_type=...) chooses the precision",
    **dict.fromkeys(("generate_kwargs", "decode_options"), _INSIDE),
    **dict.fromkeys(
        ("return_timestamps", "timestamps"), "there are always times, but with without_timestamps"
    ),
    "translate": "it is task='translate'",
    "stream": "it is not needed: segments come while the recording is being decoded",
    "num_workers": _SIDE_BY_SIDE,
    **dict.fromkeys(("n_threads", "threads", "num_threads", "cpu_threads"), _THREADS),
    **dict.fromkeys(
        ("device", "compute_type", "isa", "threading", "weights_cache", "download_root"),
        "WhisperModel takes it",
    ),
    **dict.fromkeys(("output_format", "output_dir"), _FILES),
    **dict.fromkeys(
        ("diarize", "diarization", "diarize_model", "min_speakers", "max_speakers", "num_speakers"),
        _DIARIZE,
    ),
}
TRANSCRIBE = {
    **_OPTIONS,
    **dict.fromkeys(("prompt", "init_prompt", "prompt_ids"), "it is called initial_prompt"),
}
DECODE = {
    **_OPTIONS,
    **dict.fromkeys(
        ("initial_prompt", "init_prompt", "prompt_ids"), "one window's is called prompt"
    ),
}
DECODE |= dict.fromkeys(
    (
        *("compression_ratio_threshold", "logprob_threshold", "no_speech_threshold"),
        *("condition_on_previous_text", "carry_initial_prompt", "clip_timestamps", "windows"),
        *("vad_filter", "vad_parameters", "vad", "vad_options", "vad_method"),
        *("batch_size", "progress", "sample_rate", "channels", "speakers"),
    ),
    "it belongs to a recording, and this is one window",
)
VAD = {
    "onset": "it is called threshold",
    "offset": "it is called neg_threshold",
    "min_silence_at_max_speech": "it is 98 ms",
    **dict.fromkeys(("window_size_samples", "frame_size"), "it is 512, 32 ms"),
    **dict.fromkeys(("sampling_rate", "sr"), "speech_timestamps has sample_rate"),
}
MODEL = {
    **_names(_MODEL_CALLED),
    **dict.fromkeys(("num_workers", "inter_threads"), _SIDE_BY_SIDE),
    "device_index": "it is not needed: there is no device but the CPU",
    "gpu": "it is not needed: there is no device but the CPU",
    "in_memory": "it is not needed: weights are read once, and kept in memory",
    "fp16": "compute_type='bfloat16' is the type of half the size",
    "files": "give the directory that holds them",
    "revision": "download the revision, and give its directory",
    **dict.fromkeys(
        ("use_auth_token", "token", "hf_token"),
        "the Hugging Face hub's own is used: HF_TOKEN in the environment, or `hf auth login`",
    ),
}


def unknown(
    where: str, kind: str, name: str, known: Iterable[str], answers: Mapping[str, str]
) -> TypeError:
    """The error for a keyword that is none of the known ones; `kind`: "option", "argument"."""
    if name in answers:
        hint = f": {answers[name]}"
    else:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
    return TypeError(f"{where}: unknown {kind} {name!r}{hint}")
