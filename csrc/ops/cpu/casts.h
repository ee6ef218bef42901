// What stands behind the interface's handles on a CPU: a back end sees its own kind alone.
#pragma once

#include "backend.h"
#include "verbs.h"

namespace sottovoce::ops {

inline const PackedLinear& packed(const Linear& weight) {
  return static_cast<const PackedLinear&>(weight);
}

inline PackedKeysValues& packed(KeysValues& keys_values) {
  return static_cast<PackedKeysValues&>(keys_values);
}
inline const PackedKeysValues& packed(const KeysValues& keys_values) {
  return static_cast<const PackedKeysValues&>(keys_values);
}

inline Activations& activations(Rows& rows) { return static_cast<Activations&>(rows); }
inline const Activations& activations(const Rows& rows) {
  return static_cast<const Activations&>(rows);
}

}  // namespace sottovoce::ops
