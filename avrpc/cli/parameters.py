"""Reading a call's parameters from the words of a command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from avrpc import InvalidValue, Message, SchemaError
from avrpc.cli.failures import Usage
from avrpc.cli.values import check, from_json
from avrpc.schema.fit import At, quote
from avrpc.schema.names import suggest
from avrpc.schema.strictjson import read_json
from avrpc.schema.types import Type


def read_parameters(message: Message, words: Sequence[str]) -> dict[str, Any]:
    """Read parameters given as one JSON object, or as words such as ``symbol=EURUSD``.

    The value of such a word is taken as it is where the parameter is a string; else as JSON where
    it is JSON that fits, and as a JSON string where it is not: ``price=1.5``, ``at=2026-11-21``,
    ``tags=["a", "b"]``.

    Raises:
        Usage: The words are no such thing, or a value does not fit.
    """
    try:
        if len(words) == 1 and words[0].lstrip().startswith("{"):
            parameters = _from_object(message, words[0])
        else:
            parameters = _from_words(message, words)
        message.request.encode(parameters)
    except InvalidValue as error:
        raise Usage(str(error)) from None
    return parameters


def _from_object(message: Message, text: str) -> dict[str, Any]:
    try:
        json = read_json(text, "the parameters")
    except SchemaError as error:
        raise Usage(str(error)) from None
    # One that is not there is passed on: the codec's error names those that are.
    _refuse_streamed(message, json)
    types = _types(message)
    at = At(message.name)
    return {
        name: from_json(types[name], value, at.field(name)) if name in types else value
        for name, value in json.items()
    }


def _from_words(message: Message, words: Sequence[str]) -> dict[str, Any]:
    types = _types(message)
    at = At(message.name)
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise Usage(
                f"expected NAME=VALUE for each parameter, or one JSON object, got {quote(word)}"
            )
        if name in found:
            raise Usage(f"parameter {name!r} is there twice")
        _refuse_streamed(message, [name])
        if name not in types:
            guess = suggest(name, types) or (f"; there is {', '.join(types)}" if types else "")
            raise Usage(f"{message.name}: no parameter {name!r}{guess}")
        found[name] = _from_word(types[name], text, at.field(name))
    return found


def _from_word(of: Type, text: str, at: At) -> Any:
    if of.kind == "string":
        return from_json(of, text, at)
    try:
        json = read_json(text)
    except SchemaError:
        return _fitting(of, text, at)
    try:
        return _fitting(of, json, at)
    except InvalidValue as wrong:
        # 12 may stand for the text "12", and then the error is about what was meant.
        try:
            return _fitting(of, text, at)
        except InvalidValue:
            raise wrong from None


def _fitting(of: Type, json: Any, at: At) -> Any:
    value = from_json(of, json, at)
    check(of, value, at)
    return value


def _types(message: Message) -> dict[str, Type]:
    return {parameter.name: parameter.type for parameter in message.parameters}


def _refuse_streamed(message: Message, names: Iterable[str]) -> None:
    name = message.streamed_parameter
    if name is not None and name in names:
        raise Usage(f"{message.name}: {name!r} is streamed: it is read from standard input")
