"""The command line. Each command imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_MISSED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit.

    Exit codes: 0 fine, 1 a threshold was missed, 2 bad input or usage, 130 interrupted.
    """
    # As `python -m` does, so that module:attribute finds what lies where the user stands.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - sys.path holds strings
    try:
        code = group.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = EXIT_BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing was written", err=True)
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        if not _is_users(error):
            raise
        click.echo(f"error: {error}", err=True)
        code = EXIT_BAD_INPUT
    sys.exit(code if isinstance(code, int) else 0)


def _is_users(error: Exception) -> bool:
    from reports.errors import ReportError  # noqa: PLC0415 - only after an error
    from simulator.errors import TimeshareError  # noqa: PLC0415 - only after an error

    return isinstance(error, (TimeshareError, ReportError))


def _replications(text: str) -> int | Literal["auto"]:
    """Read a number of replications, or "auto"."""
    if text == "auto":
        return "auto"
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter(f"{text!r} is neither auto nor a whole number from 1 on.")
    return int(text)


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")(command)
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the summary as JSON; all else goes to standard error."
    )(command)


def _scenario(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key: jobs.gate.tickets=400."
    )(command)
    command = click.option("--seed", type=click.IntRange(min=0), help="Another seed than the scenario's.")(
        command
    )
    command = click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where the result goes (default: results/...).",
    )(command)
    return click.argument("scenario")(command)


@click.group(name="timeshare", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="timeshare")
def group() -> None:
    """Simulate vision models sharing one box: who gets the CPU and the memory.

    SCENARIO is the path of a scenario file or the name of a library scenario.
    """


@group.command()
@_scenario
@click.option("--scheduler", metavar="NAME", help="Another scheduler than the scenario's, or module:Class.")
@click.option("--slices", is_flag=True, help="Keep every slice on record, not only the first few hundred.")
@click.option("--replication", type=click.IntRange(min=0), default=0, help="Which repetition of the draws.")
@_common
def run(**options: Any) -> int:
    """Simulate SCENARIO and show who got what."""
    from timeshare import commands  # noqa: PLC0415 - see the module's docstring

    return commands.run(**options)


@group.command()
@_scenario
@click.option(
    "--schedulers",
    default="lottery,stride",
    show_default=True,
    metavar="NAMES",
    help="Names with commas between.",
)
@click.option(
    "--replications",
    type=_replications,
    metavar="N|auto",
    default="auto",
    show_default=True,
    help="Of each scheduler; auto: until the fairness table is known to 1 %.",
)
@click.option(
    "--max-replications",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="The most that auto makes.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes to use (default: one a CPU)."
)
@_common
def compare(**options: Any) -> int:
    """Simulate SCENARIO under several schedulers and say which differences are real."""
    from timeshare import commands  # noqa: PLC0415 - see the module's docstring

    return commands.compare(**options)


@group.command()
@click.argument("result_dir", type=click.Path(path_type=Path))
@click.option("--svg", is_flag=True, help="Draw the pictures as SVG, too.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Draw there (default: RESULT_DIR/plots)."
)
@_common
def report(**options: Any) -> int:
    """Show the tables of RESULT_DIR and draw its pictures again."""
    from timeshare import commands  # noqa: PLC0415 - see the module's docstring

    return commands.report(**options)


@group.command()
@click.argument("model")
@click.option("--image", metavar="FILE", help="A photograph (default: one that ships with matplotlib).")
@click.option("--size", metavar="HxW", help="Height and width of the input (default: the model's own).")
@click.option("--weights", metavar="FILE", help="The model's weights (default: random ones).")
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads to compute with."
)
@click.option("--runs", type=click.IntRange(min=1), help="Measured inferences.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where the profile goes.")
@_common
def profile(**options: Any) -> int:
    """Record MODEL, a known name or module:callable, on this machine."""
    from timeshare import profiling  # noqa: PLC0415 - see the module's docstring

    return profiling.profile(**options)


@group.command()
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the figure goes (default: NAME.png).",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes to use (default: one a CPU)."
)
@_common
def figure(**options: Any) -> int:
    """Simulate what a published figure shows, and draw it: see `timeshare list figures`."""
    from timeshare import figures  # noqa: PLC0415 - see the module's docstring

    return figures.figure(**options)


@group.command(name="list")
@click.argument("what", type=click.Choice(["scenarios", "schedulers", "workloads", "models", "figures"]))
@_common
def list_(**options: Any) -> int:
    """List what there is: scenarios, schedulers, workloads, models or figures."""
    from timeshare import listing  # noqa: PLC0415 - see the module's docstring

    return listing.list_what(**options)


@group.command()
def schema() -> int:
    """Print the JSON Schema of the scenario file."""
    from timeshare import listing  # noqa: PLC0415 - see the module's docstring

    return listing.schema()
