"""What a machine can be asked for: the names of devices, number types, kernel tables and threads.

Type checkers and editors read them here; whether this machine has one is for the core to say.
"""

from __future__ import annotations

from typing import Literal, TypedDict

Device = Literal["cpu", "auto", ""]  # "": what SOTTOVOCE_DEVICE says
ComputeType = Literal["float32", "bfloat16", "int8", "auto"]
Isa = Literal[  # "": the best for this CPU
    "", "scalar", "avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16",
    "neon", "neon_dotprod",
]  # fmt: skip
Threading = Literal["pool", "openmp"]


class Runtime(TypedDict):
    """Keywords of `_core.Model`."""

    n_threads: int
    isa: Isa
    compute_type: ComputeType
    threading: Threading
    device: Device
