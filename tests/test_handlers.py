import functools
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any, Self
from unittest.mock import AsyncMock, Mock

import pytest

from avrpc.handlers import Method, Style, bind_service
from avrpc.schema import Protocol

Service = dict[str, Any]

INTS = {"type": "array", "items": "int"}
SYMBOL = {"name": "symbol", "type": "string"}

MESSAGES: dict[str, dict[str, Any]] = {
    "unary": {"request": [SYMBOL], "response": "int"},
    "note": {"request": [SYMBOL], "response": "null", "one-way": True},
    "watch": {"request": [SYMBOL], "response": INTS, "stream": "response"},
    "record": {
        "request": [SYMBOL, {"name": "ticks", "type": INTS}],
        "response": "int",
        "stream": "request",
    },
    "convert": {"request": [{"name": "ticks", "type": INTS}], "response": INTS, "stream": "both"},
}


def protocol(**messages: Any) -> Protocol:
    return Protocol.parse(json.dumps({"protocol": "demo.Desk", "messages": messages}))


def bind(message: str, function: object) -> Method:
    """Bind the one message of that name."""
    methods = bind_service(protocol(**{message: MESSAGES[message]}), {message: function})
    assert list(methods) == [message]
    return methods[message]


def problems(message: str, function: object) -> list[str]:
    with pytest.raises(TypeError) as raised:
        bind(message, function)
    text = str(raised.value).removeprefix("dict does not implement demo.Desk: ")
    return [problem.removeprefix(f"{message}: ") for problem in text.split("; ")]


# Handlers, by how they are written. All take the symbol.


async def coroutine(symbol: str) -> int:
    return len(symbol)


def plain(symbol: str) -> int:
    return len(symbol)


async def generator(symbol: str) -> AsyncGenerator[int, None]:
    yield len(symbol)


def plain_generator(symbol: str) -> Generator[int, None, None]:
    yield len(symbol)


class Methods:
    """A method of each sort."""

    async def coroutine(self, symbol: str) -> int:
        return len(symbol)

    @staticmethod
    async def static(symbol: str) -> int:
        return len(symbol)

    @classmethod
    async def of_class(cls, symbol: str) -> int:
        return len(symbol)

    def plain(self, symbol: str) -> int:
        return len(symbol)

    async def generator(self, symbol: str) -> AsyncGenerator[int, None]:
        yield len(symbol)

    async def with_more(self, factor: int, symbol: str) -> int:
        return factor * len(symbol)

    partial = functools.partialmethod(with_more, 2)


class AsyncCallable:
    async def __call__(self, symbol: str) -> int:
        return len(symbol)


class PlainCallable:
    def __call__(self, symbol: str) -> int:
        return len(symbol)


class GeneratorCallable:
    async def __call__(self, symbol: str) -> AsyncGenerator[int, None]:
        yield len(symbol)


class Length(int):
    """A class: calling it gives an object."""

    def __new__(cls, symbol: str) -> Self:
        return super().__new__(cls, len(symbol))


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that hands on whatever it wraps gives."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def awaited(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A decorator that is made for async functions."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


async def extra(factor: int, symbol: str, *, scale: int = 1) -> int:
    return factor * scale * len(symbol)


async def takes_all(**parameters: Any) -> int:
    return len(parameters["symbol"])


async def takes_more(symbol: str, limit: int = 3, *rest: int, scale: int = 1, **more: int) -> int:
    return len(symbol)


async def by_name_alone(*, symbol: str) -> int:
    return len(symbol)


async def positional_default(cache: int = 0, /, symbol: str = "") -> int:
    return len(symbol)


METHODS = Methods()
MOCK = AsyncMock(return_value=3)

COROUTINES: dict[str, Callable[..., Any]] = {
    "function": coroutine,
    "method": METHODS.coroutine,
    "static method": METHODS.static,
    "static method of the class": Methods.static,
    "class method": METHODS.of_class,
    "partial": functools.partial(extra, 1),
    "partial by name": functools.partial(extra, factor=1, scale=1),
    "partial of a partial": functools.partial(functools.partial(extra, 1), scale=1),
    "partial that has the parameter": functools.partial(coroutine, symbol="abc"),
    "partial of a method": functools.partial(METHODS.with_more, 1),
    "partial of an object": functools.partial(AsyncCallable()),
    "partial method": functools.partial(METHODS.partial),
    "object": AsyncCallable(),
    "its __call__": AsyncCallable().__call__,
    "mock": MOCK,
    "decorated for async": awaited(coroutine),
    "decorated": counted(coroutine),
    "decorated twice": counted(awaited(counted(coroutine))),
    "decorated method": counted(METHODS.coroutine),
    "decorated object": counted(AsyncCallable()),
    "decorated partial": counted(functools.partial(extra, 1)),
    "partial of a decorated": functools.partial(counted(extra), 1),
    "**kwargs": takes_all,
    "with more parameters": takes_more,
    "keyword only": by_name_alone,
    "with an optional positional": positional_default,
}


