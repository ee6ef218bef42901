// Packed weights in a file: a model that was packed once starts again without its checkpoint, and
// processes that use the same file share its pages.
//
//   Model model = open_model("whisper-base", options, "/var/cache/sottovoce");
//
// The file belongs to one version of the library, instruction set, compute type and state of the
// checkpoint's files. Anything else, and any damage, is as good as no file at all. The folder
// should be on a disk of this machine, and its files may be removed at any time, but must not be
// truncated or copied over while somebody uses them.
#pragma once

#include <optional>
#include <string>

#include <sottovoce/model.h>

namespace sottovoce {

// The file in `folder` for the model in `directory` under these options. Throws LoadError for an
// empty name, ShapeError for options.
std::string packed_path(const std::string& folder, const std::string& directory,
                        const RuntimeOptions& options);

// The model that was saved at `path` under this identity (checkpoint_identity()), or nothing: no
// such file, another identity, version, instruction set or compute type, or a checksum that does
// not fit. The file must belong to this user or root and be writable for nobody else. Throws
// ShapeError for options.
std::optional<Model> open_packed(const std::string& path, const std::string& identity,
                                 const RuntimeOptions& options = {});

// Saves the packed weights for open_packed(), unless they are there already; makes the folder. The
// file appears at once and whole, also in place of one that others have open. Waits up to
// `patience` seconds while somebody else saves there, then returns false. Throws LoadError if the
// file cannot be written.
bool save_packed(const Model& model, const std::string& path, const std::string& identity,
                 double patience = 10.0);

// A Hugging Face directory by way of `folder`: opened from there, or packed and saved. A folder
// that cannot be written is no error. Throws what packed_path(), open_checkpoint() and Model()
// throw.
Model open_model(const std::string& directory, const RuntimeOptions& options,
                 const std::string& folder);

}  // namespace sottovoce
