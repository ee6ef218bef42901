// The door of the room: options that contradict each other or do not fit the model stop here.
#pragma once

#include <sottovoce/decoding.h>
#include <sottovoce/dims.h>

namespace sottovoce {

// Throws ShapeError that says which option, what was expected and what it got.
void check_options(const DecodingOptions& options, const ModelDims& dims);

}  // namespace sottovoce
