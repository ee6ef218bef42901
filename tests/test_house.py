"""The structure of the house: which room may see which, and what must not leak from a kernel."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import sottovoce
from sottovoce import _core

ROOT = Path(__file__).parents[1]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "python" / "sottovoce"

# Rooms a C++ room may include from, besides itself and the public headers.
C_ROOMS = {
    "kernels": set(),
    "base": set(),
    "ops": {"base", "kernels", "ops/cpu"},
    "ops/cpu": {"base", "ops", "kernels"},
    "audio": {"base", "ops", "kernels"},
    "io": set(),
    "model": {"base", "ops"},
    "alignment": {"base", "model", "ops"},
    "decoding": {"base", "model", "ops"},
    "packed": {"base", "model", "ops", "ops/cpu", "io"},
    "vad": {"base", "ops", "ops/cpu", "kernels", "io"},
    "bind": {"kernels", "base", "ops", "ops/cpu", "alignment", "decoding"},
    "include": set(),
}

# Rooms a Python room (a package or a module) may import from, besides itself.
PYTHON_ROOMS = {
    "runtime": set(),
    "_core": {"runtime"},
    "errors": {"_core"},
    "aside": {"_core"},
    "atomic": set(),
    "text": {"_core", "errors"},
    "spellings": {"text"},
    "foreign": set(),
    "vad_options": {"spellings", "foreign"},
    "options": {"spellings", "foreign", "vad_options"},
    "results": {"_core", "options"},
    "audio": {"_core", "errors", "aside"},
    "checkpoints": {"_core", "runtime", "errors", "atomic"},
    "policy": {"_core", "errors", "text", "options", "vad_options", "results"},
    "voice": {"_core", "errors", "vad_options", "results", "audio", "policy"},
    "engine": {"_core", "errors", "aside", "text", "options", "results", "policy"},
    "speakers": {"errors", "results"},
    "writers": {"atomic", "results"},
    "transcription": {"errors", "results", "speakers", "engine", "writers"},
    "alignment": {"results", "transcription"},
    "opening": {
        *("_core", "errors", "text", "options", "results"),
        *("audio", "speakers", "policy", "engine", "voice"),
    },
    "model": {
        *("_core", "runtime", "errors", "text", "foreign", "options", "results"),
        *(
            "audio",
            "checkpoints",
            "speakers",
            "policy",
            "engine",
            "transcription",
            "alignment",
            "opening",
        ),
    },
    "cli": {
        *("_core", "errors", "text", "foreign", "options", "vad_options", "results"),
        *("audio", "checkpoints", "speakers", "writers", "transcription", "model", "voice"),
    },
    "__init__": {
        *("_core", "errors", "text", "options", "vad_options", "results"),
        *("speakers", "transcription", "alignment", "model", "voice"),
    },
    "__main__": {"cli"},
}

# What policy knows of the core: values and constants, nothing that computes.
POLICY_SEES = {
    *("ModelDims", "AudioFeatures", "DecodingOptions", "DecodingResult"),
    *("AlignmentOptions", "KeptAttention", "TokenAlignment"),
}
# And of the world: nothing that reads, waits, draws lots or tells the time.
POLICY_IMPORTS = {
    *(
        "__future__",
        "bisect",
        "collections",
        "dataclasses",
        "difflib",
        "itertools",
        "math",
        "typing",
    ),
    *("hashlib", "zlib", "numpy"),
}


def room_of(header: str) -> str | None:
    found = [p for p in CSRC.rglob("*") if p.is_file() and p.name == Path(header).name]
    rooms = {p.parent.relative_to(CSRC).as_posix() for p in found} - {"include/sottovoce"}
    return rooms.pop() if len(rooms) == 1 else None


@pytest.mark.parametrize("room", sorted(C_ROOMS))
def test_a_cpp_room_includes_only_the_rooms_below_it(room):
    files = (CSRC / room).rglob("*") if room == "include" else (CSRC / room).glob("*")
    for path in (p for p in files if p.suffix in {".h", ".cpp", ".inl"}):
        for header in re.findall(r'#include "([^"]+)"', path.read_text()):
            target = room_of(header)
            allowed = C_ROOMS[room] | {room}
            assert target in allowed, f"{path.relative_to(ROOT)} includes {header} of {target}"


def test_every_cpp_folder_is_a_room():
    folders = {p.parent.relative_to(CSRC).as_posix() for p in CSRC.rglob("*.*") if p.is_file()}
    assert folders - {"."} == C_ROOMS.keys() - {"include"} | {"include/sottovoce"}


def test_public_headers_show_no_machinery():
    for path in (CSRC / "include").rglob("*.h"):
        text = path.read_text()
        assert not re.search(r"#\s*if(def|ndef)?\b", text), path
        assert not re.search(r"immintrin|arm_neon|pybind11|cuda|thread_pool", text), path


def test_threads_and_intrinsics_stay_in_their_rooms():
    for path in (p for p in CSRC.rglob("*") if p.suffix in {".h", ".cpp", ".inl"}):
        place = path.relative_to(CSRC).as_posix()
        text = path.read_text()
        if not place.startswith(("kernels/vec_", "base/thread_pool.cpp", "base/plain_")):
            assert not re.search(r"immintrin\.h|arm_neon\.h", text), place
        if not place.startswith("base/thread_pool"):
            assert not re.search(r"std::thread\b(?!::hardware)", text), place
        if place != "base/openmp_team.cpp":  # `simd` needs no threads
            assert not re.search(r"omp\.h|#\s*pragma omp (?!simd)", text), place


def test_the_core_neither_prints_nor_exits():
    for path in (p for p in CSRC.rglob("*") if p.suffix in {".h", ".cpp", ".inl"}):
        text = re.sub(r"//.*", "", path.read_text())
        assert not re.search(r"std::c(out|err)|\bprintf\(|\babort\(|\bexit\(|\bassert\(", text), (
            path
        )


def python_room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py").removesuffix(".pyi")


def modules_of(path: Path) -> set[str]:
    """Full names of all that a module imports, at its head or anywhere in it."""
    here = ["sottovoce", *path.relative_to(PACKAGE).parent.parts]
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            modules |= {f"{origin}.{alias.name}" for alias in node.names}
    return modules


def imports_of(path: Path) -> set[str]:
    """The rooms that a module imports from."""
    inside = [name.split(".") for name in modules_of(path) if name.split(".")[0] == "sottovoce"]
    # What is no room comes from __init__, which sees nearly all of them.
    return {p[1] if len(p) > 1 and p[1] in PYTHON_ROOMS else "__init__" for p in inside}


def seen_of_core(path: Path) -> set[str]:
    """The names of `_core` that a module uses; "_core" itself where that cannot be told."""
    tree = ast.parse(path.read_text())
    seen = {m.removeprefix("sottovoce._core.") for m in modules_of(path) if "._core." in m}
    attributes = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    of_core = [n for n in attributes if isinstance(n.value, ast.Name) and n.value.id == "_core"]
    seen |= {node.attr for node in of_core}
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "_core"]
    aliases = [n for n in ast.walk(tree) if isinstance(n, ast.alias) and n.asname]
    renamed = any(a.name.split(".")[-1] == "_core" for a in aliases)
    dotted = any(isinstance(n.value, ast.Attribute) and n.value.attr == "_core" for n in attributes)
    return seen | ({"_core"} if renamed or dotted or len(names) > len(of_core) else set())


def test_python_arrows_never_turn_back():
    for path in PACKAGE.rglob("*.py"):
        room = python_room(path)
        assert room in PYTHON_ROOMS, f"{path.relative_to(ROOT)} has no place in PYTHON_ROOMS"
        for target in imports_of(path) - {room}:
            assert target in PYTHON_ROOMS[room], f"{path.relative_to(ROOT)} imports {target}"


@pytest.mark.parametrize(
    ("line", "rooms"),
    [
        ("from ..engine import batch", {"engine"}),
        ("from .. import engine, _core", {"engine", "_core"}),
        ("from ..engine.batch import Batch", {"engine"}),
        ("from .segments import numbered", {"policy"}),
        ("from . import segments", {"policy"}),
        ("import sottovoce.engine.batch as batch", {"engine"}),
        ("from sottovoce.engine import batch", {"engine"}),
        ("from sottovoce import engine", {"engine"}),
        ("def f():\n    from ..model import WhisperModel", {"model"}),
        ("from .. import WhisperModel", {"__init__"}),
        ("import sottovoce", {"__init__"}),
        ("import json, numpy.lib", set()),
    ],
)
def test_imports_are_seen_in_every_spelling(line, rooms, monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda _: line)
    assert imports_of(PACKAGE / "policy" / "window.py") == rooms


def test_the_package_itself_only_reexports():
    body = ast.parse((PACKAGE / "__init__.py").read_text()).body
    docstring, *imports, exported = body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    assert isinstance(exported, ast.Assign)
    assert exported.targets[0].id == "__all__"


def test_policy_is_pure():
    for path in (PACKAGE / "policy").glob("*.py"):
        outside = {m.split(".")[0] for m in modules_of(path)} - {"sottovoce"}
        place = path.relative_to(ROOT)
        assert outside <= POLICY_IMPORTS, f"{place} imports {outside - POLICY_IMPORTS}"
        unknown = {name for name in seen_of_core(path) if not name.isupper()} - POLICY_SEES
        assert not unknown, f"{place} uses {unknown} of _core"


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("from .. import _core\n_core.log_mel(x)", {"log_mel"}),
        ("from .. import _core\n_core.N_FRAMES", {"N_FRAMES"}),
        ("from .. import _core\ncore = _core", {"_core"}),
        ("from .. import _core\ngetattr(_core, 'log_mel')", {"_core"}),
        ("from .. import _core as core\ncore.log_mel(x)", {"_core"}),
        ("from .._core import log_mel", {"log_mel"}),
        ("from sottovoce._core import log_mel as f", {"log_mel"}),
        ("import sottovoce._core\nsottovoce._core.log_mel(x)", {"_core"}),
        ("import sottovoce._core as core\ncore.log_mel(x)", {"_core"}),
    ],
)
def test_the_core_is_seen_in_every_spelling(line, names, monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda _: line)
    assert seen_of_core(PACKAGE / "policy" / "window.py") == names


def test_errors_come_from_their_module():
    names = {n for n, t in vars(_core).items() if isinstance(t, type) and issubclass(t, Exception)}
    for path in (p for p in PACKAGE.rglob("*.py") if python_room(p) != "errors"):
        taken = seen_of_core(path) & names
        assert not taken, f"{path.relative_to(ROOT)} takes {taken} from _core"


def test_isa_objects_export_their_table_and_nothing_weak(tmp_path):
    """A weak symbol compiled with AVX-512 flags may be the copy the linker keeps for everybody."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if not compiler or not shutil.which("nm"):
        pytest.skip("no C++ compiler on the path")
    flags = {"scalar": "", "avx2": "-mavx2 -mfma -mf16c"}
    flags["avx2_vnni"] = flags["avx2"] + " -mavxvnni"
    flags["avx512"] = "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma"
    flags["avx512_vnni"] = flags["avx512"] + " -mavx512vnni"
    flags["avx512_bf16"] = flags["avx512_vnni"] + " -mavx512bf16"
    flags |= {"neon": "", "neon_dotprod": "-march=armv8.2-a+dotprod"}
    for isa in _core.available_isas():
        out = tmp_path / f"{isa}.o"
        source = CSRC / "kernels" / f"isa_{isa}.cpp"
        command = [compiler, "-std=c++17", "-O1", "-w", "-fPIC", "-I", str(CSRC / "kernels")]
        subprocess.run(
            [*command, *flags[isa].split(), "-c", str(source), "-o", str(out)], check=True
        )
        listing = subprocess.run(["nm", "-C", str(out)], check=True, capture_output=True, text=True)
        symbols = [line[17:].split(" ", 1) for line in listing.stdout.splitlines()]
        assert not [s for s in symbols if s[0] in "WwVvu"]
        exported = [name for kind, name in symbols if kind.isupper() and kind not in "UN"]
        assert exported == [f"sottovoce::kernels::k{isa.title().replace('_', '')}Table"]


