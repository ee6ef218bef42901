"""Names that type checkers know against those that the core takes."""

import re
from pathlib import Path
from typing import get_args

import pytest

from sottovoce import ShapeError, _core
from sottovoce.runtime import ComputeType, Device, Isa, Threading

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("option", "names"), [("device", Device), ("compute_type", ComputeType)], ids=["device", "type"]
)
def test_the_core_takes_what_type_checkers_know_and_nothing_else(option, names):
    for name in get_args(names):
        _core.check_runtime(**{option: name})
    with pytest.raises(ShapeError) as raised:
        _core.check_runtime(**{option: "?"})
    told = set(re.findall(r"'(\w+)'", str(raised.value)))
    assert told | {""} == {*get_args(names), ""}


def test_type_checkers_know_every_kernel_table_and_every_kind_of_threads():
    tables = {p.stem.removeprefix("isa_") for p in (ROOT / "csrc/kernels").glob("isa_*.cpp")}
    assert {*get_args(Isa)} == tables | {""}
    assert {*_core.available_isas()} <= tables
    assert {*_core.available_threading()} <= {*get_args(Threading)}
