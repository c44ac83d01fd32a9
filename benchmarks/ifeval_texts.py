"""Texts to compare two judges on: real ones, other languages, and hard shapes."""

from __future__ import annotations

import inspect
import json
import random
import shutil
import tempfile
import textwrap
from pathlib import Path

from vibecore.core.paths import DEFAULT_DB, PROJECT_ROOT

# Written for this file: weather, bread and a lost key, written in each language.
LANGUAGES = {
    "German": "Am Morgen war der Fluß gefroren, und niemand wollte hinaus. Um 8 Uhr kam Dr. Weiß "
    "und fragte: „Wo liegt der Schlüssel?“ Das Brot war noch warm.",
    "French": "Ce matin-là, l’eau avait gelé ; personne ne sortait. « Où est la clé ? » demanda "
    "M. Petit. Le pain était encore chaud, n’est-ce pas ?",
    "Spanish": "¿Quién perdió la llave? Nadie lo sabe. El río se heló ayer, y el pan aún está "
    "caliente. ¡Qué frío hace esta mañana!",
    "Portuguese": "O rio congelou durante a noite. Ninguém saiu de casa, porque a chave não "
    "apareceu. O pão, porém, ainda está quente!",
    "Italian": "Il fiume è gelato stanotte. Nessuno trova più la chiave, ma il pane è ancora "
    "caldo. Che cosa faremo domani?",
    "Finnish": "Joki jäätyi yöllä. Kukaan ei löytänyt avainta, mutta leipä oli vielä lämmintä. "
    "Mitä teemme huomenna?",
    "Polish": "Rzeka zamarzła w nocy. Nikt nie znalazł klucza, ale chleb był jeszcze ciepły. Co "
    "zrobimy jutro?",
    "Vietnamese": "Dòng sông đóng băng trong đêm. Không ai tìm thấy chìa khóa, nhưng bánh mì vẫn "
    "còn nóng. Ngày mai chúng ta làm gì?",
    "Swahili": "Mto uliganda usiku. Hakuna mtu aliyepata ufunguo, lakini mkate bado ulikuwa wa "
    "moto. Tutafanya nini kesho?",
    "Russian": "Ночью река замёрзла. Никто не нашёл ключ, но хлеб был ещё тёплым. Что мы будем "
    "делать завтра?",
    "Ukrainian": "Вночі річка замерзла. Ніхто не знайшов ключа, але хліб був іще теплий. Що ми "
    "робитимемо завтра?",
    "Bulgarian": "Реката замръзна през нощта. Никой не намери ключа, но хлябът още беше топъл.",
    "Greek": "Το ποτάμι πάγωσε τη νύχτα. Κανείς δεν βρήκε το κλειδί, αλλά το ψωμί ήταν ζεστό. ΟΔΟΣ",
    "Hebrew": "הנהר קפא בלילה. איש לא מצא את המפתח, אבל הלחם עדיין היה חם. מה נעשה מחר?",
    "Arabic": "تجمد النهر ليلا. لم يجد أحد المفتاح، لكن الخبز كان لا يزال ساخنا. ماذا نفعل غدا؟",
    "Persian": "رودخانه دیشب یخ زد. هیچ‌کس کلید را پیدا نکرد، اما نان هنوز گرم بود.",
    "Urdu": "رات کو دریا جم گیا۔ کسی کو چابی نہیں ملی، لیکن روٹی ابھی گرم تھی۔",
    "Hindi": "रात में नदी जम गई। किसी को चाबी नहीं मिली, लेकिन रोटी अभी भी गरम थी। कल हम क्या करेंगे?",
    "Bengali": "রাতে নদী জমে গেল। কেউ চাবি খুঁজে পেল না, কিন্তু রুটি তখনও গরম ছিল।",
    "Tamil": "இரவில் ஆறு உறைந்தது. யாரும் சாவியைக் காணவில்லை, ஆனால் ரொட்டி சூடாக இருந்தது.",
    "Telugu": "రాత్రి నది గడ్డకట్టింది. ఎవరికీ తాళం దొరకలేదు, కానీ రొట్టె వేడిగా ఉంది.",
    "Thai": "แม่น้ำแข็งตัวในตอนกลางคืน ไม่มีใครพบกุญแจ แต่ขนมปังยังอุ่นอยู่",
    "Japanese": "夜のうちに川が凍った。誰も鍵を見つけられず、パンは温かい。明日はどうする？",
    "Korean": "밤사이 강이 얼었다. 아무도 열쇠를 못 찾았지만 빵은 따뜻했다. 무엇을 할까?",
    "Chinese": "夜里河水结冰了。没有人找到钥匙，但是面包还是热的。明天我们做什么？",
    "Turkish": "İstanbul'da ırmak dondu. Anahtarı kimse bulamadı; ekmek hâlâ sıcaktı. IŞIK söndü!",
}

