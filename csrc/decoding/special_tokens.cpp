// The ids that the rules of decoding speak of, from a vocabulary.
#include <string>

#include <sottovoce/checkpoint.h>
#include <sottovoce/decoding.h>
#include <sottovoce/error.h>

namespace sottovoce {

SpecialTokens special_tokens(const Vocabulary& vocabulary) {
  const auto id_of = [&](const std::string& name) {
    const std::optional<int> id = vocabulary.special(name);
    if (!id) throw LoadError("special_tokens: the vocabulary has no " + name);
    return *id;
  };
  SpecialTokens special;
  special.eot = id_of("<|endoftext|>");
  special.no_speech = id_of("<|nospeech|>");
  special.no_timestamps = id_of("<|notimestamps|>");
  special.timestamp_begin = special.no_timestamps + 1;  // tokenizer files may leave them out
  return special;
}

}  // namespace sottovoce
