"""`avrpc describe`: what a server offers, from the handshake alone."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from avrpc import Message, Protocol
from avrpc.cli import options
from avrpc.cli.compared import compare_with_server, report
from avrpc.cli.connecting import Connecting, connecting
from avrpc.cli.failures import Usage
from avrpc.cli.offered import pick_protocol
from avrpc.cli.output import Output, json_text, printable
from avrpc.cli.running import run
from avrpc.cli.tables import show_compared
from avrpc.cli.values import to_json
from avrpc.cli.versions import Version, read_protocols
from avrpc.schema import Parameter
from avrpc.schema.types import Array, Enum, Field, Fixed, Named, Type

_NAME = "bold"
_TYPE = "cyan"
_WORD = "dim"
_DOC = "green"
_WIDE = 72  # characters of parameters; more of them stand on a line each


@click.command(context_settings=options.SETTINGS, short_help="Show what a server offers.")
@options.address
@click.argument("protocol", required=False)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the protocol's text instead, to be saved as an .avpr file; with --with, verdicts.",
)
@click.option(
    "--with",
    "folder",
    metavar="FOLDER",
    help="Show instead how the server's protocols fit those of the interface files in FOLDER.",
)
@connecting
def describe(
    address: str,
    protocol: str | None,
    as_json: bool,
    folder: str | None,
    connecting: Connecting,
) -> None:
    """Show the protocols of the server at ADDRESS: messages, types and docs.

    All of its protocols are shown, or only PROTOCOL, by its full name or the last part of it; with
    --json only one, the server's first if none is named.

    With --with it connects as a client that has its own version of them, and shows the verdict on
    every message; --json then prints the same keys as that of avrpc check (docs/check.md).

    \b
    Examples:
      avrpc describe tcp://127.0.0.1:7000
      avrpc describe unix:///run/quotes.sock demo.Quotes --json > schemas/quotes.avpr
      avrpc describe tcp://127.0.0.1:7000 --with schemas
    """  # noqa: D301 - for click, which does not wrap what follows it
    if folder is not None:
        own = read_protocols(folder)

        async def negotiate() -> None:
            await _show_negotiation(address, protocol, connecting, own, as_json=as_json)

        run(negotiate)
        return

    async def show() -> None:
        output = Output()
        async with connecting.to(address) as client:
            offered, first = client.protocols, client.protocol
        names = [pick_protocol(protocol, offered)] if protocol else list(offered)
        if as_json:
            names = names[:1]
        for number, name in enumerate(names):
            found = first
            if name != first.name:
                async with connecting.to(address, name) as client:
                    found = client.protocol
            if as_json:
                await output.put_json(json.loads(found.text), pretty=True)
                continue
            if number:
                await output.put_line()
            await _show(found, output)
        if as_json and not protocol and len(offered) > 1:
            also = printable(", ".join(offered[1:]))
            click.echo(f"avrpc: it also offers {also}", err=True)

    run(show)


async def _show_negotiation(
    address: str,
    wanted: str | None,
    connecting: Connecting,
    own: Version,
    *,
    as_json: bool,
) -> None:
    output = Output()
    async with connecting.to(address) as client:
        offered = client.protocols
    names = [pick_protocol(wanted, offered)] if wanted else list(offered)
    common = [name for name in names if name in own.protocols]
    if not common:
        raise Usage(f"{own.where} has no protocol of the server's, which offers {', '.join(names)}")
    found = {}
    for name in common:
        async with connecting.to(address, own.protocols[name]) as client:
            found[name] = client.negotiation
    compared = list(compare_with_server([] if wanted else own.protocols, names, found))
    if as_json:
        ok = not any(one.breaks for one in compared)
        made = report(own.where, address, (one.json() for one in compared), ok=ok)
        await output.put_json(made, pretty=True)
        return
    for number, one in enumerate(compared):
        if number:
            await output.put_line()
        await show_compared(one, output, at_server=True)


async def _show(protocol: Protocol, output: Output) -> None:
    await output.put_line("protocol ", (protocol.name, _NAME))
    await _show_doc(protocol.doc, "  ", output)
    for message in protocol.messages.values():
        await output.put_line()
        await _show_message(message, output)
    for one in protocol.types.values():
        await output.put_line()
        await _show_type(one, protocol.namespace, output)


async def _show_message(message: Message, output: Output) -> None:
    parameters = list(_parameters(message))
    words = ", ".join(parameters)
    if len(words) > _WIDE:
        words = "".join(f"\n      {one}," for one in parameters).rstrip(",") + "\n  "
    spans: list[str | tuple[str, str]] = ["  ", (message.name, _NAME), f"({words})"]
    response = message.response_type
    if message.kind.streams_response:
        spans += [" -> ", (_streamed(response), _TYPE)]
    elif response.kind != "null":
        spans += [" -> ", (str(response), _TYPE)]
    kind = f"{message.kind}, idempotent" if message.idempotent else str(message.kind)
    await output.put_line(*spans, "    ", (kind, _WORD))
    await _show_doc(message.doc, "    ", output)
    for parameter in message.parameters:
        if parameter.doc:
            await _show_doc(f"{parameter.name}: {parameter.doc}", "    ", output)
    if message.errors:
        await output.put_line("    ", ("throws ", _WORD), ", ".join(map(str, message.error_types)))


def _parameters(message: Message) -> Iterable[str]:
    for parameter in message.parameters:
        yield f"{parameter.type} {parameter.name}{_default(parameter)}"
    if message.streamed_parameter is not None:
        field = message.request_type.fields[-1]
        yield f"{_streamed(field.type)} {field.name}"


def _streamed(of: Type) -> str:
    assert isinstance(of, Array)
    return f"stream of {of.items}"


def _default(of: Parameter | Field) -> str:
    if not of.has_default:
        return ""
    value = of.default if isinstance(of, Parameter) else of.make_default()
    return f" = {json_text(to_json(of.type, value))}"


async def _show_type(one: Named, namespace: str, output: Output) -> None:
    near = namespace and one.name.startswith(f"{namespace}.")
    name = (one.name.removeprefix(f"{namespace}.") if near else one.name, _NAME)
    if isinstance(one, Enum):
        default = f" = {one.default}" if one.default is not None else ""
        await output.put_line("  enum ", name, f" {{{', '.join(one.symbols)}}}{default}")
    elif isinstance(one, Fixed):
        logical = f", {one.logical}" if one.logical else ""
        await output.put_line("  fixed ", name, f" ({one.size} bytes{logical})")
    else:
        await output.put_line(f"  {one.kind} ", name)
    await _show_doc(one.doc, "    ", output)
    for field in one.fields if not isinstance(one, Enum | Fixed) else ():
        await output.put_line("    ", (str(field.type), _TYPE), f" {field.name}{_default(field)}")
        await _show_doc(field.doc, "      ", output)


async def _show_doc(doc: str, margin: str, output: Output) -> None:
    for line in doc.strip().splitlines():
        await output.put_line(*((margin, (line.strip(), _DOC)) if line.strip() else ()))
