// Forks, after which threads are missing: a child has only the one that forked.
#pragma once

namespace sottovoce {

// Between this process and the one that loaded the library.
int n_forks();
// Whether threads started when n_forks() was `n` are gone.
bool forked_since(int n);
// Whether this thread has come through a fork: what it knows of other threads is out of date.
bool this_thread_forked();

}  // namespace sottovoce
