"""The command line: `avrpc serve`, `describe`, `call`, `check` and `demo`.

    app                  the group of commands; each is imported when it is asked for
    serve, describe, call, check, demo        one command each
    offered, parameters, options       what the words of a command line mean
    versions, revision   interfaces of a folder, a git revision or a server
    compared, tables     how two versions of them fit: as data, and as tables
    values               values to JSON and back, by their type
    lines, output        standard input and standard output
    running, failures    how a command ends: signals, exit codes, one line on what went wrong

It needs click, and for colours on a terminal rich: the extra ``cli``.
"""

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and give its exit code; without arguments, that of the process."""
    try:
        from avrpc.cli.app import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print("avrpc: click is missing: pip install 'avrpc[cli]'", file=sys.stderr)
        return 2
    return run(arguments)
