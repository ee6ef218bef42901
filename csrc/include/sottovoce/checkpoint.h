// A checkpoint on disk, read without Python: dimensions, tensors under the reference's names, and
// the vocabulary. Files are memory-mapped; a tensor is a view into the map until a Model packs it.
//
//   Checkpoint checkpoint = open_checkpoint("whisper-tiny.en");   // a directory, or a file
//   Model model(checkpoint, RuntimeOptions{});
//   Vocabulary vocabulary = Vocabulary::open("whisper-tiny.en");
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sottovoce/dims.h>
#include <sottovoce/tensor.h>

namespace sottovoce {

struct LayerHead {
  int layer = 0;  // decoder layer
  int head = 0;   // attention head in it
};

// Tensors are named as openai-whisper names them: "encoder.blocks.0.attn.query.weight", ...
struct Checkpoint {
  ModelDims dims;
  std::map<std::string, TensorView> tensors;
  std::optional<std::vector<LayerHead>> alignment_heads;  // none: the default of the dims
  std::vector<int> suppress_tokens;                       // generation_config.json; may be empty
  std::string source;                                     // path, for messages
  std::shared_ptr<const void> storage;                    // keeps the views alive
};

// Reads a Hugging Face directory (config.json, model.safetensors or its shards, and where present
// generation_config.json), whisper.cpp's ggml file, or a safetensors file with config.json and the
// vocabulary in its metadata, as `sottovoce convert` writes it. Quantised tensors of ggml become
// float32. Throws LoadError naming the file or the tensor.
Checkpoint open_checkpoint(const std::string& path);

// The same with tensors that the caller has read, under Hugging Face's names, in place of the
// directory's. `storage` keeps them alive.
Checkpoint open_checkpoint(const std::string& directory,
                           const std::map<std::string, TensorView>& tensors,
                           std::shared_ptr<const void> storage);

// A text that changes whenever a model's file, or the files of its directory, do: the path, and of
// every .json, .safetensors and .bin file the name, size, times and the checksum of a sample.
// Throws LoadError if they cannot be read.
std::string checkpoint_identity(const std::string& path);

// Names and ids of the special tokens of a vocabulary, without the timestamps: what a model of so
// many tokens was trained with. Empty for a size that no released model has.
std::map<std::string, int> special_names(int n_vocab);

class BytePairs;

// Token ids and their bytes, from a directory's tokenizer.json, vocab.json and added_tokens.json,
// or CTranslate2's vocabulary.json or vocabulary.txt; or from a file that is a whole model.
// Immutable.
class Vocabulary {
 public:
  static Vocabulary open(const std::string& path);  // throws LoadError

  // `pieces`: the ordinary tokens by id, in UTF-8 in the byte alphabet, as files spell them;
  // `special`: ids by name. Throws LoadError for what open() would not take in a file.
  Vocabulary(const std::vector<std::string>& pieces, const std::map<std::string, int>& special);

  int size() const { return static_cast<int>(bytes_.size()); }
  // Bytes of one token (special tokens: their name, as "<|en|>"). Throws ShapeError if out of
  // range.
  const std::string& bytes(int token) const;
  // The same as vocabulary files spell it: in UTF-8, a printable character for each byte.
  std::string spelled(int token) const;
  // Whether all ids below `end` are ordinary tokens, and every single byte is one of them.
  bool is_byte_level(int end) const;
  // The id of a special token by its name ("<|startoftranscript|>"), or nothing.
  std::optional<int> special(const std::string& name) const;
  // Text of the tokens below `end_of_text`, concatenated bytes; invalid UTF-8 becomes U+FFFD.
  std::string decode(const std::vector<int>& tokens) const;
  // Ids of a text in UTF-8, as openai-whisper's tiktoken encodes it: GPT-2's words, merged in the
  // order of the ids. Names of special tokens are only text. Throws ShapeError if it is not UTF-8,
  // LoadError if it has a byte that is no token.
  std::vector<int> encode(const std::string& text) const;

 private:
  struct Table;
  explicit Vocabulary(Table table);

  std::vector<std::string> bytes_;               // by id
  std::vector<bool> is_special_;                 // by id
  std::vector<bool> is_taken_;                   // by id: a file has a token of it
  std::map<std::string, int> special_;           // by name
  std::shared_ptr<const BytePairs> byte_pairs_;  // of the ordinary tokens below <|endoftext|>
};

}  // namespace sottovoce
