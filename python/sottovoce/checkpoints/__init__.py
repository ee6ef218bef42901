"""Models: by name or path -> a directory or file -> `_core.Checkpoint`; the only bilingual room.

One small reader a format, `hub` for names, `convert` for other tools, `weights_cache` for the next
start. Foreign tensor names end here; everything behind speaks openai-whisper's. What a network
computes is the core's; tokens and their texts are text/'s.
"""

from .alignment_heads import AlignmentHeads, alignment_heads_from_base85, official_model
from .formats import is_model_directory, model_path, open_checkpoint

__all__ = [
    "AlignmentHeads",
    "alignment_heads_from_base85",
    "is_model_directory",
    "model_path",
    "official_model",
    "open_checkpoint",
]
