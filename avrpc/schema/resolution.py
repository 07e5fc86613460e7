"""What all codecs share by which one end reads what another version writes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from threading import Lock
from typing import Any

from .added import Added
from .arrive import Convert
from .compat import Comparison, Pair
from .fast import FastSchemas
from .resolve import ResolvingFunctions, ResolvingPlan
from .types import Array, Type


class Resolution:
    """How some types of a writer's are read as a reader's; each part is made when it is needed.

    A protocol's messages mostly carry the same types, and a stranger's may all carry all that he
    has room for: made for each message anew, schemas and functions took 3 MB each, 120 for some 40.

    Args:
        pairs: The types that values are of. Those that they hold are found.
        comparison: Knows how they fit.
    """

    def __init__(self, pairs: Iterable[Pair], comparison: Comparison) -> None:
        self._pairs = tuple(pairs)
        self._comparison = comparison
        self._lock = Lock()

    def decoder(
        self, writer: Type, reader: Type, *, many: bool = False
    ) -> tuple[dict[str, Any], bool, Convert | None]:
        """Make a schema for fastavro, tell whether it is a wrapper, and what changes its datums.

        Threads may ask for them at once; they are made one after the other.

        Args:
            writer: One of the types, or of those that they hold.
            reader: What it is read as.
            many: Whether it is for arrays of them.
        """
        with self._lock:
            function = self.functions.function(writer, reader, many=many)
            return *self.schemas.schema(Array(writer) if many else writer), function

    @cached_property
    def plan(self) -> ResolvingPlan:
        """How datums differ from values."""
        return ResolvingPlan(self._pairs, self._comparison)

    @cached_property
    def schemas(self) -> FastSchemas:
        """What fastavro decodes by."""
        return FastSchemas(self.plan)

    @cached_property
    def functions(self) -> ResolvingFunctions:
        """What changes what it gives."""
        return ResolvingFunctions(self.plan)

    @cached_property
    def added(self) -> Added:
        """What reading adds to values."""
        return Added(self.plan)
