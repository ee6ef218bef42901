"""The loops of a recording, by the name of their policy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..options import TranscribeOptions
from ..text.tokenizer import Tokenizer
from .listening import EncodedWindow, SeekLoop
from .robust import RobustLoop
from .seek import OpenAILoop, clips
from .voiced import Voiced


def seek_loops(
    tokenizer: Tokenizer,
    dims: _core.ModelDims,
    options: TranscribeOptions,
    mel: NDArray[np.float32],
    first: EncodedWindow | None = None,
    voiced: Voiced | None = None,
) -> list[SeekLoop]:
    """Loops whose segments, one after the other, are the transcript; none waits for another.

    One through all clips, or with windows="independent" one a clip.

    Args:
        options: with the language known.
        mel: (n_mels, content_frames + 3000) of the recording and 30 s of silence.
        first: a window that is already encoded, the first one with luck.
        voiced: where somebody speaks, which policy="robust" needs to know.
    """
    loop: OpenAILoop | RobustLoop
    if voiced is not None and options.policy == "robust":
        loop = RobustLoop(tokenizer, dims, options, mel, voiced)
    else:
        loop = OpenAILoop(tokenizer, dims, options, mel)
    groups = [clips(options.clip_timestamps, int(mel.shape[1]) - _core.N_FRAMES)]
    if options.windows == "independent":
        groups = [[clip] for clip in groups[0]]
    return [loop.seek_loop(group, first if i == 0 else None) for i, group in enumerate(groups)]
