"""The lab's command: `python -m tests.lab list | run | up | break`. Must not know how anything is done."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tests.lab import programs, stage
from tests.lab.frameworks import MigrationError
from tests.lab.monitoring import Levels
from tests.lab.recording import NoAlertError, Pace, TooLargeError, record
from tests.lab.shop import Options, Shop
from tests.lab.supervisor import StartError

TEACH = """\
A small shop that can be broken: five services as processes of their own, PostgreSQL with millions of rows,
OpenTelemetry traces, a real Prometheus and Alertmanager, customers, rollouts and a Git repository.
Everything listens on 127.0.0.1, on free ports, and ends with the command.

  python -m tests.lab list                                what can go wrong
  python -m tests.lab run slow-dependency --record DIR    break it, wait for the alert, write a case
  python -m tests.lab up                                  keep it running and print where to look
  python -m tests.lab break slow-dependency               while it is up, from another terminal

A recording takes about 15 minutes. For a quick look at the machinery:
  python -m tests.lab run slow-dependency --record /tmp/case --rows 20000 --baseline 60 --hold 10 --sampling 1
"""
FAILURES = (
    stage.NoSuchScenarioError,
    programs.ProgramMissingError,
    StartError,
    NoAlertError,
    MigrationError,
    TooLargeError,
)
SWITCH = Path(tempfile.gettempdir()) / "firstcause-lab.break"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "python -m tests.lab", description=TEACH, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="name every scenario")
    run = commands.add_parser("run", help="run a scenario and record it as a case")
    run.add_argument("scenario", metavar="SCENARIO")
    run.add_argument(
        "--record", required=True, type=Path, metavar="DIR", help="where the case goes; replaced"
    )
    run.add_argument(
        "--baseline", type=float, default=Pace.baseline, help="seconds before the fault (%(default)s)"
    )
    run.add_argument("--warm-up", type=float, default=Pace.warm_up, help="seconds before that (%(default)s)")
    run.add_argument(
        "--afterwards", type=float, default=Pace.afterwards, help="seconds recorded after (%(default)s)"
    )
    up = commands.add_parser("up", help="keep the shop running until Ctrl-C")
    up.add_argument(
        "scenario", metavar="SCENARIO", nargs="?", help="begin with the past and the settings it wants"
    )
    for command in (run, up):
        shop_options(command)
    breaking = commands.add_parser("break", help="inject a scenario's fault into a shop that is up")
    breaking.add_argument("scenario", metavar="SCENARIO")
    return top


def shop_options(command: argparse.ArgumentParser) -> None:
    levels = Levels()
    command.add_argument(
        "--rows", type=int, default=Options.rows, help="orders in the database (%(default)s)"
    )
    command.add_argument(
        "--seed", type=int, default=Options.seed, help="of customers and names (%(default)s)"
    )
    command.add_argument("--rate", type=float, default=Options.rate, help="requests a second (%(default)s)")
    command.add_argument(
        "--sampling", type=float, default=Options.sampling, help="share of traces (%(default)s)"
    )
    command.add_argument("--scrape", type=int, default=levels.scrape_seconds, help="seconds (%(default)s)")
    command.add_argument(
        "--threshold", type=float, default=levels.latency_seconds, help="p99 seconds (%(default)s)"
    )
    command.add_argument(
        "--hold", type=int, default=levels.hold_seconds, help="seconds to alert (%(default)s)"
    )


def options(given: argparse.Namespace) -> Options:
    levels = Levels(scrape_seconds=given.scrape, latency_seconds=given.threshold, hold_seconds=given.hold)
    return Options(given.rows, given.seed, given.rate, given.sampling, levels)


def run(given: argparse.Namespace, root: Path) -> None:
    scenario = stage.scenario(given.scenario)
    pace = Pace(warm_up=given.warm_up, baseline=given.baseline, afterwards=given.afterwards)
    record(Shop(root, options(given), say, scenario.beginning), scenario, pace, given.record)


def up(given: argparse.Namespace, root: Path) -> None:
    SWITCH.unlink(missing_ok=True)
    beginning = stage.scenario(given.scenario).beginning if given.scenario else None
    with Shop(root, options(given), say, beginning) as shop:
        for name, url in shop.urls().items():
            print(f"{name:<14}{url}", flush=True)
        say("Ctrl-C ends it; `python -m tests.lab break SCENARIO` breaks it")
        while True:
            shop.wait(1)
            if SWITCH.exists():
                name = SWITCH.read_text().strip()
                SWITCH.unlink()
                break_it(shop, name)


def break_it(shop: Shop, name: str) -> None:
    scenario = stage.scenario(name)
    if scenario.beginning != shop.beginning:
        say(f"{name} wants a shop with a past of its own: python -m tests.lab up {name}")
        return
    scenario.arrange(shop)
    scenario.baseline(shop, 0)
    scenario.inject(shop)
    say(f"{name} injected; expect {scenario.alert}")


def dispatch(given: argparse.Namespace) -> None:
    if given.command == "list":
        for name, scenario in stage.scenarios().items():
            print(f"{name:<28}{scenario.about}")
    elif given.command == "break":
        stage.scenario(given.scenario)
        SWITCH.write_text(given.scenario)
    else:
        for name in programs.NEEDED:
            programs.require(name)  # before anything has been started
        with tempfile.TemporaryDirectory(prefix="firstcause-lab-", ignore_cleanup_errors=True) as directory:
            {"run": run, "up": up}[given.command](given, Path(directory))


def interrupted(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def main() -> int:
    given = parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        dispatch(given)
    except KeyboardInterrupt:
        say("stopped")
        return 130
    except FAILURES as failure:
        say(f"failed: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
