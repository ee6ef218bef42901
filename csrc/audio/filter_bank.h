// The mel filters without their zeros: a band touches a few neighbouring bins.
#pragma once

#include <vector>

namespace sottovoce {

class FilterBank {
 public:
  explicit FilterBank(int n_mels);

  int n_mels() const { return static_cast<int>(bands_.size()); }
  // out (8): the energies of band `mel` of a power spectrum (201, 8), summed from the low bins up.
  void apply(int mel, const double* power, double* out) const;

 private:
  struct Band {
    int first_bin = 0;
    std::vector<double> weights;  // of bins first_bin, first_bin + 1, ...; may be empty
  };
  std::vector<Band> bands_;
};

}  // namespace sottovoce
