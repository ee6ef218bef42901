// kernel(isa, name): single kernels as functions of arrays, so that tests reach every instruction
// set of this machine in one process.
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>

#include "bind.h"
#include "kernels.h"
#include "numpy_array.h"
#include "parallel.h"
#include "thread_pool.h"
#include "verbs.h"

namespace sottovoce::bind {

namespace {

using F32 = py::array_t<float, py::array::c_style>;
using U16 = py::array_t<std::uint16_t, py::array::c_style>;
using F64 = py::array_t<double, py::array::c_style>;

void need(bool holds, const char* what) {
  if (!holds) throw ShapeError(what);
}

F32 like(const F32& x) { return F32(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim())); }

// Operands of a GEMM over one panel, in words: a (m, k) row by row, b (k, n <= gemm_nr) as a panel.
template <class A, class B>
class Operands {
 public:
  Operands(const kernels::Table& table, const py::array_t<A, py::array::c_style>& a,
           const py::array_t<B, py::array::c_style>& b)
      : m(a.shape(0)), n(b.shape(1)), k_words_((a.shape(1) + kPerWord - 1) / kPerWord) {
    const py::ssize_t nr = table.gemm_nr;
    const py::ssize_t k = a.shape(1);
    a_.assign(static_cast<std::size_t>(m * k_words_ * kPerWord), A{});
    b_.assign(static_cast<std::size_t>(nr * k_words_ * kPerWord), B{});
    for (py::ssize_t row = 0; row < m; ++row) {
      std::copy_n(a.data(row, 0), k, a_.data() + row * k_words_ * kPerWord);
    }
    for (py::ssize_t i = 0; i < k; ++i) {
      for (py::ssize_t column = 0; column < n; ++column) {
        const py::ssize_t at =
            kApart ? i * nr + column : (i / kPerWord * nr + column) * kPerWord + i % kPerWord;
        b_[static_cast<std::size_t>(at)] = b.at(i, column);
      }
    }
  }

  kernels::Gemm gemm(F32& c) const {
    kernels::Gemm args{};
    args.a = a_.data();
    args.lda = k_words_ * 4;
    args.b = b_.data();
    args.k_words = k_words_;
    args.m = m;
    args.n = n;
    args.c = c.mutable_data();
    args.ldc = n;
    return args;
  }

  const py::ssize_t m;
  const py::ssize_t n;

 private:
  static constexpr py::ssize_t kPerWord = 4 / sizeof(A);
  static constexpr bool kApart = sizeof(A) == 2 && sizeof(B) == 1;  // gemm_bf16_i8
  py::ssize_t k_words_;
  std::vector<A> a_;
  std::vector<B> b_;
};

// C = activation(A B + bias) + residual over one panel, float32 or bfloat16 bits.
template <class Element>
F32 gemm(const kernels::Table& table, void (*kernel)(const kernels::Gemm&),
         const py::array_t<Element, py::array::c_style>& a,
         const py::array_t<Element, py::array::c_style>& b, const py::object& bias,
         const py::object& residual, bool gelu) {
  need(a.ndim() == 2 && b.ndim() == 2 && b.shape(1) <= table.gemm_nr && b.shape(0) == a.shape(1),
       "gemm: a must be (m, k), b (k, n<=nr)");
  const Operands<Element, Element> operands(table, a, b);
  F32 c({operands.m, operands.n});
  kernels::Gemm args = operands.gemm(c);
  args.activation = gelu ? kernels::Activation::kGelu : kernels::Activation::kNone;
  std::vector<float> padded_bias(static_cast<std::size_t>(table.gemm_nr), 0.0f);
  F32 keep_bias;
  F32 keep_residual;
  if (!bias.is_none()) {
    keep_bias = bias.cast<F32>();
    need(keep_bias.size() == operands.n, "gemm: bias must be (n,)");
    std::copy_n(keep_bias.data(), operands.n, padded_bias.data());
    args.bias = padded_bias.data();
  }
  if (!residual.is_none()) {
    keep_residual = residual.cast<F32>();
    need(keep_residual.size() == operands.m * operands.n, "gemm: residual must be (m, n)");
    args.residual = keep_residual.data();
    args.ld_residual = operands.n;
  }
  kernel(args);
  return c;
}

// C = (A - offset) B * a_scales * b_scales over one panel of bytes.
F32 gemm_i8(const kernels::Table& table, const py::array_t<std::uint8_t, py::array::c_style>& a,
            const py::array_t<std::int8_t, py::array::c_style>& b, const F32& a_scales,
            const F32& b_scales) {
  need(a.ndim() == 2 && b.ndim() == 2 && b.shape(1) <= table.gemm_nr && b.shape(0) == a.shape(1) &&
           a_scales.size() == a.shape(0) && b_scales.size() == b.shape(1),
       "gemm_i8: a must be (m, k), b (k, n<=nr), a_scales (m,), b_scales (n,)");
  const Operands<std::uint8_t, std::int8_t> operands(table, a, b);
  std::vector<float> scales(static_cast<std::size_t>(table.gemm_nr), 0.0f);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(table.gemm_nr), 0);
  for (py::ssize_t column = 0; column < operands.n; ++column) {
    const auto at = static_cast<std::size_t>(column);
    scales[at] = b_scales.at(column);
    for (py::ssize_t i = 0; i < b.shape(0); ++i) sums[at] += table.int8_offset * b.at(i, column);
  }
  F32 c({operands.m, operands.n});
  kernels::Gemm args = operands.gemm(c);
  args.a_scales = a_scales.data();
  args.b_scales = scales.data();
  args.b_sums = sums.data();
  table.gemm_i8(args);
  return c;
}

