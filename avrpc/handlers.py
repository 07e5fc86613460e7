"""A service's methods, checked against its protocol when the server is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from keyword import iskeyword
from typing import Any

from avrpc.schema import Kind, Message, Protocol


class Style(Enum):
    """How a handler is written, and so how it is run."""

    COROUTINE = "async def"  # in the loop
    GENERATOR = "async def with yield"  # in the loop; each yield is an item of the response
    THREAD = "def"  # in a worker thread


# A method that has waited is begun at once again for one call in so many, in case it does no more.
TRY_AGAIN = 256


@dataclass(slots=True)
class Method:
    """A handler, and what is needed to call it.

    Attributes:
        message: What it handles.
        function: The handler.
        style: How it is written.
        renamed: Python's names of the parameters whose own name is a keyword, by that name.
        patience: For how many calls more it is not begun at once; see `may_begin_at_once`.
    """

    message: Message
    function: Callable[..., Any]
    style: Style
    renamed: Mapping[str, str]
    patience: int = 0
    _quick: bool = field(init=False)

    def __post_init__(self) -> None:
        self._quick = self.style is Style.COROUTINE and not (
            self.message.wire.streams_request or self.message.wire.streams_response
        )

    def may_begin_at_once(self) -> bool:
        """Whether its handler may well end without having waited, going by the last calls."""
        if self.patience:
            self.patience -= 1
            return False
        return self._quick

    def waited(self) -> None:
        """It has waited for something."""
        self.patience = TRY_AGAIN

    def agreed(self, message: Message) -> Method:
        """The same for the message as agreed with a client; this one itself, if that is the same.

        Most connections agree on the server's own messages, and then hold nothing of their own.
        """
        return self if message is self.message else replace(self, message=message)

    def arguments(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments for decoded parameters."""
        if not self.renamed:
            return parameters
        return {self.renamed.get(name, name): value for name, value in parameters.items()}


def bind_service(protocol: Protocol, service: object) -> dict[str, Method]:
    """The handler of each message, by the message's name.

    Args:
        protocol: What the service implements.
        service: An object with one method for each message, or a mapping from name to function.

    A function may be anything that takes the parameters by name: a method, a partial, an object
    with a ``__call__``, a decorated one (which counts as what it wraps). A message or a parameter
    whose name is a Python keyword has an underscore behind it.

    Raises:
        TypeError: A method is missing or does not fit; the text tells all that is wrong.
    """
    methods: dict[str, Method] = {}
    problems: list[str] = []
    for message in protocol.messages.values():
        function = _look_up(service, message.name)
        if not callable(function):
            what = "there is no such method" if function is None else f"{function!r} is no method"
            problems.append(f"{message.name}: {what}")
            continue
        style = _style(function)
        renamed = {name: f"{name}_" for name in _names(message) if iskeyword(name)}
        found = _style_problems(message, style, function)
        found += _signature_problems(message, function, renamed)
        problems += [f"{message.name}: {problem}" for problem in found]
        methods[message.name] = Method(message, function, style, renamed)
    if problems:
        kind = type(service).__name__
        if isinstance(service, type):
            kind = f"the class {service.__name__} (not an object of it)"
        raise TypeError(f"{kind} does not implement {protocol.name}: " + "; ".join(problems))
    return methods


def _look_up(service: object, name: str) -> object:
    safe = f"{name}_" if iskeyword(name) else name
    if isinstance(service, Mapping):
        return service.get(name, service.get(safe))
    return getattr(service, safe, None)


def _names(message: Message) -> list[str]:
    names = [parameter.name for parameter in message.parameters]
    if message.streamed_parameter is not None:
        names.append(message.streamed_parameter)
    return names


def _style(function: Callable[..., Any]) -> Style:
    if _is(inspect.isasyncgenfunction, function):
        return Style.GENERATOR
    wrapped: Callable[..., Any] | None = function
    while wrapped is not None:
        if _is(inspect.iscoroutinefunction, wrapped):
            return Style.COROUTINE
        # A plain wrapper hands on the awaitable, as trio would take it too. Not so for generators:
        # more wrappers of these make something else of them (asynccontextmanager).
        wrapped = getattr(_called(wrapped), "__wrapped__", None)
    return Style.THREAD


def _is(check: Callable[[object], bool], function: Callable[..., Any]) -> bool:
    return check(function) or check(_called(function))


def _called(function: Callable[..., Any]) -> Callable[..., Any]:
    """What runs when it is called: the function of a partial, the ``__call__`` of an object."""
    while isinstance(function, partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    return type(function).__call__


def _style_problems(message: Message, style: Style, function: Callable[..., Any]) -> list[str]:
    kind = message.kind
    if kind.streams_response and style is not Style.GENERATOR:
        return [f"streams its response, so it must be an async generator, not '{style.value}'"]
    if style is Style.GENERATOR and not kind.streams_response:
        return ["an async generator, though its response is not streamed"]
    if style is Style.THREAD and kind not in (Kind.UNARY, Kind.ONE_WAY):
        return ["streams, so it must be 'async def'"]
    if _is(inspect.isgeneratorfunction, function):
        return ["a generator, though its response is not streamed"]
    return []


def _signature_problems(
    message: Message, function: Callable[..., Any], renamed: Mapping[str, str]
) -> list[str]:
    """How the handler's parameters differ from the message's, which are passed by name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a C function tells nothing: it will see when it is called
        return []
    expected = [renamed.get(name, name) for name in _names(message)]
    problems = [f"has two parameters {n!r}" for n in renamed.values() if expected.count(n) > 1]
    takes_all = False
    for name, parameter in parameters.items():
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        takes_all |= parameter.kind is parameter.VAR_KEYWORD
        if by_name and name in expected:
            expected.remove(name)
        elif by_name and parameter.default is parameter.empty:
            problems.append(f"wants a parameter {name!r}, which the message does not have")
        elif parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            problems.append(f"wants a parameter {name!r} that can't be passed by name")
    if not takes_all:
        problems += [f"takes no parameter {name!r}" for name in expected]
    return problems
