"""The command line: `kappafleet COMMAND`.

Each module of ``kappafleet.commands`` adds its command by ``register(app)``. Those modules import little at
their top, and what a command works with (PyFlink, drivers) inside it, so that ``kappafleet --help`` is quick.

Exit codes: 0 done; 1 a job failed; 2 a mistake that one line on stderr explains.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence

import typer

from kappafleet import __version__, commands
from kappafleet.errors import UserError, of_file

USER_ERROR = 2
INTERRUPTED = 130


def _app() -> typer.Typer:
    app = typer.Typer(
        name="kappafleet",
        help="Streaming statistics of drivers and sensors: RabbitMQ streams, PyFlink, Cassandra.",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def options(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
    ) -> None:
        if version:
            print(__version__)
            raise typer.Exit
        if context.invoked_subcommand is None:
            print(context.get_help())

    for module in sorted(each.name for each in pkgutil.iter_modules(commands.__path__)):
        importlib.import_module(f"{commands.__name__}.{module}").register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and ends the process with its exit code.

    Args:
        arguments: None: those of the process.
    """
    try:
        sys.exit(run(sys.argv[1:] if arguments is None else arguments))
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (`| head`): nothing to say, and nobody to hear
        sys.exit(0)


def run(arguments: Sequence[str]) -> int:
    """Runs a command.

    Returns:
        Its exit code.
    """
    try:
        code = _app()(args=list(arguments), standalone_mode=False)
    except UserError as error:
        return _complain(str(error))
    except OSError as error:
        message = of_file(error)
        if message is None:
            raise
        return _complain(message)
    except (typer.Abort, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    except typer.TyperException as error:  # an unknown command or option, a missing or a wrong argument
        message = error.format_message()
        context: typer.Context | None = getattr(error, "ctx", None)
        command = context.command_path if context else "kappafleet"
        return _complain(f"{message.rstrip('.')}. See: {command} --help")
    return code if isinstance(code, int) else 0


def _complain(message: str) -> int:
    print(f"kappafleet: {' '.join(message.split())}", file=sys.stderr)
    return USER_ERROR
