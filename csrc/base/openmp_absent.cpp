// In place of openmp_team.cpp where the library is built without OpenMP.
#include "openmp_team.h"

namespace sottovoce {

std::unique_ptr<Threads> make_openmp_team(int) { return nullptr; }

}  // namespace sottovoce
