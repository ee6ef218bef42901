// Counting in the child.
#include "forks.h"

#include <pthread.h>

#include <atomic>

namespace sottovoce {

namespace {

std::atomic<int> n_seen{0};
thread_local bool came_through = false;

// Runs in the child, on the thread that forked. Forks that could not be registered for may have
// happened at any time.
const bool unseen = pthread_atfork(nullptr, nullptr, [] {
                      ++n_seen;
                      came_through = true;
                    }) != 0;

}  // namespace

int n_forks() { return n_seen; }

bool forked_since(int n) { return unseen || n_seen != n; }

bool this_thread_forked() { return unseen || came_through; }

}  // namespace sottovoce
