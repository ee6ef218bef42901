// Asks between the operations of a long call whether its caller still wants it.
#pragma once

namespace sottovoce {

// Throws what the tokens of this thread's Cancellables throw. Then calls the `check` of its
// Interruptible, if there is one and it has not been asked for a while; throws what that throws.
void check_interruption();

}  // namespace sottovoce
