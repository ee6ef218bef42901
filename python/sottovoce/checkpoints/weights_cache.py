"""The network of a model directory, by way of a folder of packed weights.

The second start maps a file that the first one wrote, and does not open the checkpoint. The file
is checked from end to end; one that does not fit is written anew. A folder that cannot be written
costs a warning and nothing else.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from .. import _core
from ..errors import LoadError
from ..runtime import Runtime
from . import formats, hub


def default_folder() -> Path:
    """Where packed weights are kept unless a folder is named: `packed` in the cache folder."""
    return hub.cache_folder() / "packed"


def open_core(directory: Path, folder: Path, runtime: Runtime) -> _core.Model:
    """The model in `directory`, its weights from `folder`, or packed and saved there.

    Raises LoadError if the model cannot be read, ShapeError for the runtime.
    """
    identity = formats.checkpoint_identity(directory)
    path = _core.packed_path(
        str(folder), str(directory), isa=runtime["isa"], compute_type=runtime["compute_type"]
    )
    core = _core.open_packed(path, identity, **runtime)
    if core is not None:
        return core
    core = _core.Model(formats.open_checkpoint(directory), **runtime)
    if formats.checkpoint_identity(directory) != identity:
        return core  # the files changed while they were read
    try:
        _core.save_packed(core, path, identity)
    except LoadError as error:
        warnings.warn(f"packed weights are not kept: {error}", RuntimeWarning, stacklevel=5)
        return core
    # From the file, to share its pages with the processes to come.
    return _core.open_packed(path, identity, **runtime) or core
