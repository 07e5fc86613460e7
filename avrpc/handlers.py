"""A service's methods, checked against its protocol when the server is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from keyword import iskeyword
from typing import Any

from avrpc.schema import Kind, Message, Protocol


class Style(Enum):
    """How a handler is written, and so how it is run."""

    COROUTINE = "async def"  # in the loop
    GENERATOR = "async def with yield"  # in the loop; each yield is an item of the response
    THREAD = "def"  # in a worker thread


@dataclass(frozen=True, slots=True)
class Method:
    """A handler, and what is needed to call it.

    Attributes:
        message: What it handles.
        function: The handler.
        style: How it is written.
        renamed: Python's names of the parameters whose own name is a keyword, by that name.
    """

    message: Message
    function: Callable[..., Any]
    style: Style
    renamed: Mapping[str, str]

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

    Raises:
        TypeError: A method is missing or does not fit; the text tells all that is wrong.
    """
    methods: dict[str, Method] = {}
    problems: list[str] = []
    for message in protocol.messages.values():
        function = _look_up(service, message.name)
        if function is None:
            problems.append(f"{message.name}: there is no such method")
            continue
        style = _style(function)
        renamed = {name: f"{name}_" for name in _names(message) if iskeyword(name)}
        found = [*_style_problems(message, style), *_signature_problems(message, function, renamed)]
        problems += [f"{message.name}: {problem}" for problem in found]
        methods[message.name] = Method(message, function, style, renamed)
    if problems:
        kind = type(service).__name__
        raise TypeError(f"{kind} does not implement {protocol.name}: " + "; ".join(problems))
    return methods


def _look_up(service: object, name: str) -> Callable[..., Any] | None:
    name = f"{name}_" if iskeyword(name) else name
    found = service.get(name) if isinstance(service, Mapping) else getattr(service, name, None)
    return found if callable(found) else None


def _names(message: Message) -> list[str]:
    names = [parameter.name for parameter in message.parameters]
    if message.streamed_parameter is not None:
        names.append(message.streamed_parameter)
    return names


def _style(function: Callable[..., Any]) -> Style:
    if inspect.isasyncgenfunction(function):
        return Style.GENERATOR
    if inspect.iscoroutinefunction(function):
        return Style.COROUTINE
    return Style.THREAD


def _style_problems(message: Message, style: Style) -> list[str]:
    kind = message.kind
    if kind.streams_response and style is not Style.GENERATOR:
        return [f"streams its response, so it must be an async generator, not '{style.value}'"]
    if style is Style.GENERATOR and not kind.streams_response:
        return ["an async generator, though its response is not streamed"]
    if style is Style.THREAD and kind not in (Kind.UNARY, Kind.ONE_WAY):
        return ["streams, so it must be 'async def'"]
    return []


def _signature_problems(
    message: Message, function: Callable[..., Any], renamed: Mapping[str, str]
) -> list[str]:
    """How the handler's parameters differ from the message's, which are passed by name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a C function tells nothing: it will see when it is called
        return []
    kinds = {parameter.kind for parameter in parameters.values()}
    expected = [renamed.get(name, name) for name in _names(message)]
    problems = []
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        problems += [f"takes no parameter {n!r}" for n in expected if n not in parameters]
    for name, parameter in parameters.items():
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            problems.append(f"parameter {name!r} can't be passed by name")
        elif (
            name not in expected
            and parameter.default is inspect.Parameter.empty
            and parameter.kind
            not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        ):
            problems.append(f"wants a parameter {name!r}, which the message does not have")
    return problems
