// The classes of code points that tell where GPT-2's words end.
#pragma once

namespace sottovoce {

// Unicode's general categories L and N, its property White_Space, and the rest.
enum class CharClass { kOther, kLetter, kNumber, kSpace };

CharClass class_of(char32_t code);

}  // namespace sottovoce
