// open_checkpoint(): a Hugging Face directory as dims and memory-mapped tensors. Whether the
// tensors are complete and have the right shapes is for the model to say, which knows what it
// needs.
#include "huggingface.h"

#include <sys/stat.h>

#include <map>
#include <memory>
#include <utility>

#include <sottovoce/error.h>

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

void add_tensor(Checkpoint& checkpoint, SafetensorsFile& shard, const std::string& name) {
  const auto ours = reference_name(name);
  if (!ours) return;  // proj_out.weight, tied to the token embedding, and what we never heard of
  if (!checkpoint.tensors.emplace(*ours, shard.view(name)).second) {
    fail(shard.path(), "holds '" + *ours + "' under two names, one of them '" + name + "'");
  }
}

void read_single(Checkpoint& checkpoint, Shards& shards, const std::string& directory) {
  SafetensorsFile& file = open_shard(shards, directory, "model.safetensors");
  for (const auto& [name, entry] : file.entries()) add_tensor(checkpoint, file, name);
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
    add_tensor(checkpoint, open_shard(shards, directory, *shard), member.key);
  }
}

[[noreturn]] void fail_without_weights(const std::string& directory) {
  std::string what = "has neither model.safetensors nor model.safetensors.index.json";
  if (is_file(directory + "/pytorch_model.bin") ||
      is_file(directory + "/pytorch_model.bin.index.json")) {
    what +=
        "; it has pytorch_model.bin, a pickle, which is not read: save it again with "
        "save_pretrained(..., safe_serialization=True)";
  } else if (is_file(directory + "/model.bin")) {
    what +=
        "; it has model.bin, as CTranslate2 models do: `sottovoce convert` makes a Hugging Face "
        "directory of it";
  }
  fail(directory, what);
}

void read_tensors(Checkpoint& checkpoint, const std::string& directory) {
  auto shards = std::make_shared<Shards>();
  const std::string index_path = directory + "/model.safetensors.index.json";
  if (is_file(directory + "/model.safetensors")) {
    read_single(checkpoint, *shards, directory);
  } else if (is_file(index_path)) {
    read_sharded(checkpoint, *shards, directory, index_path);
  } else {
    fail_without_weights(directory);
  }
  if (checkpoint.tensors.empty()) fail(directory, "holds no tensor of a Whisper network");
  checkpoint.storage = std::move(shards);
}

}  // namespace

Checkpoint open_checkpoint(const std::string& directory) {
  if (!is_directory(directory)) fail(directory, "is not a directory");
  const std::string config_path = directory + "/config.json";
  if (!is_file(config_path)) {
    fail(directory,
         "has no config.json; expected a Hugging Face Whisper directory with config.json and "
         "model.safetensors");
  }
  Checkpoint checkpoint;
  checkpoint.source = directory;
  json::Value config = json::read(config_path);
  checkpoint.dims = huggingface::read_dims(config, config_path);

  // Files from before 2023 have no generation_config.json and keep its fields in config.json.
  std::string generation_path = directory + "/generation_config.json";
  if (is_file(generation_path)) {
    config = json::read(generation_path);
  } else {
    generation_path = config_path;
  }
  const ModelDims& dims = checkpoint.dims;
  checkpoint.suppress_tokens = huggingface::read_suppress_tokens(config, generation_path, dims);
  checkpoint.alignment_heads = huggingface::read_alignment_heads(config, generation_path, dims);
  read_tensors(checkpoint, directory);
  return checkpoint;
}

}  // namespace sottovoce