def test_the_readme_speaks_valid_cpp(tmp_path):
    """The C++ of README.md, its includes on top and the rest in a function, must compile."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if not compiler:
        pytest.skip("no C++ compiler on the path")
    (snippet,) = re.findall(r"```cpp\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = snippet.splitlines()
    includes = [line for line in lines if line.startswith("#include")]
    body = [line for line in lines if not line.startswith("#include")]
    source = tmp_path / "readme.cpp"
    signature = "void readme(const float* samples, std::size_t n_samples) {"
    source.write_text("\n".join([*includes, signature, *body, "}\n"]))
    command = [compiler, "-std=c++17", "-Wall", "-Werror", "-fsyntax-only", "-I"]
    subprocess.run([*command, str(CSRC / "include"), str(source)], check=True)


def test_the_stubs_name_what_the_module_has():
    stub = ast.parse((ROOT / "python" / "sottovoce" / "_core.pyi").read_text())
    top = {n.name for n in stub.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    top |= {n.target.id for n in stub.body if isinstance(n, ast.AnnAssign)}
    public = {n for n in vars(_core) if not n.startswith("_")} | {"__version__"}
    assert {n for n in top if not n.startswith("_") or n == "__version__"} == public
    for node in (n for n in stub.body if isinstance(n, ast.ClassDef)):
        promised = {
            n.name if isinstance(n, ast.FunctionDef) else n.target.id
            for n in node.body
            if isinstance(n, ast.FunctionDef | ast.AnnAssign)
        }
        real = {n for n in vars(getattr(_core, node.name)) if not n.startswith("_")}
        assert {n for n in promised if not n.startswith("_")} == real, node.name


def test_versions_agree():
    assert sottovoce.__version__ == _core.__version__
    text = (ROOT / "pyproject.toml").read_text() + (ROOT / "CMakeLists.txt").read_text()
    assert f'version = "{_core.__version__}"' in text
    assert f"project(sottovoce VERSION {_core.__version__} " in text
