"""A `WhisperModel` that hears as openai-whisper does unless it is told otherwise.

For scripted cores and random networks: nobody speaks where they are asked to listen.
"""

from typing import Any

from sottovoce import WhisperModel


class AsOpenAI(WhisperModel):
    def transcribe(self, *audio: Any, **keywords: Any) -> Any:
        return super().transcribe(*audio, **_with_policy(keywords))

    def transcribe_many(self, *audios: Any, **keywords: Any) -> Any:
        return super().transcribe_many(*audios, **_with_policy(keywords))


def _with_policy(keywords: dict[str, Any]) -> dict[str, Any]:
    return keywords if "options" in keywords else {"policy": "openai", **keywords}
