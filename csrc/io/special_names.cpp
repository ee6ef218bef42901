// The order of openai-whisper's tokenizer.py: the end of the text, the start of a transcript, the
// languages, and what follows them. text/languages.py has the same codes with their names; a test
// holds the two together.
#include <string_view>

#include <sottovoce/checkpoint.h>

namespace sottovoce {
namespace {

constexpr std::string_view kCodes =
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th "
    "ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr "
    "pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt "
    "haw ln ha ba jw su yue ";

}  // namespace

std::map<std::string, int> special_names(int n_vocab) {
  constexpr int kEnglish = 51864;
  constexpr int kLargeV3 = 51866;
  std::map<std::string, int> names;
  if (n_vocab < kEnglish || n_vocab > kLargeV3) return names;
  ModelDims dims;
  dims.n_vocab = n_vocab;
  int next = n_vocab == kEnglish ? 50256 : 50257;
  names["<|endoftext|>"] = next++;
  names["<|startoftranscript|>"] = next++;
  std::string_view rest = kCodes;
  for (int language = 0; language < dims.n_languages(); ++language) {
    const std::size_t end = rest.find(' ');
    names["<|" + std::string(rest.substr(0, end)) + "|>"] = next++;
    rest.remove_prefix(end + 1);
  }
  for (const char* name : {"<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>",
                           "<|nospeech|>", "<|notimestamps|>"}) {
    names[name] = next++;
  }
  return names;
}

}  // namespace sottovoce
