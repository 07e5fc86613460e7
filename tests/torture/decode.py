"""Random and changed bytes for the decoders of many schemas: 10 million inputs.

    python -m tests.torture.decode 100000    so many inputs
    python -m tests.torture.decode 100000 7  with another seed

fastavro is C, so there is no coverage to be guided by; what counts is how many inputs there are,
and that they come near to being values: most are changed from ones that were. The schemas are
random ones that pass the gate, hostile ones made by hand, and pairs of versions.

Two processes do it, with little memory. Each writes what it is going to decode into a file that is
mapped into memory, so that it can be told after a crash or a hang, too. Any exception but
`InvalidValue` is a finding, and so is an input that takes more than a second of CPU. What decodes
is compared with our own walk over the bytes, and encoded and decoded again.
"""

from __future__ import annotations

import json
import mmap
import random
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from avrpc.errors import InvalidValue, SchemaError
from avrpc.schema import Protocol
from avrpc.schema.codec import Codec, ItemsCodec
from avrpc.schema.compat import Comparison, Verdict
from avrpc.schema.fit import At
from avrpc.schema.scan import compile_scan
from tests.schema.build import LIST, record_json, same, type_of
from tests.schema.evolutions import EVOLUTIONS
from tests.torture.figures import Run
from tests.torture.schemas import Maker, payload
from tests.torture.watch import HEADROOM

ROOT = Path(__file__).parent.parent.parent
WORK = ROOT / "build" / "torture" / "decode"

INPUTS = 10_000_000
PROCESSES = 2
INPUTS_PER_SCHEMA = 2000
LONGEST = 1.0  # seconds of CPU
HUNG_AFTER = 60.0  # seconds of wall time without an input, on a machine that does other things, too


# What is decoded ...


class Subject(NamedTuple):
    """A type to decode values of, from JSON: that of the writer, and another of a reader's."""

    writer: Any
    reader: Any = None

    def decoders(self) -> tuple[Callable[[bytes], Any], Callable[[bytes, int], Any] | None]:
        """Of a value and of the items of a frame; None where there can be no such items."""
        at = At("it")
        writer = type_of(self.writer)
        if self.reader is None:
            return Codec(writer, at).decode, _of_items(ItemsCodec(writer, at))
        reader, comparison = type_of(self.reader), Comparison()
        value = Codec(reader, at).reading(writer, at, comparison)
        return value.decode, _of_items(ItemsCodec(reader, at).reading(writer, at, comparison))

    def comparer(self) -> Callable[[bytes, Any], None] | None:
        """What holds a decoded value to its bytes, for a reader of the same version."""
        if self.reader is not None:
            return None
        of, at = type_of(self.writer), At("it")
        codec, walk, exact = Codec(of, at), compile_scan(of, at), _is_exact(self.writer)

        def compare(data: bytes, value: Any) -> None:
            try:
                walk(data, 1)
            except InvalidValue as error:
                # docs/limits.md: such bytes harm nobody but their sender.
                if not any(lax in str(error) for lax in LAX):
                    raise Disagreement(str(error)) from error
                return
            again = codec.encode(value)
            if not same(codec.decode(again), value):
                raise Disagreement(f"it comes back as another value than {value!r:.200}")
            if exact and len(again) >= len(data) and again != data:
                raise Disagreement(f"it comes back as other bytes: {again[:100].hex()}")

        return compare


class Disagreement(Exception):
    """What was decoded is not what the bytes say, by our own walk or when it is encoded again."""


def _is_exact(of: Any) -> bool:
    """Whether a value has no two encodings that are equally short.

    Not with the branches of unions, NaNs of any bits, and decimals of no bytes.
    """
    if isinstance(of, dict):
        parts = [of.get("items"), of.get("values"), *(one["type"] for one in of.get("fields", ()))]
        return of.get("logicalType") != "decimal" and all(map(_is_exact, [of["type"], *parts]))
    return not isinstance(of, list) and of not in ("float", "double")


# What the walk refuses, and fastavro does not.
LAX = ("an int of more than 32 bits", "a boolean that is", "a number of more than 64 bits")


def _of_items(codec: ItemsCodec) -> Callable[[bytes, int], Any] | None:
    try:
        codec.decode(b"", 0)
    except ZeroDivisionError:  # items that may take no bytes, which no protocol can have
        return None
    return codec.decode


def _wrapped(inner: Any, times: int) -> Any:
    """A type in so many records, as arrays of one and of those around it."""
    fields: list[tuple[str, Any]] = [("all", {"type": "array", "items": inner})]
    inside = inner["name"]
    for number in range(times):
        record = record_json(("f", inside), name=f"W{number}")
        fields.append((f"f{number}", {"type": "array", "items": record}))
        inside = record["name"]
    return record_json(*fields, name="A")


