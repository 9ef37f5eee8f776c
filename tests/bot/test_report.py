import base64
import hashlib
import re
from html.parser import HTMLParser

from bot import report, result
from graph.model import NextStep, ProposedFile
from tests.bot import samples

VOID = {"meta", "br", "img", "hr", "input", "link"}


class Outline(HTMLParser):
    """Which elements a page has, and whether they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(**changes: object) -> str:
    outcome = samples.outcome(samples.weighing(**changes))
    return report.page(outcome.incident, result.of_outcome(outcome), outcome.weighing.pictures)


def outline(html: str) -> Outline:
    parsed = Outline()
    parsed.feed(html)
    assert parsed.open == []
    return parsed


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    parsed = outline(page())
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(parsed.tags)
    assert not [
        name for name, _ in parsed.attributes if name.startswith("on") or name in {"src", "href", "style"}
    ]


def test_the_policy_allows_the_own_style_and_nothing_else() -> None:
    html = page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert policy is not None
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    allowed = policy[1].replace("&#39;", "'")
    assert allowed.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def test_hostile_text_stays_text() -> None:
    hostile = "</pre><script>alert(1)</script>\u202e\x1b[0m{{ 7*7 }}"
    proposal = samples.proposals()[0].model_copy(
        update={
            "title": hostile,
            "why": hostile,
            "service": hostile,
            "check_yourself": hostile,
            "against_text": hostile,
            "next_step": NextStep(
                text=hostile,
                command=hostile,
                undo=hostile,
                files=(ProposedFile(path=hostile, text=hostile),),
            ),
        }
    )
    fact = samples.evidence()["e1"].model_copy(update={"value": hostile, "query": hostile})
    picture = samples.pictures()[0].model_copy(update={"title": hostile})
    html = page(summary=hostile, proposals=(proposal,), evidence={"e1": fact}, pictures=(picture,))
    assert "script" not in outline(html).tags
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "{{ 7*7 }}" in html


def test_everything_a_reader_needs_is_on_the_page() -> None:
    html = page()
    for words in (
        "cause found",
        "checkout is slow since 14:48",
        "87 %",
        "None of these",
        "pg_stat_user_tables",
        "Autovacuum ran on orders",
        "CREATE INDEX CONCURRENTLY",
        "DROP INDEX CONCURRENTLY orders_customer_ref_idx",
        "migrations/0012_orders_customer_ref_idx.sql",
        "the case holds no logs.jsonl",
        "Not yet calibrated here: 3 of 30 confirmed incidents; read the confidences as an order.",
        "The cause is among the first 2 (90 %: so often lists made this way hold it).",
    ):
        assert words in html, words
    assert html.count('<svg class="wide"') == 2


def test_the_same_outcome_gives_the_same_page() -> None:
    assert page() == page()
