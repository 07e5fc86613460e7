"""That the defects still are some; `make mutants` tells whether they are noticed."""

import ast

import pytest

from tests.mutants.defects import DEFECTS, ROOT, Defect


@pytest.mark.parametrize("defect", DEFECTS, ids=[defect.name for defect in DEFECTS])
def test_defect_fits_the_code_and_makes_other_code_of_it(defect: Defect) -> None:
    text = (ROOT / defect.file).read_text()
    seeded = defect.seeded(text)
    assert ast.dump(ast.parse(seeded)) != ast.dump(ast.parse(text))
    assert all((ROOT / tests).is_file() for tests in defect.tests)


def test_defects_are_thirty_in_all_parts_that_a_peer_can_reach() -> None:
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS) >= 30
    files = {defect.file for defect in DEFECTS}
    assert {file.split("/")[1] for file in files} == {
        "wire", "schema", "session.py", "call.py", "server_call.py", "handshake.py"
    }  # fmt: skip


@pytest.mark.parametrize("count", [0, 2])
def test_defect_whose_text_has_changed_says_what_to_do(count: int) -> None:
    defect = Defect("an old one", "avrpc/x.py", "old", "new")
    assert defect.seeded("what is old") == "what is new"
    with pytest.raises(ValueError, match=f"there {count} times: bring the defect up to date"):
        defect.seeded("old " * count)
