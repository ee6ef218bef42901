// The doors: which file, whether it fits, and a model of it.
#include <sottovoce/packed.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sottovoce/error.h>

#include "checksum.h"
#include "mapped_file.h"
#include "model_impl.h"
#include "packed_file.h"
#include "packed_weights.h"

namespace sottovoce {

namespace {

// Raised whenever the same checkpoint packs to other bytes, or each_field() walks another way: a
// test remembers the bytes of each format.
constexpr int kFormat = 3;

// What the header begins with: everything that must be the same for the bytes to be.
std::string expected_header(const std::string& isa, const ComputeType& type,
                            const std::string& identity) {
  return "sottovoce " SOTTOVOCE_VERSION " format " + std::to_string(kFormat) + " " + isa + " " +
         type.meaning() + "\n" + std::to_string(identity.size()) + "\n" + identity;
}

// Packed weights are in the order that a CPU's kernels read.
bool is_packed_for(const ops::Backend& backend) {
  return std::strcmp(backend.device(), "cpu") == 0;
}

// open_packed() on a back end of these options.
std::optional<Model> open_on(std::shared_ptr<const ops::Backend> backend, const std::string& path,
                             const std::string& identity, const RuntimeOptions& options) {
  const ComputeType type = backend->compute_type(options.compute_type);
  if (!is_packed_for(*backend)) return std::nullopt;
  auto impl = std::make_shared<Model::Impl>(options, std::move(backend));
  impl->options.compute_type = type.name;
  const auto file = packed::PackedFile::open(*impl->backend->host().threads, path,
                                             expected_header(impl->isa, type, identity));
  if (!file) return std::nullopt;
  try {
    packed::Network network = packed::read_network(impl->backend->host(), file, type);
    impl->dims = network.dims;
    impl->alignment_heads = std::move(network.alignment_heads);
    impl->weights = std::move(network.weights);
  } catch (const LoadError&) {
    return std::nullopt;
  }
  return Model(std::move(impl));
}

// Makes a folder and those above it that are missing.
void make_folder(const std::string& folder) {
  constexpr mode_t kOwnerOnly = 0700;
  if (folder.empty() || ::mkdir(folder.c_str(), kOwnerOnly) == 0 || errno == EEXIST) return;
  if (errno == ENOENT) {
    const std::size_t slash = folder.find_last_of('/', folder.find_last_not_of('/'));
    if (slash != std::string::npos && slash > 0) {
      make_folder(folder.substr(0, slash));
      if (::mkdir(folder.c_str(), kOwnerOnly) == 0 || errno == EEXIST) return;
    }
  }
  throw LoadError("cannot make folder '" + folder + "': " + std::generic_category().message(errno));
}

std::string hexadecimal(std::uint64_t value) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 15];
  return text;
}

}  // namespace

std::string packed_path(const std::string& folder, const std::string& directory,
                        const RuntimeOptions& options) {
  if (folder.empty()) throw LoadError("packed weights: must be given a folder, got ''");
  RuntimeOptions alone = options;
  alone.n_threads = 1;
  alone.device = "cpu";
  const std::unique_ptr<ops::Backend> backend = ops::open_backend(alone);
  const std::string isa = ops::isa_name(backend->host());
  const std::string type = backend->compute_type(options.compute_type).name;
  const std::string real = real_path(directory);
  const std::string whole = real.empty() ? directory : real;
  const std::string name = whole.substr(whole.find_last_of('/') + 1);
  return folder + "/" + name + "-" + hexadecimal(checksum(whole.data(), whole.size())) + "-" + isa +
         "-" + type + ".packed";
}

std::optional<Model> open_packed(const std::string& path, const std::string& identity,
                                 const RuntimeOptions& options) {
  if (::access(path.c_str(), F_OK) != 0) {  // no reason to start threads
    check_runtime(options);
    return std::nullopt;
  }
  return open_on(ops::open_backend(options), path, identity, options);
}

bool save_packed(const Model& model, const std::string& path, const std::string& identity,
                 double patience) {
  Model::Impl& impl = model.impl();
  if (!is_packed_for(*impl.backend)) return false;
  const std::size_t slash = path.find_last_of('/');
  if (slash != std::string::npos) make_folder(path.substr(0, slash));
  std::vector<packed::Section> sections;
  const std::string header =
      expected_header(impl.isa, impl.weights.type, identity) +
      packed::describe(impl.dims, impl.alignment_heads, impl.weights, sections);
  return packed::write_file(*impl.backend->host().threads, path, header, sections, patience);
}

Model open_model(const std::string& directory, const RuntimeOptions& options,
                 const std::string& folder) {
  const std::string identity = checkpoint_identity(directory);
  const std::string path = packed_path(folder, directory, options);
  // One set of threads, whichever way the weights come.
  const std::shared_ptr<const ops::Backend> backend = ops::open_backend(options);
  if (auto model = open_on(backend, path, identity, options)) return *std::move(model);
  auto impl = std::make_shared<Model::Impl>(options, backend);
  impl->pack(open_checkpoint(directory));
  Model model(std::move(impl));
  if (checkpoint_identity(directory) != identity) return model;  // it changed under our hands
  try {
    save_packed(model, path, identity);
  } catch (const LoadError&) {
    return model;  // slower next time, and that is all
  }
  // From the file, to share its pages.
  if (auto shared = open_on(backend, path, identity, options)) return *std::move(shared);
  return model;
}

}  // namespace sottovoce
