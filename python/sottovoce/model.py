"""`WhisperModel`: a loaded model and its tokenizer, and the calls that people make.

    model = WhisperModel("base")
    transcription = model.transcribe("talk.mp3")
    for segment in transcription:
        print(f"[{segment.start:.2f} -> {segment.end:.2f}]{segment.text}")

What happens inside a window, and which window comes next, is decided in policy/; how windows share
a decoder, in engine/. A model holds no state of a call: any number of threads may use it at once.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from . import _core, foreign
from .alignment import Alignment
from .engine import batch, sequential, window
from .engine.job import Job
from .engine.reports import ProgressFunction
from .engine.stopping import heeding
from .errors import StateError, warn_of_audio
from .opening import Opener, with_turns
from .options import (
    DecodeKeywords,
    DecodeOptions,
    TranscribeKeywords,
    TranscribeOptions,
    WindowOptions,
    shows_options,
)
from .policy.aligning import align_script, check_script
from .policy.script import script_segments
from .policy.segments import full_text
from .results import Segment, WindowResult
from .runtime import ComputeType, Device, Isa, Runtime, Threading
from .speakers import Turns, as_turns
from .text.tokenizer import Tokenizer
from .transcription import Segments, Transcription, Transcriptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .audio import Audio

_log = logging.getLogger("sottovoce.model")

_Init = TypeVar("_Init", bound=Callable[..., None])


def _answers_unknown(init: _Init) -> _Init:
    """Has a constructor tell what the keywords of other engines are called here."""
    known = list(inspect.signature(init).parameters)
    of_transcribe = dict.fromkeys(TranscribeKeywords.__annotations__, "transcribe takes it")

    @wraps(init)
    def checked(*arguments: Any, **keywords: Any) -> None:
        for name in keywords:
            if name not in known:
                answers = {**of_transcribe, **foreign.MODEL}
                raise foreign.unknown("WhisperModel", "argument", name, known[1:], answers)
        init(*arguments, **keywords)

    return cast(_Init, checked)


class WhisperModel:
    """A Whisper model, ready to transcribe.

    Copies and pickles are the constructor's arguments: whoever unpickles one opens the model.

    Attributes:
        tokenizer: text <-> ids.
    """

    tokenizer: Tokenizer
    _network: _core.Model | None = None  # None: closed

    @_answers_unknown
    def __init__(
        self,
        name_or_path: str | PathLike[str],
        device: Device = "cpu",
        compute_type: ComputeType = "float32",
        cpu_threads: int = 0,
        *,
        isa: Isa = "",
        threading: Threading = "pool",
        local_files_only: bool = False,
        download_root: str | Path | None = None,
        weights_cache: bool | str | Path = False,
    ) -> None:
        """Loads a model.

        Args:
            name_or_path: a name such as "base" or "tiny.en", org/repo on the Hugging Face hub, or a
                directory or file; a directory that is called as a model is: "./base".
            device: "cpu", or "auto": the best there is.
            compute_type: "float32" (openai-whisper's words), "bfloat16", "int8" (quickest and
                smallest), or "auto": "int8" but on the portable kernels.
            cpu_threads: threads of one call, no more than this process has CPUs (`core.n_threads`
                tells); 0: one a core, and with "openmp" no more than OMP_NUM_THREADS.
            isa: kernel table, one of `available_isas()`; "": the best for this CPU.
            threading: "pool": threads of the model's own; "openmp", if it is one of
                `available_threading()`: the caller's OpenMP team, for programs that have one.
            local_files_only: never download.
            download_root: where downloads are kept; None: the hub's usual cache.
            weights_cache: a folder for packed weights, which the next start maps instead of
                opening the checkpoint; True: `sottovoce/packed` in the user's cache.

        Raises LoadError if the model cannot be had or read, ValueError for what this machine or
        build does not have.
        """
        from .checkpoints import hub
        from .checkpoints.weights_cache import default_folder

        started = time.perf_counter()
        if not isinstance(name_or_path, str | PathLike):
            raise TypeError(
                f"WhisperModel: name_or_path must be a name or a path, got {name_or_path!r}"
            )
        _check_texts(
            device=device,
            compute_type=compute_type,
            isa=isa,
            threading=threading,
        )
        if device not in get_args(Device) and device in get_args(ComputeType):
            raise ValueError(
                f"WhisperModel: device must be 'cpu' or 'auto', got {device!r}, which is a "
                f"compute type: compute_type={device!r}"
            )
        most_threads = 1024  # the core's
        is_int = isinstance(cpu_threads, int | np.integer) and not isinstance(cpu_threads, bool)
        if not is_int or not 0 <= cpu_threads <= most_threads:
            raise ValueError(
                f"WhisperModel: cpu_threads must be 0 (all) to {most_threads}, got {cpu_threads!r}"
            )
        if not isinstance(weights_cache, bool | str | Path):
            raise TypeError(
                "WhisperModel: weights_cache must be True, False or a folder, "
                f"got {weights_cache!r}"
            )
        if weights_cache == "":  # which Path would take for the working directory
            raise ValueError("WhisperModel: weights_cache must name a folder, got ''")
        self._begin(
            name_or_path=name_or_path if hub.is_name(name_or_path) else _lasting(name_or_path),
            device=device,
            compute_type=compute_type,
            cpu_threads=cpu_threads,
            isa=isa,
            threading=threading,
            local_files_only=local_files_only,
            download_root=None if download_root is None else _absolute(download_root),
            weights_cache=(
                weights_cache if isinstance(weights_cache, bool) else _absolute(weights_cache)
            ),
        )
        runtime = Runtime(
            n_threads=cpu_threads,
            isa=isa,
            compute_type=compute_type,
            threading=threading,
            device=device,
        )
        _core.check_runtime(**runtime)  # before anything is downloaded
        cache_dir = None if download_root is None else str(download_root)
        directory = hub.resolve(
            name_or_path, cache_dir=cache_dir, local_files_only=local_files_only
        )
        folder = default_folder() if weights_cache is True else weights_cache
        self._open(directory, runtime, None if folder is False else Path(folder).expanduser())
        _log.info(
            "opened %s: %s, %s, %s kernels, %d threads (%s), %.0f ms",
            directory,
            *(self.core.device, self.core.compute_type, self.core.isa, self.core.n_threads),
            *(self.core.threading, _ms_since(started)),
        )

    def _open(self, directory: Path, runtime: Runtime, folder: Path | None) -> None:
        """`folder` of packed weights; None: they are packed anew."""
        from .checkpoints import open_checkpoint
        from .checkpoints.weights_cache import open_core

        if folder is not None:
            self._network = open_core(directory, folder, runtime)
            self.tokenizer = self._open_tokenizer(directory, self.core.dims)
            return
        tensors = open_checkpoint(directory)
        # The tokenizer first: a wrong one is worth knowing before gigabytes are packed.
        self.tokenizer = self._open_tokenizer(directory, tensors.dims)
        self._network = _core.Model(tensors, **runtime)

    def _open_tokenizer(self, directory: Path, dims: _core.ModelDims) -> Tokenizer:
        from .checkpoints.vocabularies import vocabulary_path

        path = vocabulary_path(
            directory,
            dims.n_vocab,
            cache_dir=self._arguments["download_root"],
            local_files_only=self._arguments["local_files_only"],
        )
        return Tokenizer.open(path, dims.n_vocab)

    @classmethod
    def of_parts(cls, core: _core.Model, tokenizer: Tokenizer) -> WhisperModel:
        """A model from a network and a tokenizer that are already in memory."""
        model = cls.__new__(cls)
        model._begin()
        model._network, model.tokenizer = core, tokenizer
        return model

    def _begin(self, **arguments: Any) -> None:
        """`arguments` of the constructor; none: made of parts."""
        self._arguments = arguments
        self._lock = threading.Lock()  # of what follows
        self._calls: WeakValueDictionary[int, Segments | Transcriptions] = WeakValueDictionary()

    @property
    def core(self) -> _core.Model:
        """The network: encode, step, logits, cross-attention."""
        if self._network is None:
            raise StateError("WhisperModel: it is closed; open another")
        return self._network

    def close(self) -> None:
        """Gives the memory back, once the calls that decode at this moment let go of it.

        Whatever is asked of the model later raises StateError, and so does what a transcription has
        not heard yet. Closing again does nothing.
        """
        with self._lock:
            calls = list(self._calls.values())
            self._network = None
        for call in calls:
            call.close(StateError("transcription: its model was closed before it was heard"))

    def __enter__(self) -> WhisperModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _name(self) -> str:
        return str(self._arguments.get("name_or_path", "of parts"))

    def __repr__(self) -> str:
        name, core = self._name, self._network
        if core is None:
            return f"<WhisperModel {name}: closed>"
        threads = f"{core.n_threads} thread{'' if core.n_threads == 1 else 's'}"
        return f"<WhisperModel {name}: {core.device}, {core.compute_type}, {core.isa}, {threads}>"

    def __reduce__(self) -> tuple[Callable[..., WhisperModel], tuple[Any, ...]]:
        if not self._arguments:
            raise TypeError(
                "WhisperModel: one made by of_parts cannot be pickled or copied; open it by its "
                "name or path"
            )
        return _reopened, (type(self), self._arguments)

    @property
    def dims(self) -> _core.ModelDims:
        """What the network is: the ten numbers of the checkpoint."""
        return self.core.dims

    @property
    def is_multilingual(self) -> bool:
        return self.tokenizer.is_multilingual

    @shows_options(TranscribeOptions, TranscribeKeywords)
    def transcribe(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        progress: ProgressFunction | None = None,
        cancel: _core.CancelToken | None = None,
        deadline_s: float | None = None,
        speakers: Turns | None = None,
        options: TranscribeOptions | None = None,
        **keywords: Unpack[TranscribeKeywords],
    ) -> Transcription:
        """Transcribes a recording of any length.

        Args:
            audio: a path, bytes, a binary file, or samples: an array or a tensor (n_samples,) or
                with channels, (rate, samples), {"array": ..., "sampling_rate": ...}, a pydub
                segment.
            sample_rate: of samples, in Hz; None: 16000.
            progress: is called with a `Progress` when hearing begins, after each window and at the
                end, in the thread that iterates; what it raises ends the transcription.
            cancel: a token with which another thread ends the call, or the hearing; within a step
                of the decoder.
            deadline_s: s from now on, after which that ends by itself.
            speakers: who speaks when, as of `Transcription.with_speakers`; with word_timestamps
                segments are cut where the speaker changes. Not with channels of their own.
            options: a `TranscribeOptions` instead of the keywords below, or for them to override.
            task ('transcribe'): "transcribe": in the language spoken; "translate": in English.
            language (None): spoken language, by code or name; None and "auto": it is detected.
            sample_len (None): most tokens to add to a window; None: half of the model's context.
            best_of (5): samples at a temperature above 0, of which the best is taken; None: one.
            beam_size (5): beams at temperature 0; 1 and None: greedy.
            patience (None): waits for round(beam_size * patience) finished beams; None: 1.0.
            length_penalty (None): alpha of Google NMT, 0..1; None: scores are divided by the
                length.
            prefix (None): text or token ids that each window starts with.
            suppress_tokens (-1): ids that are never chosen; -1: all non-speech tokens; (): no rule.
            suppress_blank (True): a window must not start with a space or with its end.
            without_timestamps (False): plain text, one segment a window.
            max_initial_timestamp (1.0): latest start of speech in a window, in s; None and 0: any.
            logit_filter (None): a rule of your own: a function that is called for each beam or
                sample at each step with a list of the tokens so far, prompt included, and the
                logits (n_vocab,) float32 of the next one, which it changes in place, -inf for
                never; the other rules come after it.
            seed (0): of the sampler: the same seed gives the same words.
            top_k (0): likeliest tokens that are kept of each step, with their log-probabilities:
                `alternatives`.
            n_best (1): texts of a window that are kept, of those that its beams or samples end
                with: `hypotheses`; 1: none but the one that stands.
            temperature (0.0, 0.2, 0.4, 0.6, 0.8, 1.0): one number, or several that are tried in
                turn until an attempt is fine.
            languages (): those that a language is looked for among, by code or name; (): all.
            multilingual (False): the language is looked for in every window, for recordings in
                several: it changes where a window is sure, or two in a row are likely;
                Segment.language.
            language_detection_segments (1): most places of a recording, of 30 s each, at which its
                language is looked for: the beginning, and others at even distances, until one is
                sure of it; if none is, the likeliest of all together.
            language_detection_threshold (0.5): the probability from which a place is sure.
            compression_ratio_threshold (2.4): an attempt whose text zlib shrinks by a greater
                factor failed: repetition; None: off.
            logprob_threshold (-1.0): an attempt whose mean log-probability is below this failed;
                None: off.
            no_speech_threshold (0.6): a window whose no-speech probability is above this, and whose
                words are improbable, is silence and skipped; None: off.
            condition_on_previous_text (True): a window is prompted with what was said before it.
            initial_prompt (None): text or token ids before the first window: names, style.
            carry_initial_prompt (False): initial_prompt stands before every window.
            clip_timestamps (0.0): what to hear: start, end, start, end, ... in s, or pairs, or
                dicts of start and end; the last end may be missing.
            word_timestamps (False): when each word was said, and how likely it is: Segment.words;
                segments and windows then begin and end with words; "fast": nearly the same from
                what decoding has seen already, in place of another pass over the words.
            prepend_punctuations ('"\\'“¿([{-'): marks of the word behind them.
            append_punctuations ('"\\'.。,，!！?？:：”)]}、'): marks of the word before them.
            hallucination_silence_threshold (None): with word_timestamps, improbable words between
                silences longer than this, in s, are left out; None: off.
            policy ('robust'): "robust": silence is passed over, words that nothing speaks for are
                doubted, speech that no word covers is heard again, and what somebody says is heard
                as openai-whisper hears it; "openai": all that openai-whisper does, to the token.
            hallucination ('drop'): what becomes of doubted segments, with policy="robust": "drop",
                "mark" (Segment.doubt says why), or "keep".
            short_windows (False): a window far under 30 s is encoded only as far as it goes, in
                less time; one whose words look odd is heard again in full; a few words may differ.
            windows ('sequential'): each window begins where the words of the last one ended, and is
                prompted with them; "independent": each clip is heard on its own, many at once,
                without condition_on_previous_text and starting from initial_prompt; unless
                clip_timestamps say otherwise, clips are at most 30 s and end at the quietest
                places.
            vad_filter (False): what is no speech to Silero VAD is left out, within clip_timestamps;
                times stay those of the recording, and the language is detected where speech begins;
                windows that are independent become few and full clips, cut at pauses of speech.
            vad_parameters (None): what counts as speech: `VadOptions`, or a dictionary of some of
                them.
            batch_size (8): most windows side by side; never changes a result.
            channels ('mix'): their mean is heard; "speakers": each is heard on its own, all side by
                side, and what they say stands in the order of time, with Segment.speaker; or the
                names of these speakers, one a channel; the language is that of the mean.

        Returns:
            What is heard: iterate over its segments, which are decoded window by window as you do,
            or take `.text`, `.segments`, `.info`, `.save("talk.srt")`; `segments, info = ...`
            unpacks it. Audio without a sample has no segments. Those of channels that are heard
            each on its own come once all are heard.

        Raises TypeError and ValueError for options, LoadError for audio that cannot be read,
        CancelledError and DeadlineExceededError, here or while it is heard: their `transcription`
        is what was heard until then.
        """
        wanted = TranscribeOptions.from_keywords(keywords, options)
        self._check(wanted)
        _check_progress("transcribe", progress)
        token = _token("transcribe", cancel, deadline_s)
        if isinstance(audio, (list, tuple)) and audio and all(map(_is_media, audio)):
            raise TypeError(
                f"transcribe: audio must be one recording, got {len(audio)} of them; "
                "transcribe_many takes several"
            )
        _check_speakers("transcribe", speakers, wanted)
        turns = None if speakers is None else as_turns(speakers, where="transcribe")
        with _core.Cancellable(token):
            job = self._opener().open(audio, sample_rate, wanted, progress, turns, cancel=token)
        warn_of_audio(job.doubts)
        return Transcription(self._heard(job), job.info, self._spell())

    def align(
        self,
        audio: Audio,
        text: str,
        language: str | None = None,
        *,
        sample_rate: int | None = None,
        progress: ProgressFunction | None = None,
        cancel: _core.CancelToken | None = None,
        deadline_s: float | None = None,
        batch_size: int = 8,
    ) -> Alignment:
        """When each word of a given text was said: subtitles for a script, audio books.

        The recording is heard in clips cut at its pauses, and what was heard is matched to the
        text. Where the two differ, the decoder reads the text over that passage and tells whether
        it was said. Text and recording may both hold what the other does not.

        Args:
            audio: a recording of any length, as `transcribe` takes it.
            text: of any length. A segment of the result is a line of it, or a sentence.
            language: that is spoken, by code or name; None: it is detected.
            sample_rate: of samples, in Hz; None: 16000.
            progress, cancel, deadline_s: as of `transcribe`.
            batch_size: most windows side by side; never changes a result.

        Returns:
            The words, those that were not said without times, in `.words`; and as a transcription,
            which `.save("talk.srt")` writes, what was said. Words whose times come from what was
            heard have `transcribe`'s times for them.

        Raises ScriptError, a ValueError, if text and recording have nothing to do with each other;
        TypeError and ValueError for options, LoadError for audio that cannot be read,
        CancelledError and DeadlineExceededError.
        """
        check_script(text)
        wanted = TranscribeOptions(
            policy="openai",  # whose times are those of the words
            language=language,
            beam_size=None,
            word_timestamps=True,
            windows="independent",
            batch_size=batch_size,
        )
        self._check(wanted)
        _check_progress("align", progress)
        token = _token("align", cancel, deadline_s)
        with _core.Cancellable(token):
            job = self._opener().open(audio, sample_rate, wanted, progress, cancel=token)
        warn_of_audio(job.doubts)
        heard = tuple(self._heard(job))
        requests = align_script(self.tokenizer, self.dims, job.info.options, job.mel, text, heard)
        with _core.Cancellable(token):
            words = sequential.result_of(self.core, requests, job.info.metrics.core)
        return Alignment(words, script_segments(text, words, self.tokenizer), job.info)

    @shows_options(TranscribeOptions, TranscribeKeywords)
    def transcribe_many(
        self,
        audios: Iterable[Audio],
        *,
        sample_rate: int | None = None,
        progress: ProgressFunction | None = None,
        cancel: _core.CancelToken | None = None,
        deadline_s: float | None = None,
        speakers: Iterable[Turns | None] | None = None,
        options: TranscribeOptions | None = None,
        **keywords: Unpack[TranscribeKeywords],
    ) -> Transcriptions:
        """Transcribes recordings, `batch_size` windows side by side; faster than one by one.

        Args:
            audios: recordings as `transcribe` takes them, as many as you like. They are asked for
                as they are needed: about one and a half times `batch_size` are held in memory, and
                arrays and open files are copied there before the next one is asked for.
            sample_rate: of samples, in Hz; None: 16000.
            progress: as of `transcribe`; those of several recordings come as things happen. What it
                raises ends the call.
            cancel, deadline_s: as of `transcribe`, of all recordings together.
            speakers: who speaks when in each of `audios`, as `transcribe` takes it, in their order;
                None among them: nobody is known there.
            options: a `TranscribeOptions`, or for keywords to override.
            keywords: the options of `transcribe`; they hold for every recording.

        Returns:
            An iterator over what was heard in each, in the order of `audios`, the same to the last
            bit as by `transcribe`. A recording that fails raises its error (LoadError, ...)
            when its turn comes; `next()` goes on with the one after it. Once the call is cancelled
            or its deadline has passed, recordings that are finished still come, and those on their
            way raise CancelledError or DeadlineExceededError with what was heard of them. A thread
            works ahead while the iterator lives; drop or close it to end that.

        Raises TypeError and ValueError for options, TypeError for a single recording.
        """
        is_one = _is_media(audios) or isinstance(audios, (np.ndarray, Mapping))
        if is_one or not isinstance(audios, Iterable):
            raise TypeError(
                "transcribe_many: audios must be an iterable of recordings, "
                f"got {type(audios).__name__}"
            )
        wanted = TranscribeOptions.from_keywords(keywords, options)
        self._check(wanted)
        _check_progress("transcribe_many", progress)
        token = _token("transcribe_many", cancel, deadline_s)
        is_of_one = isinstance(speakers, (str, PathLike, Mapping))
        if is_of_one or not isinstance(speakers, Iterable | None):
            raise TypeError(
                "transcribe_many: speakers must be an iterable of the turns of each recording, "
                f"got {type(speakers).__name__}"
            )
        _check_speakers("transcribe_many", speakers, wanted)
        opener = self._opener()
        jobs = (
            opener.open_later(audio, sample_rate, wanted, progress, turns, index, token)
            for index, (audio, turns) in enumerate(with_turns(audios, speakers))
        )
        entries = heeding(token, batch.entries(self.core, wanted, jobs, token))
        found = Transcriptions(entries, self._spell())
        self._watch(found)
        return found

    def detect_language(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        cancel: _core.CancelToken | None = None,
        deadline_s: float | None = None,
    ) -> tuple[str, dict[str, float]]:
        """The likeliest language of the first 30 s, and the probability of each by code.

        Raises ValueError for an English-only model; `cancel` and `deadline_s` are `transcribe`'s.
        """
        if not self.is_multilingual:
            raise ValueError(
                "detect_language: must have a multilingual model, got an English-only one"
            )
        with _core.Cancellable(_token("detect_language", cancel, deadline_s)):
            return self._opener().detect_language(audio, sample_rate)

    @shows_options(DecodeOptions, DecodeKeywords)
    def decode(
        self,
        features: _core.AudioFeatures | NDArray[np.float32],
        *,
        cancel: _core.CancelToken | None = None,
        deadline_s: float | None = None,
        options: DecodeOptions | None = None,
        **keywords: Unpack[DecodeKeywords],
    ) -> WindowResult:
        """Decodes one window, once: no retries, no skipping; greedy unless asked otherwise.

        Args:
            features: an encoded window, or its log-mel (n_mels, n_frames <= 3000) float32.
            cancel: a token with which another thread ends the call, within a step.
            deadline_s: s from now on, after which it ends by itself.
            options: a `DecodeOptions` instead of the keywords below, or for them to override.
            task ('transcribe'): "transcribe": in the language spoken; "translate": in English.
            language (None): spoken language, by code or name; None and "auto": it is detected.
            sample_len (None): most tokens to add to a window; None: half of the model's context.
            best_of (None): samples at a temperature above 0, of which the best is taken; None: one.
            beam_size (None): beams at temperature 0; 1 and None: greedy.
            patience (None): waits for round(beam_size * patience) finished beams; None: 1.0.
            length_penalty (None): alpha of Google NMT, 0..1; None: scores are divided by the
                length.
            prefix (None): text or token ids that each window starts with.
            suppress_tokens (-1): ids that are never chosen; -1: all non-speech tokens; (): no rule.
            suppress_blank (True): a window must not start with a space or with its end.
            without_timestamps (False): plain text, one segment a window.
            max_initial_timestamp (1.0): latest start of speech in a window, in s; None and 0: any.
            logit_filter (None): a rule of your own: a function that is called for each beam or
                sample at each step with a list of the tokens so far, prompt included, and the
                logits (n_vocab,) float32 of the next one, which it changes in place, -inf for
                never; the other rules come after it.
            seed (0): of the sampler: the same seed gives the same words.
            top_k (0): likeliest tokens that are kept of each step, with their log-probabilities:
                `alternatives`.
            n_best (1): texts of a window that are kept, of those that its beams or samples end
                with: `hypotheses`; 1: none but the one that stands.
            temperature (0.0): 0: the likeliest words; above: sampled.
            prompt (None): what was said before, text or token ids; its last 223 tokens count.

        Raises TypeError and ValueError for options, ShapeError for a mel that is no window,
        CancelledError and DeadlineExceededError.
        """
        wanted = DecodeOptions.from_keywords(keywords, options)
        self._check(wanted)
        with _core.Cancellable(_token("decode", cancel, deadline_s)):
            if isinstance(features, np.ndarray):
                features = self.core.encode(features)
            return window.decode(self.core, self.tokenizer, features, wanted)

    def text(self, segments: Iterable[Segment]) -> str:
        """The text of a whole transcript, spaces as the model spelled them."""
        return full_text(segments, self.tokenizer)

    def _opener(self) -> Opener:
        return Opener(self.core, self.tokenizer)

    def _spell(self) -> Callable[[Iterable[Segment]], str]:
        """`text`, but for what outlives the model."""
        return partial(full_text, tokenizer=self.tokenizer)

    def _heard(self, job: Job) -> Segments:
        """What will be heard in a recording, until it is over or the model closed."""
        engine = batch if len(job.loops) > 1 else sequential
        heard = Segments(
            heeding(job.cancel, engine.segments(self.core, job)),
            partial(Transcription, info=job.info, text=self._spell()),
        )
        self._watch(heard)
        return heard

    def _watch(self, call: Segments | Transcriptions) -> None:
        """Has `close` end a call that is under way."""
        with self._lock:
            self._calls[id(call)] = call

    def _check(self, wanted: WindowOptions) -> None:
        """What options ask of this model; called by what a user calls."""
        self._check_language(wanted.language)
        if isinstance(wanted, TranscribeOptions):
            for code in wanted.languages:
                self._check_language(code)
            if wanted.multilingual and not self.is_multilingual:
                raise ValueError(
                    f"multilingual=True needs a multilingual model: the model {self._name} knows "
                    "English alone"
                )
        as_openai = isinstance(wanted, TranscribeOptions) and wanted.policy == "openai"
        if wanted.task == "translate" and not as_openai:  # openai-whisper just transcribes
            self._check_translates()

    def _check_translates(self) -> None:
        dims = self.dims
        if not self.is_multilingual:
            raise ValueError(
                f"task='translate' needs a multilingual model: the model {self._name} knows "
                "English alone"
            )
        if (dims.n_audio_layer, dims.n_text_layer, dims.n_vocab) == _TURBO:
            raise ValueError(
                f"task='translate' needs a model that has learnt to: the model {self._name} is a "
                "large-v3-turbo, which has not; large-v3 has, and so have the smaller ones"
            )

    def _check_language(self, code: str | None) -> None:
        if code is None or code in self.tokenizer.language_codes:
            return
        if self.is_multilingual:
            self.tokenizer.language_token(code)  # raises: a language of large-v3 only
        if code != "en":
            raise ValueError(f"language must be 'en' for an English-only model, got {code!r}")


_TURBO = (32, 4, 51866)  # layers of the encoder, of the decoder, ids


def _check_texts(**arguments: object) -> None:
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise TypeError(f"WhisperModel: {name} must be a str, got {value!r}")


def _check_progress(where: str, progress: object) -> None:
    if progress is not None and not callable(progress):
        raise TypeError(f"{where}: progress must be a function or None, got {progress!r}")


def _token(
    where: str, cancel: _core.CancelToken | None, deadline_s: float | None
) -> _core.CancelToken | None:
    """What ends a call that begins now, if anything does."""
    if not isinstance(cancel, _core.CancelToken | None):
        raise TypeError(f"{where}: cancel must be a CancelToken or None, got {cancel!r}")
    if deadline_s is None:
        return cancel
    is_number = isinstance(deadline_s, int | float | np.number) and not isinstance(deadline_s, bool)
    if not is_number:
        raise TypeError(f"{where}: deadline_s must be a number of s or None, got {deadline_s!r}")
    if np.isnan(deadline_s):
        raise ValueError(f"{where}: deadline_s must be a number of s or None, got nan")
    token = cancel or _core.CancelToken()
    return token.with_deadline(float(deadline_s))


def _check_speakers(where: str, speakers: object, wanted: TranscribeOptions) -> None:
    if speakers is not None and wanted.channels != "mix":
        raise ValueError(
            f"{where}: speakers must be None where channels are speakers, "
            f"got channels={wanted.channels!r}"
        )


def _is_media(audio: object) -> bool:
    """Whether it is one recording, whatever is in it: a path, a file or its contents."""
    return isinstance(audio, (str, bytes, bytearray, memoryview, PathLike)) or hasattr(
        audio, "read"
    )


def _lasting(path: str | PathLike[str]) -> str:
    """The path, or the name, as another process finds it, wherever it works."""
    return _absolute(path) if Path(path).expanduser().exists() else fspath(path)


def _absolute(path: str | PathLike[str]) -> str:
    return str(Path(path).expanduser().absolute())


def _reopened(cls: type[WhisperModel], arguments: dict[str, Any]) -> WhisperModel:
    return cls(**arguments)


def _ms_since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)
