"""Who says what: turns of speakers, from any diarizer, merged into a transcript by time.

`forms` takes what diarizers return, `rttm` what they write, `merging` gives words and segments
their speakers. Deliberately not here: telling voices apart.
"""

from .forms import Turns, as_turns
from .merging import Speakers
from .rttm import read_rttm, turns_by_recording, turns_of
from .turns import SpeakerTurn

__all__ = [
    "SpeakerTurn",
    "Speakers",
    "Turns",
    "as_turns",
    "read_rttm",
    "turns_by_recording",
    "turns_of",
]
