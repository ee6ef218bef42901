"""Types of the C++ extension. `tests/test_house.py` holds them against the runtime module."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from .runtime import ComputeType, Device, Isa, Threading

SAMPLE_RATE: Final[int]  # 16000 Hz
N_FFT: Final[int]  # 400
HOP_LENGTH: Final[int]  # 160
CHUNK_LENGTH: Final[int]  # 30 s
N_SAMPLES: Final[int]  # 480000 in a window
N_FRAMES: Final[int]  # 3000 in a window
FRAMES_PER_SECOND: Final[int]  # 100
INPUT_STRIDE: Final[int]  # 2 frames per encoder position
TOKENS_PER_SECOND: Final[int]  # 50 timestamps a second
VAD_HOP_LENGTH: Final[int]  # 512 samples, 32 ms, in a frame of VoiceActivity
__version__: Final[str]

def set_interruption_check(check: Callable[[], None]) -> None: ...

class Error(Exception): ...
class ShapeError(Error, ValueError): ...
class LoadError(Error, RuntimeError): ...
class StateError(Error, RuntimeError): ...

class StoppedError(Error, RuntimeError):
    """A call that somebody outside has ended: nothing is wrong with it.

    Attributes:
        transcription: `Transcription` of what was heard of a recording until then; None: nothing.
        segments: its segments.
    """

    transcription: Any
    segments: tuple[Any, ...]

class CancelledError(StoppedError):
    """By its token."""

class DeadlineExceededError(StoppedError, TimeoutError):
    """By its deadline."""

class CancelToken:
    """Ends the calls that have it, from another thread or at a time.

    Any number of calls and threads may have one. Once cancelled it stays so, and a deadline that
    has passed stays passed.
    """

    def __init__(self, *, deadline_s: float | None = None) -> None: ...
    def cancel(self) -> None: ...  # a decoder ends within a step
    @property
    def is_cancelled(self) -> bool: ...
    def check(self) -> None: ...  # raises CancelledError or DeadlineExceededError if that has come
    def with_deadline(self, seconds: float) -> CancelToken: ...  # cancelled with this one, too

class Cancellable:
    """A block in which the calls of this thread heed a token; nothing may yield within it."""

    def __init__(self, token: CancelToken | None) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...

def check_cancellation() -> None: ...

class ModelDims:
    @property
    def n_mels(self) -> int: ...
    @property
    def n_audio_ctx(self) -> int: ...
    @property
    def n_audio_state(self) -> int: ...
    @property
    def n_audio_head(self) -> int: ...
    @property
    def n_audio_layer(self) -> int: ...
    @property
    def n_vocab(self) -> int: ...
    @property
    def n_text_ctx(self) -> int: ...
    @property
    def n_text_state(self) -> int: ...
    @property
    def n_text_head(self) -> int: ...
    @property
    def n_text_layer(self) -> int: ...
    def __init__(
        self,
        n_mels: int,
        n_audio_ctx: int,
        n_audio_state: int,
        n_audio_head: int,
        n_audio_layer: int,
        n_vocab: int,
        n_text_ctx: int,
        n_text_state: int,
        n_text_head: int,
        n_text_layer: int,
    ) -> None: ...
    @property
    def n_frames(self) -> int: ...  # mel frames of one window
    @property
    def is_multilingual(self) -> bool: ...
    @property
    def n_languages(self) -> int: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

class Checkpoint:
    """Dimensions and tensors, named as openai-whisper names them; not yet packed."""

    def __init__(
        self,
        dims: ModelDims,
        tensors: Mapping[str, NDArray[Any]],  # float32, float16, or uint16 = bfloat16 bits
        *,
        alignment_heads: Sequence[tuple[int, int]] | None = None,
        suppress_tokens: Sequence[int] = (),
        source: str = "memory",
    ) -> None: ...
    @staticmethod
    def open(path: str, tensors: Mapping[str, NDArray[Any]] | None = None) -> Checkpoint: ...
    @property
    def dims(self) -> ModelDims: ...
    @property
    def alignment_heads(self) -> list[tuple[int, int]] | None: ...
    @property
    def suppress_tokens(self) -> list[int]: ...
    @property
    def source(self) -> str: ...
    def names(self) -> list[str]: ...
    def tensor(self, name: str) -> NDArray[Any]: ...  # a read-only view; bfloat16 as uint16
    def dtype(self, name: str) -> str: ...  # "float32", "float16", "bfloat16"

class Latency:
    @property
    def count(self) -> int: ...
    @property
    def sum_ms(self) -> float: ...
    @property
    def max_ms(self) -> float: ...
    def quantile_ms(self, q: float) -> float: ...

class Metrics:
    def __init__(self) -> None: ...
    @property
    def encoder_calls(self) -> int: ...
    @property
    def encoder_forward_ms(self) -> float: ...
    @property
    def cross_kv_ms(self) -> float: ...
    @property
    def decode_calls(self) -> int: ...
    @property
    def decoder_prefill_ms(self) -> float: ...
    @property
    def decoder_token_ms(self) -> Latency: ...
    @property
    def tokens(self) -> int: ...
    @property
    def alignments(self) -> int: ...  # texts aligned, each by a pass of its own
    @property
    def alignment_ms(self) -> float: ...
    @property
    def kv_cache_bytes(self) -> int: ...
    @property
    def cross_kv_bytes(self) -> int: ...
    @property
    def attention_scratch_bytes(self) -> int: ...
    def merge(self, other: Metrics) -> None: ...
    def as_dict(self) -> dict[str, Any]: ...
    def __eq__(self, other: object) -> bool: ...
    __hash__ = None  # type: ignore[assignment]
    def __copy__(self) -> Metrics: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Metrics: ...

class AudioFeatures:
    @property
    def values(self) -> NDArray[np.float32]: ...  # (n_audio_ctx, n_audio_state), read-only
    @property
    def hidden_states(self) -> list[NDArray[np.float32]]: ...  # n_audio_layer + 1, or []
    @property
    def metrics(self) -> Metrics: ...

class DecoderState:
    @property
    def n_rows(self) -> int: ...
    @property
    def n_past(self) -> list[int]: ...
    def step(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]: ...
    def step_all(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]: ...
    def rearrange(self, sources: Sequence[int]) -> None: ...

class Model:
    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        n_threads: int = 0,
        isa: Isa = "",
        compute_type: ComputeType = "float32",
        threading: Threading = "pool",
        device: Device = "",
    ) -> None: ...
    @property
    def dims(self) -> ModelDims: ...
    @property
    def device(self) -> str: ...
    @property
    def isa(self) -> str: ...
    @property
    def compute_type(self) -> str: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def threading(self) -> str: ...
    @property
    def alignment_heads(self) -> list[tuple[int, int]]: ...
    @property
    def weights_bytes(self) -> int: ...
    @property
    def metrics(self) -> Metrics: ...
    def encode(
        self,
        mel: NDArray[np.float32],  # (n_mels, n_frames <= 2 * n_ctx)
        n_ctx: int | None = None,  # positions; those of an empty window follow; None: all 1500
        *,
        hidden_states: bool = False,
    ) -> AudioFeatures: ...
    def encode_windows(
        self,
        mels: Sequence[NDArray[np.float32]],  # each (n_mels, n_frames <= 3000)
        *,
        hidden_states: bool = False,
    ) -> list[AudioFeatures]: ...
    def new_state(self, features: Sequence[AudioFeatures], n_rows: int) -> DecoderState: ...
    def logits(self, tokens: Sequence[int], features: AudioFeatures) -> NDArray[np.float32]: ...
    def cross_attention(
        self,
        tokens: Sequence[int],
        features: AudioFeatures,
        heads: Sequence[tuple[int, int]],
        *,
        softmax: bool = True,
    ) -> NDArray[np.float32]: ...
    @overload
    def align(self, features: AudioFeatures, options: AlignmentOptions) -> TokenAlignment: ...
    @overload
    def align(self, kept: KeptAttention, options: AlignmentOptions) -> TokenAlignment: ...
    def decode(
        self,
        features: Sequence[AudioFeatures],
        options: Sequence[DecodingOptions],
        *,
        metrics: Metrics | None = None,  # this call's figures are merged into it
    ) -> list[DecodingResult]: ...
    def new_batch(self, n_slots: int, rows_per_slot: int) -> DecodeBatch: ...
    def detect_language(
        self, features: AudioFeatures, sot: int, language_tokens: Sequence[int]
    ) -> NDArray[np.float32]: ...

def special_names(n_vocab: int) -> dict[str, int]: ...
def checkpoint_identity(path: str) -> str: ...
def packed_path(
    folder: str, directory: str, *, isa: Isa = "", compute_type: ComputeType = "float32"
) -> str: ...
def open_packed(
    path: str,
    identity: str,
    *,
    n_threads: int = 0,
    isa: Isa = "",
    compute_type: ComputeType = "float32",
    threading: Threading = "pool",
    device: Device = "",
) -> Model | None: ...
def save_packed(model: Model, path: str, identity: str, *, patience: float = 10.0) -> bool: ...

class AlignmentOptions:
    """A text that was said in a window: csrc/include/sottovoce/alignment.h explains each field."""

    def __init__(
        self,
        *,
        initial_tokens: Sequence[int],  # sot sequence, no_timestamps
        text_tokens: Sequence[int],  # ids below eot
        eot: int,
        n_frames: int,  # of the mel, that hold audio
        heads: Sequence[tuple[int, int]] = (),  # (layer, head); none: the model's alignment_heads
        median_filter_width: int = 7,  # odd
        logprobs: bool = False,  # whether they are wanted
    ) -> None: ...
    @property
    def initial_tokens(self) -> list[int]: ...
    @property
    def text_tokens(self) -> list[int]: ...
    @property
    def n_frames(self) -> int: ...

class TokenAlignment:
    @property
    def starts(self) -> NDArray[np.int32]: ...  # (n_text + 1,) positions of 20 ms, -1: unknown
    @property
    def peaks(self) -> NDArray[np.int32]: ...  # (n_text,) positions attended to most, -1: unknown
    @property
    def probabilities(self) -> NDArray[np.float32]: ...  # (n_text,) among the ids below eot
    @property
    def logprobs(self) -> NDArray[np.float32]: ...  # (n_text + 1,) with eot, among all ids; or (0,)
    @property
    def metrics(self) -> Metrics: ...

class DecodingOptions:
    """Token-level options of one window: csrc/include/sottovoce/decoding.h explains each."""

    def __init__(
        self,
        *,
        eot: int,
        no_speech: int,
        no_timestamps: int,
        timestamp_begin: int,
        initial_tokens: Sequence[int],
        sot_index: int = 0,
        sample_len: int = 224,
        temperature: float = 0.0,
        best_of: int = 1,
        beam_size: int = 0,
        patience: float = 1.0,
        length_penalty: float | None = None,
        seed: int = 0,
        suppress_tokens: Sequence[int] = (),
        blank_tokens: Sequence[int] = (),
        timestamps: bool = True,
        max_initial_timestamp_index: int | None = None,
        logit_filter: Callable[[list[int], NDArray[np.float32]], None] | None = None,
        top_k: int = 0,
        n_best: int = 1,
        keep_attention: bool = False,
        stop_loops: bool = False,
    ) -> None: ...

class Loop:
    """A phrase that a text says over and over."""

    @property
    def first(self) -> int: ...  # index of the token with which it begins the first time
    @property
    def n_tokens(self) -> int: ...  # of text, in the phrase

def find_loop(tokens: Sequence[int], eot: int) -> Loop | None: ...

class KeptAttention:
    """How a window's tokens attended to its audio while they were chosen: for `Model.align`."""

    @property
    def n_text(self) -> int: ...  # tokens of text that it tells of

