from __future__ import annotations

import struct
from typing import Any

import pytest
from trio.testing import MockClock

from avrpc import Branch
from avrpc.conformance.interface import SAMPLE
from tests.conformance.desk import Serve, fails, handling, mute, names, table


@pytest.mark.parametrize("name", names("values"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def echoing(field: str, change: Any) -> Serve:
    """Changes what comes in one field of `echo`."""

    async def echo(service: Any, value: dict[str, Any]) -> dict[str, Any]:
        return value | {field: change(value[field])}

    return handling(echo=echo)


def ints_of_16_bits() -> Serve:
    return echoing("number", lambda number: (number + 2**15) % 2**16 - 2**15)


def longs_by_way_of_double() -> Serve:
    return echoing("large", lambda number: min(int(float(number)), 2**63 - 1))


def floats_without_sign_of_zero() -> Serve:
    return echoing("single", lambda number: number + 0.0)


def doubles_by_way_of_float() -> Serve:
    def change(number: float) -> float:
        try:
            return float(struct.unpack("<f", struct.pack("<f", number))[0])
        except OverflowError:
            return number

    return echoing("precise", change)


def bytes_in_ascii() -> Serve:
    return echoing("data", lambda data: bytes(byte & 127 for byte in data))


def texts_to_the_first_null() -> Serve:
    return echoing("text", lambda text: text.partition("\0")[0])


def first_symbol() -> Serve:
    return echoing("color", lambda color: "RED")


def fixed_turned_round() -> Serve:
    return echoing("four", lambda four: four[::-1])


def arrays_of_one_block_of_100() -> Serve:
    return echoing("list", lambda numbers: numbers[:100])


def maps_without_empty_keys() -> Serve:
    return echoing("map", lambda entries: {key: entries[key] for key in entries if key})


def unions_by_the_first_record_that_fits() -> Serve:
    def change(value: Any) -> Any:
        if isinstance(value, Branch):
            return Branch("avrpc.conformance.Point", {"x": 0, "y": 0})
        return value

    return echoing("choice", change)


def records_in_another_order() -> Serve:
    return echoing("point", lambda point: {"x": point["y"], "y": point["x"]})


def recursion_of_10() -> Serve:
    def cut(chain: Any, depth: int = 0) -> Any:
        if chain is None or depth == 10:
            return None
        return {"number": chain["number"], "next": cut(chain["next"], depth + 1)}

    return echoing("chain", cut)


def truth_alone() -> Serve:
    return echoing("truth", lambda truth: True)


def other_fields_that_change() -> Serve:
    async def echo(service: Any, value: dict[str, Any]) -> dict[str, Any]:
        return SAMPLE | {"truth": value["truth"], "point": {"x": 0, "y": 0}}

    return handling(echo=echo)


def sample_that_is_another_one() -> Serve:
    async def sample(service: Any) -> dict[str, Any]:
        return SAMPLE | {"large": 9007199254740992}

    return handling(sample=sample)


def check_that_finds_nothing() -> Serve:
    async def check(service: Any, value: dict[str, Any]) -> list[str]:
        return []

    return handling(check=check)


def check_of_other_defaults() -> Serve:
    async def check(service: Any, value: dict[str, Any]) -> list[str]:
        return ["list", "map"]

    return handling(check=check)


@table(
    {
        truth_alone: ["value_boolean"],
        ints_of_16_bits: ["value_int"],
        longs_by_way_of_double: ["value_long"],
        floats_without_sign_of_zero: ["value_float"],
        doubles_by_way_of_float: ["value_double"],
        bytes_in_ascii: ["value_bytes"],
        texts_to_the_first_null: ["value_string"],
        first_symbol: ["value_enum"],
        fixed_turned_round: ["value_fixed"],
        arrays_of_one_block_of_100: ["value_array"],
        maps_without_empty_keys: ["value_map"],
        unions_by_the_first_record_that_fits: ["value_union"],
        records_in_another_order: ["value_record"],
        recursion_of_10: ["value_recursive"],
        other_fields_that_change: ["value_boolean"],
        sample_that_is_another_one: ["sample_from_the_server"],
        check_that_finds_nothing: ["other_values_differ"],
        check_of_other_defaults: ["sample_to_the_server", "value_in_blocks"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())
