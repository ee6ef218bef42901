// Asks between the operations of a long call whether its caller still wants it.
#pragma once

namespace sottovoce {

// Calls the `check` of this thread's Interruptible, if there is one and it has not been asked for a
// while; throws what that throws.
void check_interruption();

}  // namespace sottovoce
