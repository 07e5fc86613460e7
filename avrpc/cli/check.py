"""`avrpc check`: what is wrong with interface files, and what a change to them breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from avrpc.cli import options
from avrpc.cli.compared import ADDED, BOTH, Compared, compare_versions, compare_with_server, report
from avrpc.cli.connecting import Connecting, connecting
from avrpc.cli.failures import Usage
from avrpc.cli.offered import pick_protocol
from avrpc.cli.output import Output
from avrpc.cli.running import run
from avrpc.cli.tables import show_compared
from avrpc.cli.versions import GIT, Version, is_address, read_folder, read_git, reading_server
from avrpc.schema.negotiation import Negotiation


@click.command(context_settings=options.SETTINGS, short_help="Check interface files.")
@click.argument("folder")
@click.option(
    "--against",
    metavar="OTHER",
    help="Compare with an older version: a folder, git:REVISION or a running server's address.",
)
@click.option(
    "--protocol",
    "wanted",
    multiple=True,
    metavar="PROTOCOL",
    help="Compare only this one, by its full name or the last part of it. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; docs/check.md has its keys.")
@connecting
def check(
    folder: str,
    against: str | None,
    wanted: tuple[str, ...],
    as_json: bool,
    connecting: Connecting,
) -> None:
    """Check the interface files in FOLDER, and with --against what their change breaks.

    Alone it prints every problem of every file, one on a line as "file: path: problem".

    With --against, FOLDER is the new version and OTHER the old one: a folder, the same folder at a
    revision of its git repository, or what a server at an address (tcp://..., tls://...,
    unix://...) has. For every message it prints whether old clients can call a new server, and new
    clients an old one; for a server, whether clients of FOLDER can call it.

    The exit code is 1 for a problem, and where something breaks: a message that is partial (some
    values do not arrive), incompatible or missing. What is only added breaks nothing.

    \b
    Examples:
      avrpc check schemas
      avrpc check schemas --against git:main
      avrpc check schemas --against git:v1.2 --json
      avrpc check schemas --against tcp://127.0.0.1:7000 --protocol demo.Quotes
    """  # noqa: D301 - for click, which does not wrap what follows it
    if wanted and against is None:
        raise Usage("--protocol: chooses what is compared, so it needs --against")
    if against is not None and is_address(against):
        options.check_address(against)
    asked = _Check(folder, against, wanted, connecting, as_json=as_json)
    run(asked.make)
    if not asked.fine:
        raise click.exceptions.Exit(1)


class _Check:
    """What the command line asks for.

    Attributes:
        fine: Whether nothing is wrong and nothing breaks, once it was made.
    """

    def __init__(
        self,
        folder: str,
        against: str | None,
        wanted: Sequence[str],
        connecting: Connecting,
        *,
        as_json: bool,
    ) -> None:
        self._folder = folder
        self._against = against
        self._wanted = wanted
        self._connecting = connecting
        self._as_json = as_json
        self.fine = True

    async def make(self) -> None:
        output = Output()
        new = read_folder(self._folder)
        if new.problems:
            await self._show_problems(new, output)
        elif self._against is None:
            await self._show_contents(new, output)
        elif is_address(self._against):
            compared = await self._compare_with_server(new, self._against)
            await self._show(compared, output)
        else:
            old = await self._read_old(self._against)
            if old.problems:
                await self._show_problems(old, output)
            else:
                chosen = self._choose({*new.protocols, *old.protocols})
                every = compare_versions(new.protocols, old.protocols)
                await self._show([one for one in every if one.name in chosen], output)

    async def _read_old(self, against: str) -> Version:
        if against.startswith(GIT):
            return await read_git(self._folder, against)
        try:
            return read_folder(against)
        except Usage as error:
            host, _, port = against.rpartition(":")
            is_server = host and port.isdigit()
            hint = f"a server is tcp://{against}" if is_server else f"a revision is {GIT}{against}"
            raise Usage(f"--against {error}; {hint}") from None

    async def _compare_with_server(self, new: Version, address: str) -> list[Compared]:
        async with reading_server(address, self._connecting) as (offered, read):
            chosen = self._choose({*new.protocols, *offered})
            common = [name for name in offered if name in new.protocols and name in chosen]
            found = {name: Negotiation(new.protocols[name], await read(name)) for name in common}
        every = compare_with_server(new.protocols, offered, found)
        return [one for one in every if one.name in chosen]

    def _choose(self, names: set[str]) -> set[str]:
        if not self._wanted:
            return names
        return {pick_protocol(one, sorted(names), "the two versions have") for one in self._wanted}

    async def _show_problems(self, version: Version, output: Output) -> None:
        self.fine = False
        if self._as_json:
            await self._put_json([], output, version)
            return
        for problem in version.problems:
            await output.put_line(str(problem).replace("\n", "\\n"))

    async def _show_contents(self, version: Version, output: Output) -> None:
        if self._as_json:
            protocols = [
                {"name": name, "messages": [{"name": message} for message in protocol.messages]}
                for name, protocol in version.protocols.items()
            ]
            await self._put_json(protocols, output)
            return
        listed = ", ".join(
            f"{name} ({_count(len(protocol.messages), 'message')})"
            for name, protocol in version.protocols.items()
        )
        counts = _count(version.files, "file"), _count(len(version.protocols), "protocol")
        await output.put_line(
            f"{version.where}: {', '.join(counts)}, no problems; {listed or 'only types'}"
        )

    async def _show(self, compared: list[Compared], output: Output) -> None:
        self.fine = not any(one.breaks for one in compared)
        if self._as_json:
            await self._put_json([one.json() for one in compared], output)
            return
        assert self._against is not None
        at_server = is_address(self._against)
        if at_server:
            line = f"can clients of {self._folder} call the server at {self._against}?"
        else:
            line = f"{self._folder} (new) against {self._against} (old)"
        await output.put_line(line)
        for one in compared:
            await output.put_line()
            await show_compared(one, output, at_server=at_server)
        await output.put_line()
        await output.put_line(*_summary(compared))

    async def _put_json(
        self, protocols: list[Any], output: Output, bad: Version | None = None
    ) -> None:
        problems = [asdict(one) for one in (bad.problems if bad else ())]
        made = report(self._folder, self._against, protocols, problems, ok=self.fine)
        await output.put_json(made, pretty=True)


def _summary(compared: Sequence[Compared]) -> Sequence[tuple[str, str]]:
    messages = [message for one in compared for message in one.messages]
    bad = sum(message.breaks for message in messages)
    lost = [one for one in compared if one.status != BOTH and one.breaks]
    words = [f"{bad} of {_count(len(messages), 'message')}"] if bad else []
    if lost:
        kind = "missing" if lost[0].status == ADDED else "removed"
        words.append(f"{_count(len(lost), 'protocol')} {kind}")
    if words:
        return [(f"breaks: {', '.join(words)}", "bold red")]
    common = sum(one.status == BOTH for one in compared)
    counts = _count(len(messages), "message"), _count(common, "protocol")
    return [(f"nothing breaks: compared {' in '.join(counts)}", "green")]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
