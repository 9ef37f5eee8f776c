"""What people are answered at once: how to use it, what is going on, how one incident stands. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from bot.desk import LIVE, Desked
from bot.slack.commands import UNDERSTOOD
from bot.slack.mrkdwn import plain

HELP: Final = "\n".join(
    (
        "*What you can type*",
        "• `/diagnose SERVICE` — find out what is wrong with a service",
        "• `/diagnose SERVICE since 30m payments time out` — with how long it has lasted, and what is seen",
        "• `/diagnose INC-42` — how an incident stands, with a link to its card",
        "• `/diagnose status` — what is being looked at now",
        "• `/diagnose cancel INC-42` — stop looking",
        "• `/diagnose postmortem INC-42` — what is there for the post-mortem",
        "",
        f"A duration is {UNDERSTOOD}. A service called like one of these words is put in quotation marks.",
        "In a thread mention me and leave the slash command out: `status`, `cancel` and `postmortem` then",
        "mean the thread's incident. On an alert's message use *Find the cause* from its menu (⋮).",
    )
)
CLOSED: Final = "nothing is being looked at. `/diagnose SERVICE` begins."
NOT_KEPT: Final = "That could not be written down just now, and nothing was begun. Please send it again."
TAKEN: Final = "Taken. It takes a little longer than usual; you will hear here."
OLD_BUTTON: Final = "This button is from another version of the card. `/diagnose status` lists the incidents."
NOT_OPENED: Final = "Slack did not open the window in time. Please click again."
_MOST: Final = 12


def status(incidents: Sequence[Desked], now: datetime, url: str = "") -> str:
    """What is going on: the live incidents, the newest first, and the last that were closed."""
    live = [each for each in incidents if each.state in LIVE]
    closed = [each for each in incidents if each.state not in LIVE][:3]
    lines = [f"*{len(live)} under way*" if live else f"Nothing under way: {CLOSED}"]
    lines += [_line(each, now, url) for each in live[:_MOST]]
    if len(live) > _MOST:
        lines.append(f"… and {len(live) - _MOST} more")
    if closed:
        lines += ["*The last that ended*", *(_line(each, now, url) for each in closed)]
    return "\n".join(lines)


def show(incident: Desked, now: datetime, url: str = "") -> str:
    """How one incident stands."""
    lines = [_line(incident, now, url)]
    if incident.joined > 1:
        lines.append(f"{incident.joined} alerts were folded into it.")
    if incident.failed:
        lines.append(f"There is no result: {plain(incident.failed, 300)}")
    if not link(incident.place, url):
        lines.append("Its card is not posted yet." if incident.state in LIVE else "")
    return "\n".join(each for each in lines if each)


def link(place: Mapping[str, str], url: str) -> str:
    """The address of a card, empty where it is not known."""
    channel, ts = place.get("channel", ""), place.get("ts", "")
    if not (url and channel and ts):
        return ""
    thread = place.get("thread_ts", "")
    within = f"?thread_ts={thread}&cid={channel}" if thread and thread != ts else ""
    return f"{url.rstrip('/')}/archives/{channel}/p{ts.replace('.', '')}{within}"


def _line(incident: Desked, now: datetime, url: str) -> str:
    where = link(incident.place, url)
    name = f"<{where}|{incident.id}>" if where else f"*{incident.id}*"
    state = incident.state.value.replace("_", " ")
    what = plain(incident.service, 60) or "no service named"
    title = f": {plain(incident.title, 120)}" if incident.title and incident.title != incident.service else ""
    return f"{name} · {what} · {state} · {_ago(now - incident.opened_at)}{title}"


def _ago(passed: timedelta) -> str:
    minutes = max(int(passed.total_seconds() // 60), 0)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"
