// A Hugging Face directory as dims and memory-mapped tensors, and one file that holds what such a
// directory does. Whether the tensors are complete and have the right shapes is for the model to
// say, which knows what it needs.
#include "huggingface.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <sottovoce/error.h>

#include "ggml.h"
#include "mapped_file.h"
#include "safetensors.h"
#include "tensor_names.h"

namespace sottovoce {
namespace {

// What keeps the views of a checkpoint alive.
using Shards = std::map<std::string, SafetensorsFile>;  // by file name

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw LoadError("open_checkpoint: '" + path + "' " + what);
}

bool is_directory(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// The shard is created with the map's entry: views point into it, so it must not move afterwards.
SafetensorsFile& open_shard(Shards& shards, const std::string& directory, const std::string& name) {
  const auto found = shards.find(name);
  if (found != shards.end()) return found->second;
  return shards.try_emplace(name, directory + "/" + name).first->second;
}

constexpr const char* kEmbedding = "decoder.token_embedding.weight";
constexpr const char* kProjection = "proj_out.weight";

// A checkpoint on its way, and whether its output projection is its token embedding.
struct Draft {
  Checkpoint checkpoint;
  bool is_tied = true;
};

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// Our name of a tensor; nothing for those that no network needs.
std::optional<std::string> needed_name(const std::string& path, const std::string& name) {
  if (name.find(".lora_") != std::string::npos) {
    fail(path, "holds an adapter that is not merged ('" + name +
                   "'): save it with merge_and_unload(), or the adapter alone");
  }
  if (ends_with(name, kProjection)) return kProjection;
  return reference_name(name);
}

void add_tensor(Checkpoint& checkpoint, const std::string& path, const std::string& name,
                const std::string& ours, const TensorView& view) {
  if (!checkpoint.tensors.emplace(ours, view).second) {
    fail(path, "holds '" + ours + "' under two names, one of them '" + name + "'");
  }
}

void add_entry(Checkpoint& checkpoint, const SafetensorsFile& file, const std::string& name) {
  if (const auto ours = needed_name(file.path(), name)) {
    add_tensor(checkpoint, file.path(), name, *ours, file.view(name));
  }
}

void add_file(Checkpoint& checkpoint, const SafetensorsFile& file) {
  for (const auto& [name, entry] : file.entries()) add_entry(checkpoint, file, name);
}

// The output projection is the token embedding: some tools save both, some the one, some the other.
// Where they are said to be two matrices, they must be the same all the same.
Checkpoint finish(Draft draft, const std::string& path, std::shared_ptr<const void> storage) {
  Checkpoint checkpoint = std::move(draft.checkpoint);
  auto projection = checkpoint.tensors.extract(kProjection);
  const auto embedding = checkpoint.tensors.find(kEmbedding);
  if (!projection.empty() && embedding == checkpoint.tensors.end()) {
    projection.key() = kEmbedding;
    checkpoint.tensors.insert(std::move(projection));
  } else if (!projection.empty() && !draft.is_tied) {
    const TensorView& ours = embedding->second;
    const TensorView& theirs = projection.mapped();
    if (ours.shape != theirs.shape || ours.dtype != theirs.dtype ||
        std::memcmp(ours.data, theirs.data, ours.n_bytes()) != 0) {
      fail(path, std::string(kProjection) +
                     " is not the token embedding (tie_word_embeddings is false): such a network "
                     "is not computed");
    }
  }
  if (checkpoint.tensors.empty()) fail(path, "holds no tensor of a Whisper network");
  checkpoint.storage = std::move(storage);
  return checkpoint;
}

// The index says which file holds each tensor; only files in the directory itself are followed.
void read_sharded(Checkpoint& checkpoint, Shards& shards, const std::string& directory,
                  const std::string& index_path) {
  const json::Value index = json::read(index_path);
  const json::Value* weight_map = index.find("weight_map");
  if (weight_map == nullptr || weight_map->object() == nullptr) {
    fail(index_path, "has no object 'weight_map'");
  }
  for (const json::Member& member : *weight_map->object()) {
    const std::string* shard = member.value.string();
    if (shard == nullptr || shard->empty() || shard->find('/') != std::string::npos) {
      fail(index_path, "must map '" + member.key + "' to the name of a file beside it");
    }
    add_entry(checkpoint, open_shard(shards, directory, *shard), member.key);
  }
}

// Shards whose index was lost: model-00001-of-00002.safetensors, ...
std::vector<std::string> loose_shards(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
  std::vector<std::string> names;
  while (const dirent* entry = open ? ::readdir(open.get()) : nullptr) {
    const std::string name = entry->d_name;
    if (name.rfind("model-", 0) == 0 && ends_with(name, ".safetensors")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

[[noreturn]] void fail_without_weights(const std::string& directory) {
  std::string what = "has neither model.safetensors nor model.safetensors.index.json";
  if (is_file(directory + "/pytorch_model.bin") ||
      is_file(directory + "/pytorch_model.bin.index.json")) {
    what +=
        "; it has pytorch_model.bin, a pickle, which the Python package reads: `sottovoce convert` "
        "makes safetensors of it";
  } else if (is_file(directory + "/model.bin")) {
    what +=
        "; it has model.bin, as CTranslate2 models do: `sottovoce convert` makes a Hugging Face "
        "directory of it";
  }
  fail(directory, what);
}

std::shared_ptr<const void> read_tensors(Checkpoint& checkpoint, const std::string& directory) {
  auto shards = std::make_shared<Shards>();
  const std::string index_path = directory + "/model.safetensors.index.json";
  if (is_file(directory + "/model.safetensors")) {
    add_file(checkpoint, open_shard(*shards, directory, "model.safetensors"));
  } else if (is_file(index_path)) {
    read_sharded(checkpoint, *shards, directory, index_path);
  } else {
    const std::vector<std::string> loose = loose_shards(directory);
    if (loose.empty()) fail_without_weights(directory);
    for (const std::string& name : loose) {
      add_file(checkpoint, open_shard(*shards, directory, name));
    }
  }
  return shards;
}

void read_generation(Checkpoint& checkpoint, const json::Value& config, const std::string& path) {
  const ModelDims& dims = checkpoint.dims;
  checkpoint.suppress_tokens = huggingface::read_suppress_tokens(config, path, dims);
  checkpoint.alignment_heads = huggingface::read_alignment_heads(config, path, dims);
}

// Of config.json: all but the tensors and what a generation_config.json may say.
Draft read_config(const json::Value& config, const std::string& path, const std::string& source) {
  Draft draft;
  draft.checkpoint.source = source;
  draft.checkpoint.dims = huggingface::read_dims(config, path);
  const json::Value* const tied = config.find("tie_word_embeddings");
  draft.is_tied = tied == nullptr || tied->boolean() == nullptr || *tied->boolean();
  return draft;
}

// All of a checkpoint but its tensors.
Draft read_settings(const std::string& directory) {
  if (!is_directory(directory)) fail(directory, "is not a directory");
  const std::string config_path = directory + "/config.json";
  if (!is_file(config_path)) {
    fail(directory,
         "has no config.json; expected a Hugging Face Whisper directory with config.json and "
         "model.safetensors");
  }
  const json::Value config = json::read(config_path);
  Draft draft = read_config(config, config_path, directory);
  // Files from before 2023 have no generation_config.json and keep its fields in config.json.
  const std::string generation_path = directory + "/generation_config.json";
  if (is_file(generation_path)) {
    read_generation(draft.checkpoint, json::read(generation_path), generation_path);
  } else {
    read_generation(draft.checkpoint, config, config_path);
  }
  return draft;
}

// One file with the texts of the directory's JSON files in its metadata.
Checkpoint open_whole(const std::string& path) {
  auto file = std::make_shared<const SafetensorsFile>(path);
  const auto find_text = [&](const char* name) {
    const auto found = file->metadata().find(name);
    return found == file->metadata().end() ? nullptr : &found->second;
  };
  const std::string* const config = find_text(huggingface::kConfigText);
  if (config == nullptr) {
    fail(path,
         std::string("has no ") + huggingface::kConfigText +
             " in its metadata: it holds weights alone, and opens as a part of its directory");
  }
  const std::string where = path + ": " + huggingface::kConfigText;
  Draft draft = read_config(json::parse(*config, where), where, path);
  if (const std::string* const generation = find_text(huggingface::kGenerationText)) {
    const std::string there = path + ": " + huggingface::kGenerationText;
    read_generation(draft.checkpoint, json::parse(*generation, there), there);
  }
  add_file(draft.checkpoint, *file);
  return finish(std::move(draft), path, file);
}

}  // namespace

Checkpoint open_checkpoint(const std::string& path) {
  if (ggml::is_ggml(path)) return ggml::open(path);
  if (is_file(path)) return open_whole(path);
  Draft draft = read_settings(path);
  std::shared_ptr<const void> storage = read_tensors(draft.checkpoint, path);
  return finish(std::move(draft), path, std::move(storage));
}

Checkpoint open_checkpoint(const std::string& directory,
                           const std::map<std::string, TensorView>& tensors,
                           std::shared_ptr<const void> storage) {
  Draft draft = read_settings(directory);
  for (const auto& [name, view] : tensors) {
    if (const auto ours = needed_name(directory, name)) {
      add_tensor(draft.checkpoint, directory, name, *ours, view);
    }
  }
  return finish(std::move(draft), directory, std::move(storage));
}

}  // namespace sottovoce
