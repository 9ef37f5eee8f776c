import math
import re

import pytest

from bot import charts
from bot.terminal_chart import drawn
from graph.model import Mark, Picture
from tests.bot import samples

HOSTILE = '</text></svg><script>alert(1)</script>" onload="x'


def test_the_svg_holds_no_script_no_link_and_no_style() -> None:
    picture = samples.pictures()[0].model_copy(update={"title": HOSTILE, "unit": HOSTILE})
    drawing = charts.inline_svg(picture, charts.WIDE, "c")
    assert not re.search(r"<(script|a|image|foreignObject|style)\b|href|style=", drawing)
    assert not re.search(r"<[^>]*\bonload", drawing)


def test_the_svg_is_named_and_described() -> None:
    drawing = charts.inline_svg(samples.pictures()[0], charts.NARROW, "c1")
    assert 'role="img"' in drawing
    assert '<title id="c1-title">checkout p99</title>' in drawing
    assert "Usual: 0.21 s." in drawing


def test_the_same_picture_gives_the_same_svg() -> None:
    picture = samples.pictures()[1]
    assert charts.svg(charts.spec(picture)) == charts.svg(charts.spec(picture))


@pytest.mark.parametrize("width", [40, 80, 118])
def test_a_terminal_chart_fits_its_width(width: int) -> None:
    for picture in samples.pictures():
        assert max(len(line) for line in drawn(picture, width)) <= width


def test_marks_stand_in_the_terminal_chart_with_their_legend() -> None:
    rows = drawn(samples.pictures()[0], 80)
    assert "╎" in "".join(rows)
    assert any(row.strip() == "2 14:48:00 onset" for row in rows)


@pytest.mark.parametrize("values", [(), (None, None), (1.0,), (None, 2.0)])
def test_a_picture_without_two_samples_is_not_drawn(values: tuple[float | None, ...]) -> None:
    times = tuple(float(i) for i in range(len(values)))
    assert drawn(Picture(title="t", role="symptom", unit="s", times=times, values=values), 80) == []


@pytest.mark.parametrize(
    "values", [(0.0, 0.0, 0.0), (5.0, 5.0, 5.0), (-3.0, 4.0, math.nan), (1e-9, 2e12, 1.0)]
)
def test_flat_and_extreme_series_are_drawn(values: tuple[float, ...]) -> None:
    mark = Mark(at=-100.0, label="before all")
    picture = Picture(
        title="t", role="suspect", unit="", times=(0.0, 1.0, 2.0), values=values, baseline=0.0, marks=(mark,)
    )
    assert drawn(picture, 80)
    assert charts.inline_svg(picture, charts.WIDE, "c").endswith("</svg>")


def test_numbers_have_as_many_digits_as_people_read() -> None:
    assert [charts.number(v) for v in (0, 0.2134, 1.755, 123.44, 45678.9, 2e9)] == [
        "0",
        "0.2134",
        "1.75",
        "123.4",
        "45,679",
        "2.00e+09",
    ]
