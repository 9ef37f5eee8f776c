"""The `firstcause` command: which subcommands exist, and the one place where errors become exit codes."""

from __future__ import annotations

import gc
import io
import os
import sys

import typer

from bot.commands import bench, demo, investigate, schema, version
from bot.errors import BotError, Exit
from bot.safetext import one_line

EXIT_CODES = """
Exit codes: 0 the investigation came to its end and the result is printed, whatever the verdict;
2 the input cannot be used; 4 another process works on the same investigation; 70 a defect of this
program; 130 interrupted.
"""

_ALLOCATIONS = 100_000
"""How many objects more than were freed make the garbage collector look; Python's own figure is 700."""

app = typer.Typer(
    name="firstcause",
    help="From an alert to ranked, testable root causes, with a confidence that means what it says.",
    epilog=EXIT_CODES,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(epilog=EXIT_CODES)(investigate.investigate)
app.command()(demo.demo)
app.command()(bench.bench)
app.command()(version.version)
app.command()(schema.schema)


def main() -> None:
    """Run the command and end the process."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets "?" in its place, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # What one run builds lives until its end: looking for garbage in it takes time, and finds nothing.
    gc.set_threshold(_ALLOCATIONS, 20, 50)
    code = run(sys.argv[1:] or ["--help"])
    gc.freeze()  # nor is there a reason to look once more before the process ends
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command; every way to end becomes an exit code."""
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="firstcause", standalone_mode=False)
    except typer.TyperException as error:
        return _refused(error.format_message())
    except BotError as error:
        return _refused(str(error), error.exit)
    except (KeyboardInterrupt, typer.Abort):
        return _refused("interrupted", Exit.INTERRUPTED)
    except BrokenPipeError:
        return _hung_up()
    except Exception as error:  # noqa: BLE001 - the process edge: a defect becomes one line and a file
        return _defect(error)
    if code == Exit.INTERRUPTED:  # what typer makes of a KeyboardInterrupt
        return _refused("interrupted", Exit.INTERRUPTED)
    return code if isinstance(code, int) else Exit.DONE


def _refused(message: str, code: Exit = Exit.BAD_INPUT) -> int:
    """Say in one line why the command ended."""
    typer.echo(f"firstcause: {one_line(message, 600)}", err=True)
    return code


def _hung_up() -> int:
    """Nobody reads our output any more: that is their decision, and no defect."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.DONE


def _defect(error: Exception) -> int:
    """Keep what a developer needs in a file, and tell the user in one line where it is."""
    from bot.defects import keep

    kept = keep(error)
    where = f"; details: {kept}" if kept else ""
    return _refused(
        f"a defect of this program ({type(error).__name__}: {one_line(str(error), 200)}){where}",
        Exit.INTERNAL,
    )