class DecodedHypothesis:
    @property
    def tokens(self) -> list[int]: ...
    @property
    def sum_logprob(self) -> float: ...
    @property
    def score(self) -> float: ...  # what it is ranked by

class DecodingResult:
    @property
    def tokens(self) -> list[int]: ...
    @property
    def logprobs(self) -> list[float]: ...  # of each token
    @property
    def alternatives(self) -> list[list[tuple[int, float]]]: ...  # of each, with log-probabilities
    @property
    def hypotheses(self) -> list[DecodedHypothesis]: ...  # the result first
    @property
    def sum_logprob(self) -> float: ...
    @property
    def avg_logprob(self) -> float: ...
    @property
    def no_speech_prob(self) -> float: ...
    @property
    def temperature(self) -> float: ...
    @property
    def attention(self) -> KeptAttention | None: ...  # if it was to be kept
    @property
    def loop(self) -> Loop | None: ...  # with which stop_loops has ended it

class FinishedWindow:
    @property
    def id(self) -> int: ...  # that submit() returned
    @property
    def result(self) -> DecodingResult: ...
    @property
    def error(self) -> Exception | None: ...  # why there is no result
    @property
    def metrics(self) -> Metrics: ...  # of this window; a pass counts in full for each it served

class DecodeBatch:
    """Windows side by side in slots: one that finishes makes room for the next.

    Each result has the same bits as when its window is decoded alone. One thread at a time.
    """

    @property
    def n_slots(self) -> int: ...
    @property
    def rows_per_slot(self) -> int: ...  # most beams or samples of a window
    @property
    def n_free(self) -> int: ...  # slots
    @property
    def metrics(self) -> Metrics: ...  # of all windows so far; a pass counts once
    def submit(self, features: AudioFeatures, options: DecodingOptions) -> int: ...  # its id
    def advance(
        self,
        max_passes: int = 0,  # 0: until a window finishes
    ) -> list[FinishedWindow]: ...

