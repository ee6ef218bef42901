"""Any media -> float32 mono samples at 16 kHz in [-1, 1]: the door through which audio comes in.

Media (a path, bytes, a binary file) give what `ffmpeg -ac 1 -ar 16000 -f s16le` gives: PyAV carries
the same libraries, so the samples are 16-bit steps, as openai-whisper sees them. Channels without
a layout are averaged. Arrays, and what other libraries call audio (`forms`), keep their precision.
They and PCM WAV can do without PyAV: NumPy then resamples, slower and with the same filter.
Deliberately not here: URLs and playlists (the file itself is read, nothing it points to), loudness
(nothing is normalised), and all that follows the samples (`_core.log_mel` makes the spectrogram).
"""

from ..errors import AudioError
from .loading import Audio, Recording, load, read, read_channels, snapshot

__all__ = ["Audio", "AudioError", "Recording", "load", "read", "read_channels", "snapshot"]