TREE = record_json(("left", ["null", "T"]), ("right", {"type": "array", "items": "T"}), name="T")
WIDE = record_json(("a", "boolean"), *((f"n{at}", "null") for at in range(50)), name="W")
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 1000, "scale": 2}
HOSTILE: list[Any] = [
    LIST,
    _wrapped(LIST, 400),
    TREE,
    WIDE,
    DECIMAL,
    {"type": "array", "items": WIDE},
    {"type": "array", "items": {"type": "array", "items": "int"}},
    {"type": "map", "values": {"type": "map", "values": "null"}},
    {"type": "array", "items": DECIMAL},
    {"type": "array", "items": ["null", "int", "string", LIST, TREE]},
    {"type": "map", "values": ["null", TREE]},
    {"type": "enum", "name": "E", "symbols": ["A", "B"]},
    {"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"},
    *({"type": "long", "logicalType": f"timestamp-{unit}"} for unit in ("millis", "micros")),
]


def subjects(chance: random.Random) -> Iterator[Subject]:
    """Types without end: half of them random."""
    pairs = [
        Subject(row.writer, row.reader)
        for row in EVOLUTIONS
        if row.verdict in {Verdict.RESOLVABLE, Verdict.PARTIAL}
    ]
    while True:
        made = Maker(chance).type(5)
        try:
            Protocol.parse(
                json.dumps({"protocol": "P", "messages": {"m": {"request": [], "response": made}}})
            )
        except SchemaError:
            continue
        yield Subject(made)
        yield chance.choice([Subject(chance.choice(HOSTILE)), chance.choice(pairs)])


def _empty_values(decode: Callable[[bytes], Any]) -> Iterator[bytes]:
    """Zeros are a value of most types: 0, an empty string, the first branch."""
    for size in range(80):
        with suppress(InvalidValue):
            decode(bytes(size))
            yield bytes(size)


def change(chance: random.Random, data: bytes) -> bytes:
    """Bytes like these."""
    if not data:
        return chance.randbytes(1 + chance.getrandbits(3))
    at = int(chance.random() * len(data))
    match chance.getrandbits(3):
        case 0 | 1:
            return data[:at] + bytes([chance.getrandbits(8)]) + data[at + 1 :]
        case 2:
            return data[:at] + bytes([data[at] ^ 1 << chance.getrandbits(3) % 8]) + data[at + 1 :]
        case 3:
            return data[:at] + chance.randbytes(1 + chance.getrandbits(2)) + data[at:]
        case 4:
            return data[:at]
        case 5:
            return data[:at] + data[at + 1 + chance.getrandbits(2) :]
        case 6:
            return (data[:at] + data + data[at:])[:4096]
    return chance.randbytes(chance.getrandbits(5))


# ... by a child, whose last words are in a file ...

NO_COUNT = 0xFFFFFFFF
# inputs, taken, compared, slowest; payload's length, count, type's length
_HEAD = struct.Struct("<QQQdIII")
_COUNTS, _TRY = struct.Struct("<QQQd"), struct.Struct("<II")
_PAYLOAD, _TYPE, _SIZE = 64, 64 + (256 << 10), 1 << 20