class Vocabulary:
    # pieces in the byte alphabet, by id; special: ids by name
    def __init__(self, pieces: Sequence[str], special: Mapping[str, int]) -> None: ...
    @staticmethod
    def open(path: str) -> Vocabulary: ...
    def __len__(self) -> int: ...
    def bytes(self, token: int) -> bytes: ...
    def spelled(self, token: int) -> str: ...
    def is_byte_level(self, end: int) -> bool: ...
    def special(self, name: str) -> int | None: ...
    def decode(self, tokens: Sequence[int]) -> str: ...
    def encode(self, text: str) -> list[int]: ...

def available_isas() -> list[Isa]: ...
def default_n_threads() -> int: ...
def available_threading() -> list[Threading]: ...
def check_runtime(
    *,
    n_threads: int = 0,
    isa: Isa = "",
    compute_type: ComputeType = "float32",
    threading: Threading = "pool",
    device: Device = "",
) -> None: ...
def physical_cores(root: str, cpus: Sequence[int]) -> int: ...  # for tests: under another root
def cgroup_cpus(root: str) -> int: ...  # for tests: what the quotas under another root allow
def log_mel(
    samples: NDArray[np.float32],
    n_mels: int,
    *,
    padding: int = 0,
    n_threads: int = 0,
    isa: Isa = "",
) -> NDArray[np.float32]: ...  # (n_mels, n_frames)
def frame_mask(n_samples: int, n_frames: int) -> NDArray[np.uint8]: ...
def mel_filters(n_mels: int) -> NDArray[np.float32]: ...  # (n_mels, 201)