// C = A B * b_scales over one panel, bfloat16 bits by bytes.
F32 gemm_bf16_i8(const kernels::Table& table, const U16& a,
                 const py::array_t<std::int8_t, py::array::c_style>& b, const F32& b_scales) {
  need(a.ndim() == 2 && b.ndim() == 2 && b.shape(1) <= table.gemm_nr && b.shape(0) == a.shape(1) &&
           b_scales.size() == b.shape(1),
       "gemm_bf16_i8: a must be (m, k), b (k, n<=nr), b_scales (n,)");
  const Operands<std::uint16_t, std::int8_t> operands(table, a, b);
  std::vector<float> scales(static_cast<std::size_t>(table.gemm_nr), 0.0f);
  std::copy_n(b_scales.data(), operands.n, scales.data());
  F32 c({operands.m, operands.n});
  kernels::Gemm args = operands.gemm(c);
  args.b_scales = scales.data();
  table.gemm_bf16_i8(args);
  return c;
}

std::vector<const float*> rows_of(const F32& table) {
  std::vector<const float*> rows;
  for (py::ssize_t row = 0; row < table.shape(0); ++row) rows.push_back(table.data(row, 0));
  return rows;
}

DType dtype_named(const std::string& name) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kInt8}) {
    if (name == name_of(dtype)) return dtype;
  }
  throw ShapeError("fused_linear: dtype must be float32, bfloat16 or int8, got " + name);
}

// [x W0^T + b0 | x W1^T + b1 | ...] as the model computes its fused projections: packed once in
// `dtype`, one GEMM over `n_threads` threads.
F32 fused_linear(const kernels::Table& table, const F32& x, const std::vector<F32>& weights,
                 const std::vector<std::optional<F32>>& biases, int n_threads,
                 const std::string& dtype) {
  need(x.ndim() == 2 && !weights.empty() && weights.size() == biases.size(),
       "fused_linear: x must be (m, k), with a bias or None for every weight");
  for (std::size_t i = 0; i < weights.size(); ++i) {
    need(weights[i].ndim() == 2 && weights[i].shape(1) == x.shape(1) &&
             (!biases[i] || biases[i]->size() == weights[i].shape(0)),
         "fused_linear: weights must be (n, k), biases (n,)");
  }
  ThreadPool threads(resolve_n_threads(n_threads));
  const ops::CpuContext context(ops::Context{&table, &threads});
  std::vector<TensorView> bias_views;
  bias_views.reserve(biases.size());
  std::vector<ops::LinearBlock> blocks;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    bias_views.push_back(biases[i] ? view_f32(*biases[i], "bias") : TensorView{});
    blocks.push_back({view_f32(weights[i], "weight"), biases[i] ? &bias_views.back() : nullptr});
  }
  const ops::PackedLinear packed = ops::pack_linear(context, dtype_named(dtype), blocks);
  ops::Activations inputs(context, x.shape(0), x.shape(1), packed.dtype());
  ops::convert(context, x.data(), x.shape(1), inputs);
  F32 out({x.shape(0), static_cast<py::ssize_t>(packed.n)});
  ops::LinearArgs args;
  args.x = inputs.view();
  args.m = x.shape(0);
  float* column = out.mutable_data();
  for (const ops::PackedLinear::Block& block : packed.blocks) {
    args.out.push_back(ops::Destination::rows(column, DType::kFloat32, packed.n));
    column += block.n;
  }
  ops::linear(context, packed, args);
  return out;
}