SHAPES = [
    *("", " ", "\n", "\n\n\n", "\u200b", "\ufeff", "*", "***", "******", '"', '""', "[]", "<<>>"),
    *("<< >>", "<<a>>", "<<a\nb>>", "<<<x>>>", ">> <<", "[a\nb]", "[[a]]", "[] []", "-", "---"),
    *("* a\n* b\n- c", "*\n* a", "** a\n * b", "\n\n  * a", "1. a\n2. b", "•a", "*a*", "**a**"),
    *("** **", "*a\nb*", "***a***", "a *b* c **d** *e", "P.S. x", "p. s. x", "P.P.S", "p.p.s.x"),
    *("a***b", "a *** b", "***a***b***", "a***\n***b", "a******b", "a******a", "******a******b"),
    *("My answer is yes.", "my answer is no.", "So: My answer is maybe. ", "My answer is yes"),
    *('{"a": 1}', '```json\n{"a": 1}\n```', "```Json\n[]```", "```\n{'a': 1}\n```", "NaN", "1"),
    *('"a"', ' "a b" ', '"a" b', "“a”", "''", "SECTION 1 a SECTION 2", "Section1Section 22", "²"),
    *("HELLO WORLD, THIS IS ALL CAPITALS.", "hello world, this is all small letters.", "12 34"),
    *("I CAN'T. DON'T! U.S.A. and NASA's", "WE CANNOT GO; WANNA. X-RAY", "ΑΣ ΑΣ.", "İSTANBUL"),
    *("Mr. Smith met J. Doe at 5 p.m. He left.", "Wait... Then no. 5. was it? e.g. this. OK!!!"),
    *('He said "Go." Then (quietly.) he left.[1] «Non.» Oui…', "a.b.c. D.E. F", "v1.2. 3. four."),
    *("a\n\nb\n\nc", "\n\na\n\n\n\nb", '\'"Word, one\n\n"two" three\n\nTHREE!', "a\r\n\r\nb\r\n"),
    *(
        "line\u2028line\u2029x\x0by\x0cz\x1cq\x85r",
        "e\u0301a\u0300",
        "👩‍👩‍👧 ok",
        "ﬁn",
        "\x00\x07",
        "\ud800",
    ),
    *("Any other questions?", '"Is there anything else I can help with?"  ', "ends here.\n\n"),
]

_FRAGMENTS = [
    *(
        "* ",
        "** ",
        "- ",
        "***",
        "******",
        "*bold*",
        "**strong**",
        "# Title\n",
        "<<A title>>",
        "[x]",
    ),
    *("\n", "\n\n", "\n\n\n", " ", "\t", "P.S. more", "P.P.S. more", "Section 1", "SECTION 2\n"),
    *("The end.", "Is it? ", "Yes! ", "Mr. Fox ", "J. K. Roe ", "etc. ", "U.S. ", "3.5 ", "5. "),
    *(
        "NASA",
        "I'M",
        "can't ",
        '"',
        "'",
        "“",
        "”",
        ",",
        "، ",
        "，",
        "```json\n",
        "```",
        '{"a": [1]}',
    ),
    *(
        "My answer is no.",
        "Any other questions?",
        "storm ",
        "STORMY ",
        "light, ",
        "the ",
        "PARAGRAPH 3",
    ),
]


def corpus(seed: int = 0) -> list[tuple[str, str]]:
    """(kind, text) pairs: about two thousand, the same for the same seed and files."""
    chance = random.Random(seed)
    texts = [("language", text) for text in LANGUAGES.values()]
    texts += [("language", "\n\n".join(chance.sample(list(LANGUAGES.values()), 2)))] * 4
    texts += [("shape", text) for text in SHAPES]
    texts += [("demo output", text) for text in demo_outputs()]
    documents = [PROJECT_ROOT / "README.md", *sorted(PROJECT_ROOT.glob("docs/*.md"))]
    for path in (*documents, PROJECT_ROOT / "training" / "README.md"):
        texts += [("documentation", part) for part in _parts(path.read_text("utf-8"), chance)]
    for module in (json, textwrap, random, inspect, shutil, tempfile):
        texts += [("code", part) for part in _parts(inspect.getsource(module), chance)[:40]]
    for _ in range(300):
        pieces = [chance.choice(_FRAGMENTS) for _ in range(chance.randint(1, 14))]
        texts.append(("markdown", "".join(pieces)))
    for _ in range(200):
        codes = [chance.choice((0x20, 0x41, 0x61, 0x300, 0x900, 0x4E00)) for _ in range(40)]
        texts.append(("unicode", "".join(chr(code + chance.randint(0, 60)) for code in codes)))
    texts += [(kind, _reshaped(text, chance)) for kind, text in chance.sample(texts, 500)]
    return texts


def demo_outputs() -> list[str]:
    """The outputs of the shipped studies, out of a copy: reading may migrate a database."""
    from vibecore import store

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(DEFAULT_DB, folder))
        with store.reading(copy) as connection:
            rows = store.read_outputs(connection, "demo")
    return [row.text for row in rows if row.text is not None]


def _parts(text: str, chance: random.Random) -> list[str]:
    """A text cut at line ends into pieces of one to forty lines."""
    lines, parts = text.split("\n"), []
    while lines:
        take = chance.randint(1, 40)
        parts.append("\n".join(lines[:take]))
        lines = lines[take:]
    return parts


def _reshaped(text: str, chance: random.Random) -> str:
    """The text as an answer that tries to follow an instruction."""
    return chance.choice(
        (
            lambda: f'"{text}"',
            lambda: text.upper(),
            lambda: text.lower(),
            lambda: text.replace(",", ""),
            lambda: f"<<Title>>\n\n{text}",
            lambda: f"Sure, here it is:\n{text}\nI hope that helps, friend!",
            lambda: f"{text}\n\nP.S. {text[:30]}",
            lambda: f"{text}\n******\n{text[::-1]}",
            lambda: "\n***\n".join(text.split("\n")[:4]),
            lambda: "\n".join(f"* {line}" for line in text.split("\n")),
            lambda: f"```json\n{json.dumps(text)}\n```",
            lambda: "\n".join(f"Section {i}\n{line}" for i, line in enumerate(text.split("\n"))),
        )
    )()
