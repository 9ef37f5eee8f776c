import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.safetext import lines, one_line


@pytest.mark.parametrize(
    ("hostile", "safe"),
    [
        ("\x1b[2J\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07name", "name"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("a\u2066b\u2069c\u200b", "abc"),
        ("first\r\nsecond\u2028third", "first second third"),
        ("\x9b31mred", "red"),
        ("back\x08\x08space\x00", "backspace"),
        ("z" + "\u0301" * 50, "z" + "\u0301" * 4),
        ("grüße 東京", "grüße 東京"),
    ],
)
def test_nothing_in_a_text_can_move_the_cursor_or_reorder_the_line(hostile: str, safe: str) -> None:
    assert one_line(hostile) == safe


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_one_line_is_one_line_of_visible_characters(text: str) -> None:
    shown = one_line(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)


@given(st.text(max_size=60), st.integers(1, 30))
def test_a_cut_text_is_never_longer_than_asked(text: str, most: int) -> None:
    assert len(one_line(text, most)) <= most


def test_line_breaks_of_a_command_are_kept() -> None:
    assert lines("CREATE INDEX\r\n\tON t;\x1b[0m") == "CREATE INDEX\n    ON t;"