py::object make(const kernels::Table& t, const std::string& name) {
  if (name == "fused_linear") {
    return py::cpp_function(
        [&t](const F32& x, const std::vector<F32>& weights,
             const std::vector<std::optional<F32>>& biases, int n_threads,
             const std::string& dtype) {
          return fused_linear(t, x, weights, biases, n_threads, dtype);
        },
        py::arg("x"), py::arg("weights"), py::arg("biases"), py::arg("n_threads") = 1,
        py::arg("dtype") = "float32");
  }
  if (name == "gemm_f32") {
    return py::cpp_function(
        [&t](const F32& a, const F32& b, const py::object& bias, const py::object& residual,
             bool gelu) { return gemm<float>(t, t.gemm_f32, a, b, bias, residual, gelu); },
        py::arg("a"), py::arg("b"), py::arg("bias") = py::none(), py::arg("residual") = py::none(),
        py::arg("gelu") = false);
  }
  if (name == "gemm_bf16") {
    return py::cpp_function(
        [&t](const U16& a, const U16& b, const py::object& bias, const py::object& residual,
             bool gelu) { return gemm<std::uint16_t>(t, t.gemm_bf16, a, b, bias, residual, gelu); },
        py::arg("a"), py::arg("b"), py::arg("bias") = py::none(), py::arg("residual") = py::none(),
        py::arg("gelu") = false);
  }
  if (name == "gemm_i8") {
    return py::cpp_function(
        [&t](const py::array_t<std::uint8_t, py::array::c_style>& a,
             const py::array_t<std::int8_t, py::array::c_style>& b, const F32& a_scales,
             const F32& b_scales) { return gemm_i8(t, a, b, a_scales, b_scales); });
  }
  if (name == "gemm_bf16_i8") {
    return py::cpp_function([&t](const U16& a,
                                 const py::array_t<std::int8_t, py::array::c_style>& b,
                                 const F32& b_scales) { return gemm_bf16_i8(t, a, b, b_scales); });
  }
  if (name == "int8_offset") return py::int_(t.int8_offset);
  if (name == "to_bf16") {
    return py::cpp_function([&t](const F32& x) {
      U16 y(x.size());
      t.to_bf16(x.data(), x.size(), y.mutable_data());
      return y;
    });
  }
  if (name == "hadamard_f32") {
    return py::cpp_function([&t](const F32& x) {
      F32 y = like(x);
      t.hadamard_f32(x.data(), x.size(), y.mutable_data());
      return y;
    });
  }
  if (name == "quantize_i8") {
    return py::cpp_function([&t](const F32& x) {
      py::array_t<std::uint8_t> y(x.size());
      const float scale = t.quantize_i8(x.data(), x.size(), y.mutable_data());
      return py::make_tuple(y, scale);
    });
  }
  if (name == "softmax_bf16") {  // not normalised: bfloat16 bits and the factor
    return py::cpp_function(
        [&t](const F32& x, const std::optional<F32>& scales) {
          need(!scales || scales->size() == x.size(), "softmax_bf16: scales must be (n,)");
          U16 y(x.size());
          const float factor = t.softmax_bf16(x.data(), scales ? scales->data() : nullptr, x.size(),
                                              y.mutable_data());
          return py::make_tuple(y, factor);
        },
        py::arg("x"), py::arg("scales") = py::none());
  }
  if (name == "layer_norm_f32") {
    return py::cpp_function([&t](const F32& x, const F32& weight, const F32& bias, float eps) {
      need(weight.size() == x.size() && bias.size() == x.size(),
           "layer_norm_f32: x, weight and bias must be (n,)");
      F32 y = like(x);
      t.layer_norm_f32(x.data(), weight.data(), bias.data(), eps, x.size(), y.mutable_data());
      return y;
    });
  }
  if (name == "softmax_f32") {  // normalised here: the kernel returns the factor
    return py::cpp_function([&t](const F32& x) {
      F32 y = like(x);
      std::copy_n(x.data(), x.size(), y.mutable_data());
      t.scale_f32(y.mutable_data(), t.softmax_f32(y.mutable_data(), x.size()), x.size());
      return y;
    });
  }
  if (name == "max_sum_f32") {
    return py::cpp_function([&t](const F32& x) {
      const kernels::MaxSum result = t.max_sum_f32(x.data(), x.size());
      return py::make_tuple(result.max, result.sum);
    });
  }
  if (name == "argmax_f32") {
    return py::cpp_function([&t](const F32& x) { return t.argmax_f32(x.data(), x.size()); });
  }
  if (name == "dots_f32") {
    return py::cpp_function([&t](const F32& q, const F32& keys) {
      need(keys.ndim() == 2 && keys.shape(1) == q.size(), "dots_f32: q must be (d,), keys (n, d)");
      F32 out(keys.shape(0));
      t.dots_f32(q.data(), rows_of(keys).data(), 0, q.size(), keys.shape(0), out.mutable_data());
      return out;
    });
  }
  if (name == "weighted_sum_f32") {
    return py::cpp_function([&t](const F32& weights, const F32& values) {
      need(values.ndim() == 2 && values.shape(0) == weights.size(),
           "weighted_sum_f32: weights must be (n,), values (n, d)");
      F32 out(values.shape(1));
      t.weighted_sum_f32(weights.data(), rows_of(values).data(), 0, values.shape(1),
                         values.shape(0), out.mutable_data());
      return out;
    });
  }
  if (name == "lstm_cell_f32") {
    return py::cpp_function([&t](const F32& gates, const F32& cell) {
      need(gates.size() == 4 * cell.size(), "lstm_cell_f32: cell must be (n,), gates (4, n)");
      F32 c(cell.size());
      std::copy_n(cell.data(), cell.size(), c.mutable_data());
      F32 h(cell.size());
      t.lstm_cell_f32(gates.data(), cell.size(), c.mutable_data(), h.mutable_data());
      return py::make_tuple(c, h);
    });
  }
  if (name == "widen_f16" || name == "widen_bf16") {
    const auto widen = name == "widen_f16" ? t.widen_f16 : t.widen_bf16;
    return py::cpp_function([widen](const U16& x) {
      F32 y(x.size());
      widen(x.data(), x.size(), y.mutable_data());
      return y;
    });
  }
  if (name == "power_spectrum_f64") {
    return py::cpp_function([&t](const F64& frames) {
      if (frames.ndim() != 2 || frames.shape(0) != 400 || frames.shape(1) != 8) {
        throw ShapeError("power_spectrum_f64: frames must be (400, 8) float64");
      }
      F64 power({201, 8});
      t.power_spectrum_f64(frames.data(), power.mutable_data());
      return power;
    });
  }
  throw py::key_error("kernel: no kernel named '" + name + "'");
}

}  // namespace

void bind_kernels(py::module_& module) {
  module.def(
      "kernel",
      [](const std::string& isa, const std::string& name) {
        const kernels::Table* table = kernels::find_table(isa.c_str());
        if (!table) throw py::key_error("kernel: this CPU has no table '" + isa + "'");
        return make(*table, name);
      },
      py::arg("isa"), py::arg("name"),
      "One kernel of one table as a function of arrays: for tests.");
  module.def("cgroup_cpus", &cgroup_cpus, py::arg("root"),
             "CPUs that the quotas of the cgroups under `root`/proc and /sys allow: for tests.");
  module.def("physical_cores", &physical_cores, py::arg("root"), py::arg("cpus"),
             "Cores that CPUs belong to, as `root`/sys has it: for tests.");
}

}  // namespace sottovoce::bind
