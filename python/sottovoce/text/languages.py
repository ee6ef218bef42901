"""The hundred languages of Whisper: codes, English names, aliases, in the order of their tokens.

The order is a fact of the vocabularies: language i has the token sot + 1 + i. Models before
large-v3 know the first 99.
"""

from __future__ import annotations

from types import MappingProxyType

_NAMES = """
en english, zh chinese, de german, es spanish, ru russian, ko korean, fr french, ja japanese,
pt portuguese, tr turkish, pl polish, ca catalan, nl dutch, ar arabic, sv swedish, it italian,
id indonesian, hi hindi, fi finnish, vi vietnamese, he hebrew, uk ukrainian, el greek, ms malay,
cs czech, ro romanian, da danish, hu hungarian, ta tamil, no norwegian, th thai, ur urdu,
hr croatian, bg bulgarian, lt lithuanian, la latin, mi maori, ml malayalam, cy welsh, sk slovak,
te telugu, fa persian, lv latvian, bn bengali, sr serbian, az azerbaijani, sl slovenian, kn kannada,
et estonian, mk macedonian, br breton, eu basque, is icelandic, hy armenian, ne nepali,
mn mongolian, bs bosnian, kk kazakh, sq albanian, sw swahili, gl galician, mr marathi, pa punjabi,
si sinhala, km khmer, sn shona, yo yoruba, so somali, af afrikaans, oc occitan, ka georgian,
be belarusian, tg tajik, sd sindhi, gu gujarati, am amharic, yi yiddish, lo lao, uz uzbek,
fo faroese, ht haitian creole, ps pashto, tk turkmen, nn nynorsk, mt maltese, sa sanskrit,
lb luxembourgish, my myanmar, bo tibetan, tl tagalog, mg malagasy, as assamese, tt tatar,
haw hawaiian, ln lingala, ha hausa, ba bashkir, jw javanese, su sundanese, yue cantonese
"""

_ALIASES = """
my burmese, ca valencian, nl flemish, ht haitian, lb letzeburgesch, ps pushto, pa panjabi,
ro moldavian, ro moldovan, si sinhalese, es castilian, zh mandarin
"""


def _pairs(table: str) -> list[tuple[str, str]]:
    entries = [entry.split(maxsplit=1) for entry in table.split(",")]
    return [(code, name.strip()) for code, name in entries]


# Code -> English name, in token order.
LANGUAGES = MappingProxyType(dict(_pairs(_NAMES)))

# English name or alias, lower case -> code.
CODES_BY_NAME = MappingProxyType({name: code for code, name in _pairs(_NAMES) + _pairs(_ALIASES)})


def language_code(language: str) -> str:
    """The code of a language given by code, name or alias, in any case: "EN", "Castilian" -> "es".

    Raises ValueError naming the nearest known language.
    """
    word = language.strip().lower()
    if word in LANGUAGES:
        return word
    if word in CODES_BY_NAME:
        return CODES_BY_NAME[word]
    import difflib

    near = difflib.get_close_matches(word, [*CODES_BY_NAME, *LANGUAGES], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"language must be one of Whisper's {len(LANGUAGES)} codes or names, got {language!r}{hint}"
    )
