"""The `firstcause` command: which subcommands exist, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
import threading
from typing import Annotated

import typer

from bot.commands import (
    audit,
    bench,
    demo,
    doctor,
    init,
    investigate,
    quiet,
    record,
    schema,
    serve,
    services,
    sql_role,
    version,
)
from bot.errors import BotError, Exit
from bot.safetext import one_line

EXIT_CODES = """
Exit codes: 0 the investigation came to its end and the result is printed, whatever the verdict;
2 the input cannot be used; 4 another process works on the same investigation; 70 a defect of this
program; 74 the result could not be written; 130 interrupted.
"""

_ALLOCATIONS = 100_000
"""How many objects more than were freed make the garbage collector look; Python's own figure is 700."""

_UNWRITABLE = frozenset({errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT})

app = typer.Typer(
    name="firstcause",
    help="From an alert to ranked, testable root causes, with a confidence that means what it says.",
    epilog=EXIT_CODES,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        version.version()
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop."),
    ] = False,
) -> None:
    """Options of the command itself."""


app.command(epilog=EXIT_CODES)(investigate.investigate)
app.command(epilog=EXIT_CODES)(record.record)
app.command()(demo.demo)
app.command()(init.init)
app.command(epilog=doctor.DOCTOR_CODES)(doctor.doctor)
app.command()(services.services)
app.command()(serve.serve)
app.command()(quiet.quiet)
app.command()(bench.bench)
app.add_typer(audit.audit, name="audit")
app.command()(version.version)
app.command()(schema.schema)
app.command()(sql_role.sql_role)


def collect_seldom() -> None:
    """What one run builds lives until its end: looking for garbage in it takes time, and finds nothing."""
    gc.set_threshold(_ALLOCATIONS, 20, 50)


def main() -> None:
    """Run the command and end the process."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets "?" in its place, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    collect_seldom()
    code = run(sys.argv[1:] or ["--help"])
    gc.freeze()  # nor is there a reason to look once more before the process ends
    if threading.active_count() > 1:
        # A source that hangs still holds a thread of a pool, which Python would wait for: the result is out.
        _let_go()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command; every way to end becomes an exit code."""
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="firstcause", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - the process edge
        return _ended_by(error)
    if code == Exit.INTERRUPTED:  # what typer makes of a KeyboardInterrupt
        return _refused("interrupted", Exit.INTERRUPTED)
    return code if isinstance(code, int) else Exit.DONE


def _ended_by(error: Exception | KeyboardInterrupt | SystemExit) -> int:
    """The exit code for what ended the command."""
    match error:
        case typer.TyperException():
            return _refused(error.format_message())
        case BotError():
            return _refused(str(error), error.exit)
        case KeyboardInterrupt() | typer.Abort():
            return _refused("interrupted", Exit.INTERRUPTED)
        case BrokenPipeError() | SystemExit(__context__=BrokenPipeError()):  # what typer and rich make of it
            return _hung_up()
        case OSError(errno=number) if number in _UNWRITABLE:
            _let_go()
            return _refused(f"the result could not be written: {error.strerror}", Exit.UNWRITABLE)
        case Exception():  # a defect becomes one line and a file
            return _defect(error)
        case _:
            raise error


def _refused(message: str, code: Exit = Exit.BAD_INPUT) -> int:
    """Say in one line why the command ended."""
    typer.echo(f"firstcause: {one_line(message, 600)}", err=True)
    return code


def _hung_up() -> int:
    """Nobody reads our output any more: that is their decision, and no defect."""
    _let_go()
    return Exit.DONE


def _let_go() -> None:
    """What is left to write goes nowhere, so that the end of the process does not fail at it again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (each for each in (sys.__stdout__, sys.__stderr__) if each is not None):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())


def _defect(error: Exception) -> int:
    """Keep what a developer needs in a file, and tell the user in one line where it is."""
    from bot.defects import keep

    kept = keep(error)
    where = f"; details: {kept}" if kept else ""
    return _refused(
        f"a defect of this program ({type(error).__name__}: {one_line(str(error), 200)}){where}",
        Exit.INTERNAL,
    )
