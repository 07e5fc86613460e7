"""What the codecs of one text share, which write and read it as it is."""

from __future__ import annotations

from threading import Lock
from typing import Any

from .arrive import ArrivingFunctions, Convert
from .encode import Encode, Encoders
from .fast import FastSchemas
from .plan import Plan
from .types import Type


class OwnTypes:
    """Encoders and decoders of one text's types.

    A protocol's messages mostly carry the same types, so what is made for one of them is made once:
    of 940 records that 20 messages used, each message's encoder took 0.3 s to make.

    Threads may ask for them at once; they are made one after the other.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._plan = Plan()
        self._encoders = Encoders()
        self._schemas = FastSchemas(self._plan)
        self._functions = ArrivingFunctions(self._plan)

    def encoder(self, of: Type) -> Encode:
        """Make the function from a value to its bytes: see `Encoders.encoder`."""
        with self._lock:
            return self._encoders.encoder(of)

    def decoder(self, of: Type) -> tuple[dict[str, Any], bool, Convert | None]:
        """Make a schema for fastavro, tell whether it is a wrapper, and what changes its datums."""
        with self._lock:
            self._plan.include(of)
            return *self._schemas.schema(of), self._functions.function(of)
