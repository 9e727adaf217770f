"""The rule of words: what is found by what. One table, since there is one rule for both sides."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.search.query import parse_query
from chatserver.search.words import split

SAME = [
    # case, and letters that casing takes apart
    ("Straße", "strasse"),
    ("STRASSE", "straße"),
    ("GRÖẞE", "große"),
    ("ΛΌΓΟΣ", "λόγος"),
    ("λογοσ", "λόγος"),
    ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
    ("İstanbul", "istanbul"),
    ("ısı", "isi"),
    # accents and marks
    ("café", "cafe"),
    ("cafe\u0301", "café"),
    ("Ὀδυσσεύς", "οδυσσευς"),
    ("ᾅδης", "αδης"),
    ("ёлка", "елка"),
    ("Ёж", "ЕЖ"),
    ("за́мок", "замок"),
    ("и\u0306", "й"),
    ("Việt Nam", "viet nam"),
    ("Łódź", "lodz"),
    ("Søren", "soren"),
    ("Ærø", "aero"),
    ("cœur", "coeur"),
    ("Đà Nẵng", "da nang"),
    # other shapes of the same letters
    ("ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
    ("ＡＢＣ１２３", "abc123"),
    ("ﬁnance oﬃce", "finance office"),
    ("ｶﾞｲﾄﾞ", "ガイド"),
    ("x²", "x2"),
    ("①", "1"),
    ("㎏", "kg"),
    ("ĳ", "ij"),
    ("ſecret", "secret"),
    ("𝐛𝐨𝐥𝐝", "bold"),
    ("٣٤", "34"),
    ("१२३", "123"),
    ("so\u00adft", "soft"),
    ("a\u200bb", "ab"),
    # points, harakat and spellings
    ("שָׁלוֹם", "שלום"),
    ("בְּרֵאשִׁית", "בראשית"),
    ("מלך", "מלכ"),
    ("\ufb2a", "ש"),
    ("مُحَمَّد", "محمد"),
    ("محمـــد", "محمد"),
    ("أحمد", "احمد"),
    ("إلى", "الي"),
    ("آب", "اب"),
    ("مدرسة", "مدرسه"),
    ("\ufefb", "لا"),
    ("کتاب", "كتاب"),
    ("ज़रा", "जरा"),
    # emoji: how they are drawn makes no other
    ("❤️", "❤"),
    ("👍🏽", "👍"),
    ("™", "tm"),
]

DIFFERENT = [
    ("й", "и"),
    ("ї", "і"),
    ("ў", "у"),
    ("か", "が"),
    ("カ", "ガ"),
    ("🇩🇪", "🇫🇷"),
    ("кот", "код"),
    ("한", "하"),
    ("कि", "की"),
    ("ส", "สี"),
    ("a", "b"),
]

FOUND = [
    # any part of what is written without spaces, a single character too
    ("東京", "私は東京タワーに行きました"),
    ("タワー", "私は東京タワーに行きました"),
    ("京", "私は東京タワー"),
    ("北京", "我爱北京天安门"),
    ("门", "我爱北京天安门"),
    ("𠮷野", "これは𠮷野家です"),
    ("々", "人々"),
    ("ประเทศ", "ฉันรักประเทศไทยมาก"),
    ("ไทย", "ฉันรักประเทศไทยมาก"),
    ("น้ำ", "ดื่มน้ำเย็น"),
    ("ລາວ", "ປະເທດລາວ"),
    ("ខ្មែរ", "ភាសាខ្មែរល្អ"),
    ("မြန်မာ", "ကျွန်တော်မြန်မာပါ"),
    ("회의", "내일 회의에서 만나요"),
    ("만나", "내일 회의에서 만나요"),
    ("ｷﾓ", "キモノ"),
    ("東京*", "東京タワー"),
    ("東*", "関東"),
    ('"東京 タワー"', "東京タワー"),
    ("東京 行", "東京に行く"),
    # emoji
    ("👍", "ok 👍"),
    ("👍", "ok👍🏿!"),
    ("👨‍👩‍👧", "the 👨‍👩‍👧 is here"),
    ("👩", "👨‍👩‍👧"),
    ("🏳️‍🌈", "🏳️‍🌈"),
    ("🇩🇪", "🇫🇷🇩🇪🇮🇹"),
    ("❤️‍🔥", "❤️‍🔥"),
    ("1️⃣", "step 1️⃣"),
    ("#️⃣", "#️⃣"),
    ("‼️", "now ‼️"),
    ("™️", "it™️"),
    ("〰️", "〰️"),
    ("\U0001fae8", "\U0001fae8"),
    ("☕", "☕☕"),
    ("→", "a → b"),
    ("🫱🏻‍🫲🏿", "🫱🏻‍🫲🏿"),
    ("€", "5€"),
    # links, and parts of them
    ("https://example.com/a_b?c=d%20e#f", "see https://example.com/a_b?c=d%20e#f there"),
    ("example.com", "https://www.example.com/"),
    ("a_b", "https://example.com/a_b"),
    ("https://example.com/" + "path/" * 60, "see https://example.com/" + "path/" * 60),
    ("https://example.com/?q=" + "Ab1" * 150, "see https://example.com/?q=" + "Ab1" * 150),
    # other keyboards, and what is typed as a word
    ("“so far” good", "so far so good"),
    ("ｄｅｐｌ＊", "deployment"),
    ("strass*", "Straßen"),
    ("don’t", "I don't"),
    ("foo™", "foo™ bar"),
    ("foo", "foo™"),
    ("п'ять", "пʼять"),
    ("हिन्दी", "यह हिन्दी है"),
]

NOT_FOUND = [
    ("京東", "東京タワー"),
    ("🇪🇸", "🇩🇪🇸🇪"),
    ("👧‍👩", "👨‍👩‍👧"),
    ('"far so"', "so far good"),
    ("depl", "deployment"),
    ("タワ行", "東京タワーに行く"),
]


def finds(query: str, text: str) -> bool:
    """Tell whether a query finds a text, by the rule alone: the index is tried in test_index."""
    parsed = parse_query(query)
    assert parsed.terms, query
    return parsed.fits(text, "")


@pytest.mark.parametrize(("one", "other"), SAME)
def test_these_are_one_word(one: str, other: str) -> None:
    assert split(one) == split(other) != []


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_these_are_two(one: str, other: str) -> None:
    assert split(one) != split(other)


@pytest.mark.parametrize(("query", "text"), FOUND)
def test_this_finds_that(query: str, text: str) -> None:
    assert finds(query, text)


@pytest.mark.parametrize(("query", "text"), NOT_FOUND)
def test_this_does_not(query: str, text: str) -> None:
    assert not finds(query, text)


@given(st.text())
def test_what_is_said_finds_itself_however_it_is_composed(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert split(unicodedata.normalize(form, text)) == split(text)
