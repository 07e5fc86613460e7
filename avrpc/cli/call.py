"""`avrpc call`: make one call, with JSON in and JSON out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import click
import trio

from avrpc import (
    AvrpcError,
    Client,
    DeclaredError,
    Kind,
    LimitExceeded,
    Message,
)
from avrpc.cli import options
from avrpc.cli.connecting import Connecting, connecting
from avrpc.cli.failures import Late, Usage, declared_failure
from avrpc.cli.lines import Items
from avrpc.cli.offered import connected_to_message
from avrpc.cli.output import Output
from avrpc.cli.parameters import read_parameters
from avrpc.cli.running import foremost, run
from avrpc.cli.values import to_json


@click.command(context_settings=options.SETTINGS, short_help="Make a call; JSON in, JSON out.")
@options.address
@click.argument("message", metavar="[PROTOCOL.]MESSAGE")
@click.argument("words", nargs=-1, metavar="[JSON | NAME=VALUE ...]")
@options.timeout
@options.metadata
@connecting
@click.option("--pretty", is_flag=True, help="Indent the JSON that is printed.")
def call(
    address: str,
    message: str,
    words: tuple[str, ...],
    timeout: float | None,
    metadata: dict[str, str],
    pretty: bool,
    connecting: Connecting,
) -> None:
    """Call MESSAGE at the server at ADDRESS, and print what it answers as JSON.

    MESSAGE alone is looked for in the server's protocols, in their order; PROTOCOL.MESSAGE, such as
    demo.Quotes.last, in that one. Parameters are one JSON object, or a NAME=VALUE for each; one
    that has a default may be left out.

    A streamed response is printed as it comes, one line for each item. The items of a streamed
    request are read from standard input, one line of JSON for each.

    \b
    Examples:
      avrpc call tcp://127.0.0.1:7000 last symbol=EURUSD
      avrpc call tcp://127.0.0.1:7000 demo.Quotes.last '{"symbol": "EURUSD"}'
      avrpc call tcp://127.0.0.1:7000 watch symbol=EURUSD | head -5
      avrpc call tcp://127.0.0.1:7000 record symbol=EURUSD < ticks.jsonl

    Bytes are base64, dates and times ISO 8601, decimals and UUIDs strings; a value of a union whose
    types JSON does not tell apart is {"type": value}.
    """  # noqa: D301 - for click, which does not wrap what follows it
    run(_Request(address, message, words, timeout, connecting, metadata, pretty).make)


@dataclass(frozen=True)
class _Request:
    """What the command line asks for."""

    address: str
    message: str
    words: Sequence[str]
    timeout: float | None
    connecting: Connecting
    metadata: Mapping[str, str]
    pretty: bool

    async def make(self) -> None:
        found = connected_to_message(self.address, self.message, self.connecting)
        async with found as (client, message):
            parameters = read_parameters(message, self.words)
            try:
                await self._call(client, message, parameters)
            except DeclaredError as error:
                raise declared_failure(message, error) from error

    async def _call(self, client: Client, message: Message, parameters: dict[str, Any]) -> None:
        try:
            bound = client[message.name].using(timeout=self.timeout, metadata=self.metadata)
        except LimitExceeded as error:
            raise Usage(str(error)) from None
        kind = message.kind
        printer = _Printer(message, pretty=self.pretty)
        if kind.streams_request and kind.streams_response:
            async with bound(**parameters) as call:
                await _both(call, _items(message), printer)
        elif kind.streams_request:
            async with bound(**parameters) as call:
                # The call's own deadline does not end the waiting for input. Then the items must
                # not be ended either, as result() does: the server would take them for all.
                with trio.move_on_after(inf if self.timeout is None else self.timeout) as scope:
                    await _send(call, _items(message))
                if scope.cancelled_caught:
                    raise Late(f"{message.name}: not all items came within {self.timeout} s")
                await printer.response(await call.result())
        elif kind.streams_response:
            async with bound(**parameters) as call:
                async for item in call:
                    await printer.item(item)
        else:
            response = await bound(**parameters)
            if kind is not Kind.ONE_WAY:
                await printer.response(response)


class _Printer:
    """Prints what a message answers."""

    def __init__(self, message: Message, *, pretty: bool) -> None:
        self._type = message.response_type
        items = message.response_items
        self._item_type = self._type if items is None else items.type
        self._pretty = pretty
        self._output = Output()

    async def response(self, value: Any) -> None:
        await self._output.put_json(to_json(self._type, value), pretty=self._pretty)

    async def item(self, value: Any) -> None:
        await self._output.put_json(to_json(self._item_type, value), pretty=self._pretty)


def _items(message: Message) -> Items:
    codec, name = message.request_items, message.streamed_parameter
    assert codec is not None
    if sys.stdin is not None and sys.stdin.isatty():
        click.echo(f"{name}: one line of JSON each; Ctrl-D ends them", err=True)
    return Items(codec, f"{message.name}.{name}[]")


async def _both(call: Any, items: Items, printer: _Printer) -> None:
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_and_end, call, items)
            async for item in call:
                await printer.item(item)
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise foremost(group) from None


async def _send_and_end(call: Any, items: Items) -> None:
    try:
        await _send(call, items)
    except LimitExceeded:
        raise  # it may be about this very item, and then the call goes on
    except AvrpcError:
        return  # what ended the call comes with the response too, after the items before it
    await call.send_eof()


async def _send(call: Any, items: Items) -> None:
    """Send items until there are no more, or the server wants none: it has answered.

    Raises:
        AvrpcError: What else ended the call; or `LimitExceeded`, an item is too large.
        Usage: A line is no item.
    """
    async for item in items:
        try:
            await call.send(item)
        except AvrpcError:  # of which some are a BrokenResourceError too
            raise
        except trio.BrokenResourceError:
            return
