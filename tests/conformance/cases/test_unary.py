from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.conformance.desk import (
    names,
    passes,
)


@pytest.mark.parametrize("name", names("unary"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name)
