"""The hundred languages of Whisper: codes, names and other codes, in the order of their tokens.

The order is a fact of the vocabularies: language i has the token sot + 1 + i. Models before
large-v3 know the first 99.
"""

from __future__ import annotations

import re
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

# ISO 639-1, 639-2 (both kinds) and 639-3 where Whisper has another code, the codes that these
# replaced, and the most spoken members of a language that is several: cmn for zh, nb for no.
_OTHER_CODES = """
en eng, zh zho chi cmn, de deu ger, es spa, ru rus, ko kor, fr fra fre, ja jpn, pt por, tr tur, pl
pol, ca cat, nl nld dut, ar ara arb arz apc ary, sv swe, it ita, id ind in, hi hin, fi fin, vi
vie, he heb iw, uk ukr, el ell gre, ms msa may zsm zlm, cs ces cze, ro ron rum mo mol, da dan, hu
hun, ta tam, no nor nb nob, th tha, ur urd, hr hrv scr, bg bul, lt lit, la lat, mi mri mao, ml
mal, cy cym wel, sk slk slo, te tel, fa fas per pes prs, lv lav lvs, bn ben, sr srp scc sh hbs, az
aze azj, sl slv, kn kan, et est ekk, mk mkd mac, br bre, eu eus baq, is isl ice, hy hye arm, ne
nep npi, mn mon khk, bs bos, kk kaz, sq sqi alb als, sw swa swh, gl glg, mr mar, pa pan, si sin,
km khm, sn sna, yo yor, so som, af afr, oc oci, ka kat geo, be bel, tg tgk, sd snd, gu guj, am
amh, yi yid ji ydd, lo lao, uz uzb uzn, fo fao, ht hat, ps pus pbt pbu pst, tk tuk, nn nno, mt
mlt, sa san, lb ltz, my mya bur, bo bod tib, tl tgl fil, mg mlg plt, as asm, tt tat, ln lin, ha
hau, ba bak, jw jv jav, su sun
"""


def _pairs(table: str) -> list[tuple[str, str]]:
    entries = [entry.split(maxsplit=1) for entry in table.split(",")]
    return [(code, name.strip()) for code, name in entries]


# Code -> English name, in token order.
LANGUAGES = MappingProxyType(dict(_pairs(_NAMES)))

# English name or alias, lower case -> code.
CODES_BY_NAME = MappingProxyType({name: code for code, name in _pairs(_NAMES) + _pairs(_ALIASES)})


_CODES_BY_OTHER_CODE = MappingProxyType(
    {other: row[0] for row in map(str.split, _OTHER_CODES.split(",")) for other in row[1:]}
)

# A code and what may follow it: a part, a script, a region; or what a POSIX locale says besides.
_TAG = re.compile(r"([a-z]{2,3})(?:[-_]([a-z0-9]{2,8}))(?:[-_][a-z0-9]{1,8})*(?:[.@].*)?")


def language_code(language: str) -> str:
    """The code of a language given by code, name or alias, in any case: "EN", "Castilian" -> "es".

    Codes may be those of ISO 639, also with a region: "eng", "pt_BR", "zh-Hant-TW".

    Raises ValueError naming the nearest known language.
    """
    word = language.strip().lower()
    code = CODES_BY_NAME.get(word) or _code(word) or _code_of_tag(word)
    if code is not None:
        return code
    import difflib

    # Only words: among codes of two and three letters, any is near to any.
    near = difflib.get_close_matches(word, CODES_BY_NAME, n=1, cutoff=0.7)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"language must be one of Whisper's {len(LANGUAGES)} codes or names, got {language!r}{hint}"
    )


def spoken_language(language: str) -> str | None:
    """`language_code`, but None for "auto" and "", which ask for detection."""
    return None if language.strip().lower() in ("auto", "") else language_code(language)


def _code(word: str) -> str | None:
    return word if word in LANGUAGES else _CODES_BY_OTHER_CODE.get(word)


def _code_of_tag(word: str) -> str | None:
    tag = _TAG.fullmatch(word)
    if tag is None:
        return None
    language, part = tag.groups()
    # zh-yue is yue; a region has two letters, which may be another language's.
    return (_code(part) if len(part) == 3 else None) or _code(language)
