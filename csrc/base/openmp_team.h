// The caller's OpenMP threads, for programs that live in an OpenMP team already and would otherwise
// have two sets of threads on the same cores. Slower than ThreadPool on a busy machine: a region
// ends when the last thread of the team has run.
//
// The team belongs to the thread that calls, as OpenMP has it: callers side by side have one each,
// and inside a parallel region of the caller's own the calling thread works alone unless nesting is
// on. In a forked child the thread that forked works alone: libgomp would wait for threads that
// stayed behind. libgomp ends the process where the system starts no more threads (ThreadPool goes
// on with fewer).
#pragma once

#include <memory>

#include "threads.h"

namespace sottovoce {

// Of n_threads; 0: as many as OpenMP would take (OMP_NUM_THREADS) and this process may use. Null if
// the library was built without OpenMP.
std::unique_ptr<Threads> make_openmp_team(int n_threads);

}  // namespace sottovoce