class Progress:
    """How far a child is, and what it is decoding: a file, mapped by the child and its parent."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(_SIZE))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), _SIZE)

    def subject(self, subject: Subject) -> None:
        """What the next inputs are for."""
        text = json.dumps(subject._asdict()).encode()
        struct.pack_into("<I", self._map, _COUNTS.size + _TRY.size, len(text))
        self._map[_TYPE : _TYPE + len(text)] = text

    def input(self, data: bytes, count: int) -> None:
        """What is decoded now."""
        _TRY.pack_into(self._map, _COUNTS.size, len(data), count)
        self._map[_PAYLOAD : _PAYLOAD + len(data)] = data

    def count(self, inputs: int, taken: int, compared: int, slowest: float) -> None:
        _COUNTS.pack_into(self._map, 0, inputs, taken, compared, slowest)

    @property
    def counts(self) -> tuple[int, int, int, float]:
        """Inputs; of them, values and those compared; and the seconds that the slowest took."""
        return _COUNTS.unpack_from(self._map)

    @property
    def case(self) -> dict[str, Any]:
        """What was being decoded, as `corpus/` keeps it."""
        *_, length, count, type_length = _HEAD.unpack_from(self._map)
        case: dict[str, Any] = json.loads(self._map[_TYPE : _TYPE + type_length])
        data = self._map[_PAYLOAD : _PAYLOAD + length]
        return case | {"count": None if count == NO_COUNT else count, "data": data.hex()}


def child(file: Path, inputs: int, seed: int) -> None:
    """Decode so many inputs. Raises for a finding."""
    chance, clock, progress = random.Random(seed), time.thread_time, Progress(file)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + HEADROOM,) * 2)
    tried = taken = compared = 0
    slowest = 0.0
    for subject in subjects(chance):
        progress.subject(subject)
        value, items = subject.decoders()
        compare = subject.comparer()
        known = list(_empty_values(value)) or [b"\0"]
        for _ in range(INPUTS_PER_SCHEMA):
            kind = chance.getrandbits(11)
            data = payload(chance, known[-1]) if not kind else change(chance, chance.choice(known))
            count = 1 + chance.getrandbits(2) if items and kind & 1 else NO_COUNT
            progress.input(data, count)
            begin, refused = clock(), False
            try:
                got = value(data) if count == NO_COUNT or items is None else items(data, count)
            except InvalidValue:
                refused = True
            took = clock() - begin
            slowest = max(slowest, took)
            if took > LONGEST:
                raise TimeoutError(f"{took:.1f} s of CPU")
            if refused:
                continue
            taken += 1
            if compare is not None and count == NO_COUNT:
                compared += 1
                compare(data, got)
            known.append(data)
            if len(known) > 50:
                del known[chance.randrange(40)]
        tried += INPUTS_PER_SCHEMA
        progress.count(tried, taken, compared, slowest)
        if tried >= inputs:
            return


def replay(case: dict[str, Any]) -> None:
    """Decode what a file of `corpus/` has. Raises for a finding.

    Its data are words of hexadecimal, each as often as a number behind a `*` says.
    """
    subject = Subject(case["writer"], case["reader"])
    (value, items), compare = subject.decoders(), subject.comparer()
    words = (word.partition("*") for word in case["data"].split())
    data = b"".join(bytes.fromhex(word) * int(times or 1) for word, _, times in words)
    with suppress(InvalidValue):
        if case["count"] is None:
            got = value(data)
            if compare is not None:
                compare(data, got)
        else:
            assert items is not None
            items(data, case["count"])


# ... that is watched.


def main(inputs: int = INPUTS, seed: int = 1) -> int:
    """Start the children, wait for them, and tell what was found."""
    WORK.mkdir(parents=True, exist_ok=True)
    for old in WORK.iterdir():
        old.unlink()
    with Run("decode") as run:
        children = []
        for number in range(PROCESSES):
            file = WORK / f"progress-{number}"
            progress = Progress(file)
            numbers = map(str, (inputs // PROCESSES, PROCESSES * seed + number))
            command = [sys.executable, "-m", "tests.torture.decode", "--child", str(file), *numbers]
            log = WORK / f"log-{number}"
            with log.open("wb") as out:
                started = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
            children.append((started, progress, log))
        endings = [watch(started, progress) for started, progress, _ in children]
        counts = [progress.counts for _, progress, _ in children]
        run.add("inputs", sum(each[0] for each in counts), at_least=inputs)
        run.add("taken", sum(each[1] for each in counts))
        compared = sum(each[2] for each in counts)
        run.add("compared", compared, at_least=inputs // 50)
        run.add("slowest", round(max(each[3] for each in counts) * 1000), "ms")
        run.add("findings", sum(bool(ending) for ending in endings), at_most=0)
        for number, (ending, (_, progress, log)) in enumerate(zip(endings, children, strict=True)):
            if ending:
                file = WORK / f"found-{number}.json"
                file.write_text(json.dumps(progress.case))
                said = log.read_text().splitlines()[-1:]
                run.problem(f"{file.relative_to(ROOT)}: {ending} {' '.join(said)[:300]}")
    return run.exit_code


def watch(started: subprocess.Popen[bytes], progress: Progress) -> str:
    """Wait for a child; how it ended, if not well."""
    last, since = progress.counts[0], time.monotonic()
    while True:
        try:
            code = started.wait(1)
        except subprocess.TimeoutExpired:
            if progress.counts[0] != last:
                last, since = progress.counts[0], time.monotonic()
            elif time.monotonic() - since > HUNG_AFTER:
                started.kill()
                started.wait()
                return "hung"
        else:
            return f"ended with {code}" if code else ""


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), *map(int, sys.argv[3:]))
    else:
        sys.exit(main(*map(int, sys.argv[1:])))
