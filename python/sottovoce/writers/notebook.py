"""A table of HTML, as notebooks show a transcript."""

from html import escape

from ..results import Transcript
from .names import prefixed
from .timestamps import format_timestamp


def html_table(transcript: Transcript) -> str:
    """Of what was said; it scrolls, and right-to-left scripts run as they should."""
    info = transcript.info
    rows = "".join(
        f"<tr><td>{format_timestamp(segment.start)}</td><td>{format_timestamp(segment.end)}</td>"
        f'<td dir="auto" style="text-align: start">'
        f"{escape(prefixed(segment.text.strip(), segment.speaker))}</td></tr>"
        for segment in transcript.segments
        if segment.text.strip()
    )
    return (
        f"<p>{info.duration:.1f} s, {escape(info.language)}</p>"
        '<div style="max-height: 30em; overflow: auto"><table>'
        f"<tr><th>start</th><th>end</th><th>text</th></tr>{rows}</table></div>"
    )
