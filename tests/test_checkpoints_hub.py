"""Names to directories: the order of the places that are looked in, and what is told otherwise.

No hub is reached: `snapshot_download` is a stand-in that keeps the promises of the real one.
"""

import json
from pathlib import Path

import pytest

from sottovoce._core import LoadError
from sottovoce.checkpoints import hub


class FakeHub:
    """Holds repositories in a cache and, where `online`, on the net; remembers what was asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.online: set[str] = set()
        self.calls: list[tuple[str, bool]] = []
        self.error: Exception = ConnectionError("cannot reach the hub\nand a second line")
        self.patterns: list[str] = []
        self.cache_dir: Path | None = None

    def put(self, repository: str, *files: str) -> Path:
        directory = self.root / repository.replace("/", "--")
        directory.mkdir(parents=True)
        for name in files or ("config.json", "model.safetensors"):
            (directory / name).touch()
        return directory

    def snapshot_download(self, repository, *, cache_dir, local_files_only, allow_patterns):
        self.calls.append((repository, local_files_only))
        self.patterns, self.cache_dir = allow_patterns, cache_dir
        directory = self.root / repository.replace("/", "--")
        if local_files_only:
            if not directory.is_dir():
                raise FileNotFoundError("LocalEntryNotFoundError is one")
        elif repository not in self.online:
            raise self.error
        elif not (directory / "model.safetensors").exists():
            directory.mkdir(exist_ok=True)
            (directory / "config.json").touch()
            (directory / "model.safetensors").touch()
        return str(directory)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    fake = FakeHub(tmp_path / "hub")
    fake.root.mkdir()
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake.snapshot_download)
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return fake


def put_fetched(name: str, *, n_bytes: int = 3, marked: int = 3) -> Path:
    directory = hub.models_cache() / name
    directory.mkdir(parents=True)
    (directory / "model.bin").write_bytes(bytes(n_bytes))
    (directory / hub.MARKER).write_text(json.dumps({"bytes": marked}))
    return directory


def test_an_existing_path_wins_over_a_repository(tmp_path, fake):
    (tmp_path / "org" / "repo").mkdir(parents=True)
    assert hub.resolve("org/repo") == Path("org/repo")
    assert hub.resolve(tmp_path / "org" / "repo") == tmp_path / "org" / "repo"
    assert fake.calls == []


def test_a_models_name_is_the_model_whatever_folders_lie_about(tmp_path, fake, caplog):
    (tmp_path / "tiny.en").mkdir()
    directory = fake.put("openai/whisper-tiny.en")
    assert hub.resolve("tiny.en") == directory
    assert caplog.records == []
    (tmp_path / "tiny.en" / "model.bin").touch()
    assert hub.resolve("tiny.en") == directory
    message = "tiny.en is the model of that name; the folder is called ./tiny.en"
    assert [record.getMessage() for record in caplog.records] == [message]


@pytest.mark.parametrize("path", ["./tiny.en", "../{}/tiny.en", "tiny.en/", Path("tiny.en")])
def test_a_folder_that_is_called_as_a_model_is_a_path(tmp_path, fake, path):
    (tmp_path / "tiny.en").mkdir()
    path = path.format(tmp_path.name) if isinstance(path, str) else path
    assert hub.resolve(path) == Path(path)
    assert fake.calls == []


def test_turbo_is_the_default_where_it_is_here_and_else_base(fake, tmp_path):
    fake.online |= {"openai/whisper-large-v3-turbo", "openai/whisper-base"}
    assert hub.default_name() == "base"
    assert fake.calls == [("openai/whisper-large-v3-turbo", True)]  # no network
    fake.put("openai/whisper-large-v3-turbo")
    assert hub.default_name(tmp_path) == "turbo"
    assert fake.cache_dir == tmp_path


def test_a_file_of_a_model_is_its_directory(tmp_path, fake):
    (tmp_path / "model.safetensors").write_bytes(bytes(8) + b"{}")
    assert hub.resolve(tmp_path / "model.safetensors") == tmp_path


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("tiny.en", "openai/whisper-tiny.en"),
        ("large", "openai/whisper-large-v3"),
        ("large-v1", "openai/whisper-large"),
        ("turbo", "openai/whisper-large-v3-turbo"),
        ("large-v3-turbo", "openai/whisper-large-v3-turbo"),
        ("distil-large-v3", "distil-whisper/distil-large-v3"),
        ("someone/whisper-ct2", "someone/whisper-ct2"),
    ],
)
def test_names_and_repositories(fake, name, repository):
    fake.online.add(repository)
    assert hub.resolve(name) == fake.root / repository.replace("/", "--")
    assert fake.calls == [(repository, True), (repository, False)]


def test_what_is_cached_needs_no_network(fake):
    directory = fake.put("openai/whisper-base")
    assert hub.resolve("base") == directory
    assert fake.calls == [("openai/whisper-base", True)]


@pytest.mark.parametrize("files", [("config.json",), ("model.safetensors",)])
def test_an_interrupted_download_is_taken_up(fake, files):
    fake.put("openai/whisper-base", *files)
    fake.online.add("openai/whisper-base")
    hub.resolve("base")
    assert fake.calls[-1] == ("openai/whisper-base", False)


def test_missing_shards_are_an_interrupted_download(fake):
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    directory = fake.put("openai/whisper-large", "config.json", shards[0])
    index = {"weight_map": {"a": shards[0], "b": shards[1]}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(LoadError, match="not in the local cache"):
        hub.resolve("large-v1", local_files_only=True)
    (directory / shards[1]).touch()
    assert hub.resolve("large-v1", local_files_only=True) == directory


def test_the_demos_model_comes_after_the_hub_cache_and_before_the_network(fake):
    fetched = put_fetched("tiny.en")
    assert hub.resolve("tiny.en") == fetched
    assert hub.resolve("tiny.en", local_files_only=True) == fetched
    assert all(local for _, local in fake.calls)
    cached = fake.put("openai/whisper-tiny.en")
    assert hub.resolve("tiny.en") == cached


@pytest.mark.parametrize("size", [0, 2])
def test_a_damaged_demo_model_does_not_count(fake, size):
    put_fetched("tiny.en", n_bytes=size)
    assert hub.fetched_model("tiny.en") is None


def test_where_the_demos_models_are(monkeypatch):
    monkeypatch.setenv("SOTTOVOCE_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    assert hub.models_cache() == Path("/a/models")
    monkeypatch.delenv("SOTTOVOCE_CACHE")
    assert hub.models_cache() == Path("/b/sottovoce/models")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert hub.models_cache() == Path("/c/.cache/sottovoce/models")


def test_only_what_a_model_needs_is_downloaded(fake, tmp_path):
    from fnmatch import fnmatch

    fake.online.add("openai/whisper-tiny")
    hub.resolve("tiny", cache_dir=tmp_path / "elsewhere")
    assert fake.cache_dir == tmp_path / "elsewhere"

    def wanted(name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in fake.patterns)

    assert wanted("model.safetensors")
    assert wanted("model-00001-of-00002.safetensors")
    assert wanted("model.bin")
    assert wanted("tokenizer.json")
    for name in ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "onnx/config.json"):
        assert not wanted(name), name
    assert not wanted("model.fp32-00001-of-00002.safetensors")


def test_older_weights_are_fetched_where_there_are_no_others(fake, tmp_path, monkeypatch):
    directory = fake.put("org/pytorch-only", "config.json")
    asked = []

    def download(repository, *, cache_dir, local_files_only, allow_patterns):
        asked.append(allow_patterns)
        if "pytorch_model.bin" in allow_patterns:
            (directory / "pytorch_model.bin").touch()
        if local_files_only:
            raise FileNotFoundError
        return str(directory)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert hub.resolve("org/pytorch-only") == directory
    assert ["pytorch_model.bin" in patterns for patterns in asked] == [False, False, True]


def test_a_vocabulary_is_one_that_is_here_or_fetched_alone(fake):
    asked = hub.tokenizer_folder(51865, None, local_files_only=True)
    assert asked is None
    assert hub.tokenizer_folder(51872, None, local_files_only=False) is None
    assert hub.tokenizer_folder(51865, None, local_files_only=False) is None  # the hub is away
    fake.online.add("openai/whisper-tiny")
    found = hub.tokenizer_folder(51865, None, local_files_only=False)
    assert found == fake.root / "openai--whisper-tiny"
    assert fake.patterns == ["tokenizer.json"]
    (found / "tokenizer.json").touch()
    assert hub.tokenizer_folder(51865, None, local_files_only=True) == found
    (found / "tokenizer.json").unlink()
    directory = fake.put(
        "openai/whisper-base", "config.json", "model.safetensors", "tokenizer.json"
    )
    assert hub.tokenizer_folder(51865, None, local_files_only=True) == directory


def test_an_adapter_is_whole_without_a_config(fake):
    files = ("adapter_config.json", "adapter_model.safetensors")
    directory = fake.put("org/adapter", *files)
    assert hub.resolve("org/adapter") == directory


@pytest.mark.parametrize(("name", "hint"), [("tiny.eng", "'tiny.en'"), ("medum", "'medium'")])
def test_an_unknown_name_lists_the_known(fake, name, hint):
    with pytest.raises(ValueError, match=f"unknown model '{name}': did you mean {hint}") as caught:
        hub.resolve(name)
    assert "large-v3-turbo" in str(caught.value)


def test_a_name_like_no_other(fake):
    with pytest.raises(ValueError, match="unknown model 'xyzzy': It is neither a path"):
        hub.resolve("xyzzy")


@pytest.mark.parametrize("path", ["./tiny", "/nowhere/model", "~/nowhere", "a/b/c", "../x"])
def test_a_path_that_is_not_there(fake, path):
    with pytest.raises(LoadError, match="no such file or directory"):
        hub.resolve(path)
    assert fake.calls == []


def test_an_unreachable_hub_is_told_in_one_line(fake):
    with pytest.raises(LoadError) as caught:
        hub.resolve("small")
    message = str(caught.value)
    assert message.startswith("openai/whisper-small could not be had from the Hugging Face hub")
    assert "ConnectionError: cannot reach the hub)" in message
    assert "sottovoce demo" in message
    assert "\n" not in message


def test_a_mistyped_relative_path_may_look_like_a_repository(fake):
    with pytest.raises(
        LoadError, match=r"^models/tiny is no local path, and models/tiny could not"
    ):
        hub.resolve("models/tiny")


def test_local_files_only(fake):
    fake.online.add("openai/whisper-small")
    with pytest.raises(LoadError, match="small: openai/whisper-small is not in the local cache"):
        hub.resolve("small", local_files_only=True)
    assert fake.calls == [("openai/whisper-small", True)]


def test_a_repository_without_a_model(fake, monkeypatch):
    directory = fake.put("org/pytorch-only", "config.json")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(directory))
    with pytest.raises(LoadError, match=r"neither model\.safetensors, pytorch"):
        hub.resolve("org/pytorch-only")