@pytest.mark.parametrize("name", COROUTINES)
async def test_async_function_of_any_make_runs_in_the_loop(name: str) -> None:
    method = bind("unary", COROUTINES[name])
    assert method.style is Style.COROUTINE
    assert await method.function(**method.arguments({"symbol": "abc"})) in (3, 6)


PLAIN: dict[str, Callable[..., Any]] = {
    "function": plain,
    "lambda": lambda symbol: 3,
    "method": METHODS.plain,
    "partial": functools.partial(plain),
    "object": PlainCallable(),
    "class": Length,
    "decorated": counted(plain),
    "cached": functools.cache(plain),
    "mock": Mock(return_value=3),
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("message", ["unary", "note"])
def test_plain_function_of_any_make_runs_in_a_thread(message: str, name: str) -> None:
    method = bind(message, PLAIN[name])
    assert method.style is Style.THREAD
    assert method.function(**method.arguments({"symbol": "abc"})) == 3


GENERATORS: dict[str, Callable[..., Any]] = {
    "function": generator,
    "method": METHODS.generator,
    "partial": functools.partial(generator),
    "object": GeneratorCallable(),
    "partial of an object": functools.partial(GeneratorCallable()),
}


@pytest.mark.parametrize("name", GENERATORS)
async def test_async_generator_of_any_make_streams(name: str) -> None:
    method = bind("watch", GENERATORS[name])
    assert method.style is Style.GENERATOR
    assert [item async for item in method.function(**method.arguments({"symbol": "abc"}))] == [3]


def test_function_that_tells_no_signature_is_taken_as_it_is() -> None:
    class Opaque:  # as many a C function is
        __signature__ = "none"

        def __call__(self) -> int:
            return 0

    assert bind("unary", Opaque()).style is Style.THREAD


# Messages of each kind, and how their handlers may be written.


async def record(symbol: str, ticks: AsyncIterator[int]) -> int:
    return 0


def record_in_thread(symbol: str, ticks: AsyncIterator[int]) -> int:
    return 0


async def record_and_yield(symbol: str, ticks: AsyncIterator[int]) -> AsyncGenerator[int, None]:
    yield 0


async def convert(ticks: AsyncIterator[int]) -> AsyncGenerator[int, None]:
    yield 0


async def convert_at_once(ticks: AsyncIterator[int]) -> list[int]:
    return []


STREAMS = "streams its response, so it must be an async generator, not "
NOT_STREAMED = "an async generator, though its response is not streamed"
GENERATES = "a generator, though its response is not streamed"

STYLES: list[tuple[str, Callable[..., Any], str | None]] = [
    ("unary", coroutine, None),
    ("unary", plain, None),
    ("unary", generator, NOT_STREAMED),
    ("unary", GeneratorCallable(), NOT_STREAMED),
    ("unary", plain_generator, GENERATES),
    ("unary", functools.partial(plain_generator), GENERATES),
    ("note", coroutine, None),
    ("note", plain, None),
    ("note", generator, NOT_STREAMED),
    ("note", plain_generator, GENERATES),
    ("watch", generator, None),
    ("watch", coroutine, f"{STREAMS}'async def'"),
    ("watch", plain, f"{STREAMS}'def'"),
    ("watch", plain_generator, f"{STREAMS}'def'"),
    ("watch", asynccontextmanager(generator), f"{STREAMS}'def'"),
    ("watch", counted(generator), f"{STREAMS}'def'"),
    ("record", record, None),
    ("record", record_in_thread, "streams, so it must be 'async def'"),
    ("record", record_and_yield, NOT_STREAMED),
    ("convert", convert, None),
    ("convert", convert_at_once, f"{STREAMS}'async def'"),
]


@pytest.mark.parametrize(("message", "function", "problem"), STYLES)
def test_handler_is_written_as_its_kind_of_message_asks(
    message: str, function: Callable[..., Any], problem: str | None
) -> None:
    if problem is None:
        assert bind(message, function).function is function
    else:
        assert problems(message, function) == [problem]


# Parameters, which are passed by name.


async def other_name(name: str) -> int:
    return 0


async def one_more(symbol: str, depth: int) -> int:
    return 0


async def positional(symbol: str, /) -> int:
    return 0


async def positional_beside_all(symbol: str, /, **others: Any) -> int:
    return 0


async def swallowed(*symbol: str) -> int:
    return 0


async def nothing() -> int:
    return 0


async def record_without_items(symbol: str) -> int:
    return 0


PARAMETERS: list[tuple[str, Callable[..., Any], list[str]]] = [
    ("unary", nothing, ["takes no parameter 'symbol'"]),
    (
        "unary",
        other_name,
        [
            "wants a parameter 'name', which the message does not have",
            "takes no parameter 'symbol'",
        ],
    ),
    ("unary", one_more, ["wants a parameter 'depth', which the message does not have"]),
    (
        "unary",
        positional,
        ["wants a parameter 'symbol' that can't be passed by name", "takes no parameter 'symbol'"],
    ),
    (
        "unary",
        positional_beside_all,
        ["wants a parameter 'symbol' that can't be passed by name"],
    ),
    ("unary", swallowed, ["takes no parameter 'symbol'"]),
    ("unary", functools.partial(coroutine, "X"), ["takes no parameter 'symbol'"]),
    ("unary", Methods.coroutine, ["wants a parameter 'self', which the message does not have"]),
    ("unary", counted(other_name), problems("unary", other_name)),
    ("record", record_without_items, ["takes no parameter 'ticks'"]),
]


@pytest.mark.parametrize(("message", "function", "found"), PARAMETERS)
def test_parameters_that_do_not_fit_are_told_by_name(
    message: str, function: Callable[..., Any], found: list[str]
) -> None:
    assert problems(message, function) == found


KEYWORDS = {
    "import": {
        "request": [{"name": "from", "type": "string"}, {"name": "to", "type": "string"}],
        "response": "string",
    },
    "lambda": {
        "request": [{"name": "None", "type": "int"}, {"name": "class", "type": INTS}],
        "response": "null",
        "stream": "request",
    },
}


class Keywords:
    async def import_(self, from_: str, to: str) -> str:
        return f"{from_} {to}"

    async def lambda_(self, None_: int, class_: AsyncIterator[int]) -> None:  # noqa: N803
        pass


@pytest.mark.parametrize(
    "service",
    [
        Keywords(),
        {"import_": Keywords().import_, "lambda_": Keywords().lambda_},
        {"import": Keywords().import_, "lambda": Keywords().lambda_},
    ],
    ids=["object", "mapping", "mapping by the names themselves"],
)
async def test_names_that_are_keywords_take_an_underscore(service: object) -> None:
    methods = bind_service(protocol(**KEYWORDS), service)
    assert methods["lambda"].renamed == {"None": "None_", "class": "class_"}
    method = methods["import"]
    arguments = method.arguments({"from": "a", "to": "b"})
    assert arguments == {"from_": "a", "to": "b"}
    assert await method.function(**arguments) == "a b"


def test_keyword_and_its_escape_as_two_parameters_are_told() -> None:
    fields = [{"name": "from", "type": "int"}, {"name": "from_", "type": "int"}]
    desk = protocol(move={"request": fields, "response": "null"})
    with pytest.raises(TypeError, match="move: has two parameters 'from_'"):
        bind_service(desk, {"move": takes_all})


def test_arguments_are_the_parameters_themselves_where_none_is_renamed() -> None:
    parameters = {"symbol": "X"}
    assert bind("unary", coroutine).arguments(parameters) is parameters


# Services.


class Desk:
    async def unary(self, symbol: str) -> int:
        return 0

    def note(self, symbol: str) -> None:
        pass

    async def watch(self, symbol: str) -> AsyncGenerator[int, None]:
        yield 0

    record = staticmethod(record)
    convert = staticmethod(convert)

    def not_in_the_protocol(self) -> None:
        pass


FUNCTIONS: Service = {
    "unary": coroutine,
    "note": plain,
    "watch": generator,
    "record": record,
    "convert": convert,
    "other": None,
}


@pytest.mark.parametrize("service", [Desk(), FUNCTIONS], ids=["object", "mapping"])
def test_service_has_a_handler_for_each_message(service: object) -> None:
    desk = protocol(**MESSAGES)
    methods = bind_service(desk, service)
    assert {name: method.message for name, method in methods.items()} == desk.messages
    assert [method.style.name for method in methods.values()] == [
        "COROUTINE",
        "THREAD",
        "GENERATOR",
        "COROUTINE",
        "GENERATOR",
    ]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    class Wrong:
        unary = 5

        async def note(self) -> None:
            pass

        def watch(self, name: str) -> None:
            pass

        convert = staticmethod(convert_at_once)

    with pytest.raises(TypeError) as raised:
        bind_service(protocol(**MESSAGES), Wrong())
    assert str(raised.value) == (
        "Wrong does not implement demo.Desk: "
        "unary: 5 is no method; "
        "note: takes no parameter 'symbol'; "
        f"watch: {STREAMS}'def'; "
        "watch: wants a parameter 'name', which the message does not have; "
        "watch: takes no parameter 'symbol'; "
        "record: there is no such method; "
        f"convert: {STREAMS}'async def'"
    )


@pytest.mark.parametrize(
    ("service", "name"),
    [
        (None, "NoneType"),
        ({}, "dict"),
        (object(), "object"),
        (Desk, "the class Desk (not an object of it)"),
    ],
)
def test_service_that_is_none_is_told_by_its_type(service: object, name: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"{name} does not implement demo.Desk: unary: ")):
        bind_service(protocol(**MESSAGES), service)


def test_protocol_without_messages_is_implemented_by_anything() -> None:
    assert bind_service(protocol(), None) == {}


def test_method_is_the_same_for_the_message_itself_and_another_for_another_version() -> None:
    method = bind("unary", coroutine)
    assert method.agreed(method.message) is method
    other = protocol(unary=MESSAGES["unary"]).messages["unary"]
    agreed = method.agreed(other)
    assert agreed.message is other
    assert agreed.function is method.function
