"""Times as subtitles and terminals show them."""


def format_timestamp(seconds: float, *, always_hours: bool = False, marker: str = ".") -> str:
    """[hh:]mm:ss.mmm, to the nearest millisecond; hours where there are any, or always."""
    minutes, milliseconds = divmod(round(seconds * 1000.0), 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, thousandths = divmod(milliseconds, 1000)
    prefix = f"{hours:02d}:" if always_hours or hours else ""
    return f"{prefix}{minutes:02d}:{whole:02d}{marker}{thousandths:03d}"
