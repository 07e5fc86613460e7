"""A value of each type, both ways."""

from __future__ import annotations

import struct
from typing import Any

from avrpc import Branch
from avrpc.conformance.interface import SAMPLE, SAMPLE_BYTES, everything
from avrpc.conformance.kit import Kit
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import expect

_LIST, _LIST_IN_BLOCKS = "060201d80400", "0304020102d80400"
_MAP, _MAP_IN_BLOCKS = "02066b65790a76616c756500", "0114066b65790a76616c756500"
_NAMESPACE = "avrpc.conformance"


async def _comes_back(kit: Kit, field: str, *values: Any) -> None:
    """Send values in a field, and get each back."""
    line = await kit.connect()
    for value in values:
        came = await line.call("echo", value=everything(**{field: value}))
        # By repr: NaN is not equal to itself, and 0.0 is equal to -0.0.
        expect(f"{field} of the echo", repr(value), repr(came[field]))
        expect("its other fields", everything(**{field: None}), came | {field: None})


@case("5")
async def sample_from_the_server(kit: Kit) -> None:
    """The server's own value of each type is read as the documented one."""
    line = await kit.connect()
    came = await line.call("sample")
    for name, value in SAMPLE.items():
        expect(f"{name} of the sample", value, came[name])


@case("5")
async def sample_to_the_server(kit: Kit) -> None:
    """The server reads the documented bytes of each type as the documented values."""
    line = await kit.connect_raw()
    await line.send(line.call(1, "check", value=SAMPLE_BYTES))
    wrong = line.decoded("check", await line.result(1))
    expect("the fields that differ from the sample", [], wrong)


@case("5")
async def other_values_differ(kit: Kit) -> None:
    """The server does not take every value for the documented one."""
    line = await kit.connect()
    changed = {"truth": False, "large": 1, "text": "", "point": {"x": 65, "y": -65}}
    wrong = await line.call("check", value=everything(**changed))
    expect("the fields that differ from the sample", list(changed), wrong)


@case("5")
async def value_boolean(kit: Kit) -> None:
    """A boolean: true and false."""
    await _comes_back(kit, "truth", False, True)


@case("5")
async def value_int(kit: Kit) -> None:
    """An int: the smallest, the largest, and where the encoding gets a byte longer."""
    edges = (0, -1, 63, -64, 64, -65, 8_191, 8_192, 2**20 - 1, 2**27, 2**31 - 1, -(2**31))
    await _comes_back(kit, "number", *edges)


@case("5")
async def value_long(kit: Kit) -> None:
    """A long: the smallest, the largest, and numbers that no double holds."""
    edges = (0, 2**31, -(2**31) - 1, 2**53 + 1, 2**62, 2**63 - 1, -(2**63))
    await _comes_back(kit, "large", *edges)


@case("5")
async def value_float(kit: Kit) -> None:
    """A float: zeros, infinities, NaN, the largest and the smallest."""
    (largest,) = struct.unpack("<f", bytes.fromhex("ffff7f7f"))
    (smallest,) = struct.unpack("<f", bytes.fromhex("01000000"))
    numbers = (0.0, -0.0, 1.5, float("inf"), -float("inf"), float("nan"), largest, smallest)
    await _comes_back(kit, "single", *numbers)


@case("5")
async def value_double(kit: Kit) -> None:
    """A double: zeros, infinities, NaN, the largest and the smallest."""
    numbers = (
        0.0,
        -0.0,
        0.1,
        float("inf"),
        -float("inf"),
        float("nan"),
        1.7976931348623157e308,
        5e-324,
    )
    await _comes_back(kit, "precise", *numbers)


@case("5")
async def value_bytes(kit: Kit) -> None:
    """Bytes: none, and each of the 256."""
    await _comes_back(kit, "data", b"", bytes(range(256)))


@case("5")
async def value_string(kit: Kit) -> None:
    """A string: empty, with a letter of each length in UTF-8, with a null, and long."""
    await _comes_back(kit, "text", "", "a\u00e9\u20ac\U0001f642", "a\0b", "\u00e9" * 1000)


@case("5")
async def value_enum(kit: Kit) -> None:
    """An enum: each symbol."""
    await _comes_back(kit, "color", "RED", "GREEN", "BLUE")


@case("5")
async def value_fixed(kit: Kit) -> None:
    """A fixed: four bytes."""
    await _comes_back(kit, "four", bytes(4), b"\xff\x00\xff\x00")


@case("5")
async def value_array(kit: Kit) -> None:
    """An array: empty, of one item, and of 1,000."""
    await _comes_back(kit, "list", [], [0], list(range(-500, 500)))


@case("5")
async def value_map(kit: Kit) -> None:
    """A map: empty, with an empty key, and of 100 entries."""
    many = {f"{number:03}": str(number) for number in range(100)}
    await _comes_back(kit, "map", {}, {"": ""}, many)


@case("5")
async def value_union(kit: Kit) -> None:
    """A union: each branch, also the two that are records."""
    point = Branch(f"{_NAMESPACE}.Point", {"x": 1, "y": 2})
    chain = Branch(f"{_NAMESPACE}.Chain", {"number": 3, "next": None})
    await _comes_back(kit, "choice", None, "text", 2**40, point, chain)


@case("5")
async def value_record(kit: Kit) -> None:
    """A record in a record."""
    await _comes_back(kit, "point", {"x": -(2**31), "y": 2**31 - 1})


@case("4.4")
async def value_recursive(kit: Kit) -> None:
    """A record that holds itself 40 deep."""
    chain: dict[str, Any] | None = None
    for number in range(40):
        chain = {"number": number, "next": chain}
    await _comes_back(kit, "chain", chain)


@case("5")
async def value_in_blocks(kit: Kit) -> None:
    """An array and a map in Avro's other forms: several blocks, with their sizes in bytes."""
    value = SAMPLE_BYTES.hex().replace(_LIST, _LIST_IN_BLOCKS).replace(_MAP, _MAP_IN_BLOCKS)
    line = await kit.connect_raw()
    await line.send(line.call(1, "check", value=bytes.fromhex(value)))
    wrong = line.decoded("check", await line.result(1))
    expect("the fields that differ from the sample", [], wrong)