class VoiceActivity:
    """Silero VAD for 16 kHz: how likely somebody speaks, every 32 ms. Threads may share it."""

    def __init__(self, path: str, *, n_threads: int = 0, isa: str = "") -> None:
        """Reads the weights: a safetensors file. Raises LoadError, and ValueError for an isa."""

    @property
    def n_threads(self) -> int: ...
    @property
    def isa(self) -> str: ...
    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_frames,) in 0..1, of (n_samples,) at 16 kHz: one each 512 samples, rounded up.

        Raises ShapeError for a sample that is not finite.
        """

class VoiceActivityStream:
    """The same, to the last bit, of sound that comes block by block."""

    def __init__(self, voice: VoiceActivity) -> None: ...
    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of the frames that these (n_samples,) complete: (n_frames,), perhaps none.

        Raises ShapeError for a sample that is not finite, and has heard nothing then.
        """

    def finish(self) -> NDArray[np.float32]:
        """Of the frame that was begun, if one was: (0,) or (1,). Then another recording begins."""

def kernel(isa: str, name: str) -> Callable[..., Any]: ...  # for tests: one kernel of one table
def attention_matrix(  # for tests: (n_heads, n_tokens, n_ctx) -> (n_rows, n_positions)
    scores: NDArray[np.float32],
    *,
    n_positions: int,
    first_row: int,
    n_rows: int,
    median_filter_width: int = 7,
    n_threads: int = 1,
    isa: Isa = "",
) -> NDArray[np.float32]: ...
def median_filter(row: NDArray[np.float32], width: int) -> NDArray[np.float32]: ...  # for tests
def path_starts(matrix: NDArray[np.float32]) -> NDArray[np.int32]: ...  # for tests
def row_peaks(matrix: NDArray[np.float32]) -> NDArray[np.int32]: ...  # for tests
