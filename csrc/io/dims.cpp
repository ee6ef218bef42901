// ModelDims: equality, text, and the question whether ten numbers can describe a network at all.
#include <sottovoce/dims.h>

#include <string>

#include <sottovoce/error.h>

namespace sottovoce {
namespace {

struct Field {
  const char* name;
  int ModelDims::* value;
  int max;  // far above any Whisper, far below what would exhaust memory before a tensor is checked
};

constexpr Field kFields[] = {
    {"n_mels", &ModelDims::n_mels,
     kNFft / 2},  // more bands than that have no frequency of their own
    {"n_audio_ctx", &ModelDims::n_audio_ctx, 1 << 16},
    {"n_audio_state", &ModelDims::n_audio_state, 1 << 14},
    {"n_audio_head", &ModelDims::n_audio_head, 1 << 10},
    {"n_audio_layer", &ModelDims::n_audio_layer, 1 << 10},
    {"n_vocab", &ModelDims::n_vocab, 1 << 20},
    {"n_text_ctx", &ModelDims::n_text_ctx, 1 << 16},
    {"n_text_state", &ModelDims::n_text_state, 1 << 14},
    {"n_text_head", &ModelDims::n_text_head, 1 << 10},
    {"n_text_layer", &ModelDims::n_text_layer, 1 << 10},
};

[[noreturn]] void fail(const std::string& name, const std::string& expected, int got) {
  throw LoadError("ModelDims: " + name + " must be " + expected + ", got " + std::to_string(got));
}

void check_heads(const char* state_name, int state, const char* head_name, int heads) {
  if (state % heads == 0) return;
  fail(state_name, std::string("a multiple of ") + head_name + "=" + std::to_string(heads), state);
}

}  // namespace

void ModelDims::validate() const {
  for (const Field& field : kFields) {
    const int value = this->*field.value;
    if (value < 1 || value > field.max)
      fail(field.name, "in 1.." + std::to_string(field.max), value);
  }
  // Sinusoids come in pairs, and so do bfloat16 in a word.
  if (n_audio_state % 2 != 0) fail("n_audio_state", "even", n_audio_state);
  check_heads("n_audio_state", n_audio_state, "n_audio_head", n_audio_head);
  check_heads("n_text_state", n_text_state, "n_text_head", n_text_head);
  // The cross-attention projects the encoder's output with (n_text_state, n_text_state) matrices.
  if (n_text_state != n_audio_state) {
    fail("n_text_state", "n_audio_state=" + std::to_string(n_audio_state), n_text_state);
  }
}

std::string ModelDims::to_string() const {
  std::string text = "ModelDims(";
  const char* separator = "";
  for (const Field& field : kFields) {
    text += separator + std::string(field.name) + "=" + std::to_string(this->*field.value);
    separator = ", ";
  }
  return text + ")";
}

bool ModelDims::operator==(const ModelDims& other) const {
  for (const Field& field : kFields) {
    if (this->*field.value != other.*field.value) return false;
  }
  return true;
}

}  // namespace sottovoce
