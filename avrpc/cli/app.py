"""The group of all commands, and the whole of a run of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import click

import avrpc
from avrpc.cli.failures import Usage
from avrpc.cli.running import INTERRUPTED
from avrpc.schema.names import suggest

# Each is an attribute of the same name of a module of the same name; the order is that of --help.
_COMMANDS = ("serve", "describe", "call", "check", "demo")


class _Commands(click.Group):
    """Imports a command when it is asked for, so that none needs what only another one uses."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in _COMMANDS if find_spec(f"{__package__}.{name}")]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            raise Usage(f"no command {name!r}{suggest(name, known) or '; see avrpc --help'}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        try:
            module = import_module(f"{__package__}.{cmd_name}")
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "avrpc":
                raise  # no extra would bring it: a bug of ours
            return _without(cmd_name, error.name)
        command: click.Command = getattr(module, cmd_name)
        return command


def _without(command: str, module: str | None) -> click.Command:
    """Stands in for a command whose extra is not installed."""
    problem = f"avrpc {command} needs {module}: pip install 'avrpc[{command}]'"

    def refuse() -> None:
        raise Usage(problem)

    return click.Command(
        command,
        callback=refuse,
        help=problem,
        short_help=f"(needs the extra {command!r})",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 an error that the protocol declares, or what check finds,"
    " 2 usage, 3 no connection, 4 another failure of the server, 5 deadline, 130 Ctrl-C.",
)
@click.version_option(avrpc.__version__, prog_name="avrpc", message="%(prog)s %(version)s")
def group() -> None:
    """RPC whose interface is an Avro protocol: serve it, look at it, call it, check it.

    \b
    Examples:
      avrpc serve server:server --bind tcp://127.0.0.1:7000
      avrpc describe tcp://127.0.0.1:7000
      avrpc call tcp://127.0.0.1:7000 demo.Quotes.last symbol=EURUSD
      avrpc check schemas --against git:main
    """  # noqa: D301 - for click, which does not wrap what follows it


def run(arguments: Sequence[str] | None) -> int:
    """Run a command line to its end and give the exit code; what went wrong is on stderr."""
    try:
        code = group.main(arguments, prog_name="avrpc", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):  # Ctrl-C before the command took the signal over
        return INTERRUPTED
    return code if isinstance(code, int) else 0
