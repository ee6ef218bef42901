// The verbs the network is written in, on whatever device it runs. A back end belongs to a model
// and serves any number of threads at once. It checks nothing that its caller has checked, and
// every output row has the same bits whatever other rows stand beside it.
//
// Above this interface nobody looks into an array: shapes and integers go down, ids and scores come
// back. What differs from step to step of a decoder is in its StepPlan and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sottovoce/runtime.h>
#include <sottovoce/tensor.h>

#include "array.h"
#include "choice.h"
#include "compute_type.h"
#include "host.h"
#include "plan.h"
#include "threads.h"

namespace sottovoce::ops {

// The weight of a linear layer in the order and dtype that the back end's GEMM reads.
class Linear {
 public:
  virtual ~Linear() = default;
  virtual std::size_t n_bytes() const = 0;
};
using LinearPtr = std::unique_ptr<const Linear>;

struct LayerNorm {
  Array weight;  // (n_state) float32
  Array bias;    // (n_state) float32
};

// Token embedding and logits: one matrix (n_vocab, n_text_state).
struct Embedding {
  LinearPtr linear;
  Array rows;  // the same as the checkpoint has it, if the back end wants that as well; or empty

  std::size_t n_bytes() const { return linear->n_bytes() + rows.n_bytes(); }
};

// Activations (n_rows, n) in the dtype of the layer that reads them.
class Rows {
 public:
  virtual ~Rows() = default;
};
using RowsPtr = std::unique_ptr<Rows>;

// A StepPlan where the back end wants it.
class Step {
 public:
  virtual ~Step() = default;
};

// Room for the hidden layer of an MLP.
class MlpScratch {
 public:
  virtual ~MlpScratch() = default;
};

enum class Activation { kNone, kGelu };

class Backend {
 public:
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // For what the host does beside the device.
  const Context& host() const { return host_; }
  virtual const char* device() const = 0;   // "cpu"
  virtual int windows_at_once() const = 0;  // as one encoding should take at most
  // What a name means here: "float32", "bfloat16", "int8", or "auto". Throws ShapeError.
  virtual ComputeType compute_type(const std::string& name) const = 0;

  // --- memory ---

  // Uninitialised memory that is used from end to end.
  virtual Array array(Shape shape, DType dtype = DType::kFloat32) const = 0;
  virtual Array zeros(Shape shape, DType dtype = DType::kFloat32) const = 0;
  // Room: what is touched of it is provided.
  virtual Array reserve(Shape shape, DType dtype = DType::kFloat32) const = 0;
  virtual Array upload(const TensorView& source) const = 0;
  // The same into rows [first_row, ...) of an array of that dtype.
  virtual void upload(const TensorView& source, std::int64_t first_row, Array& out) const = 0;
  // A copy of rows [first_row, first_row + n_rows): (n_rows, n_columns).
  virtual Tensor download(const Array& source, std::int64_t first_row,
                          std::int64_t n_rows) const = 0;
  // All of an array that is written no more: a copy, or where the memory is the host's, itself.
  virtual Tensor take(const Array& source) const = 0;
  // False if an element is infinite or not a number.
  virtual bool all_finite(const Array& source) const = 0;

  virtual LinearPtr pack_linear(DType dtype, const std::vector<LinearBlock>& blocks) const = 0;
  // `weight` (n_out, n_in, 3) as a GEMM over windows of three time-major rows.
  virtual LinearPtr pack_conv1d(DType dtype, const TensorView& weight,
                                const TensorView& bias) const = 0;
  virtual Embedding pack_embedding(DType dtype, const TensorView& weight) const = 0;
  virtual RowsPtr rows(std::int64_t n_rows, std::int64_t n, DType dtype) const = 0;
  virtual KeysValuesPtr keys_values(DType dtype, std::int64_t n_ctx, std::int64_t n_head,
                                    std::int64_t d_head) const = 0;
  virtual std::unique_ptr<KVArena> arena(std::int64_t n_layer, std::int64_t n_ctx,
                                         std::int64_t n_rows, std::int64_t n_state) const = 0;
  // Room for add_mlp over up to n_rows rows of n.
  virtual std::unique_ptr<MlpScratch> mlp_scratch(std::int64_t n_rows, std::int64_t n,
                                                  DType dtype) const = 0;

  // --- layers; x (n_rows, n) is the float32 residual stream ---

  // out (n_out, n) = layer_norm(x) of n_out rows from first_row on.
  virtual void layer_norm(const Array& x, std::int64_t first_row, const LayerNorm& ln,
                          Array& out) const = 0;
  // out = activation(layer_norm(x) W^T + bias), in blocks side by side. `normal` (n_rows, n): room
  // for layer_norm(x).
  virtual void norm_linear(const Array& x, const LayerNorm& ln, const Linear& weight, Rows& normal,
                           Array& out) const = 0;
  virtual void norm_linear(const Array& x, const LayerNorm& ln, const Linear& weight, Rows& normal,
                           Rows& out) const = 0;
  // The same for weights of three blocks, q | k | v, over windows of as many rows: q as rows, keys
  // and values in keys_values[window].
  virtual void norm_qkv(const Array& x, const LayerNorm& ln, const Linear& weight, Rows& normal,
                        Rows& q, const std::vector<KeysValuesPtr>& keys_values) const = 0;
  // x += in W^T + bias
  virtual void add_linear(const Rows& in, const Linear& weight, Array& x) const = 0;
  // x += down(gelu(up(layer_norm(x))))
  virtual void add_mlp(const LayerNorm& ln, const Linear& up, const Linear& down,
                       MlpScratch& scratch, Array& x) const = 0;

  // --- audio ---

  // Log-mel (n_mels, <= n_frames) of each window as time-major rows between two of zeros: out
  // (n_windows, n_frames + 2, n_mels). What a window lacks is 0.0.
  virtual void frames(const std::vector<TensorView>& mels, Array& out) const = 0;
  // Convolution over three rows, every `stride` of them, and GELU; plus residual (n_out, n) if
  // there is one. in (n_windows, n_in + 2, k); out (n_windows, n_out, n), n_out = n_in / stride, or
  // with a row before and behind that stays as it is.
  virtual void convolve(const Linear& weight, const Array& in, std::int64_t stride,
                        const Array* residual, Array& out) const = 0;
  // Full attention of the rows of each window to its keys and values. Queries carry the scale
  // d_head^-0.5 already (it is packed into their weight): q, out (n_rows, n_head * d_head). Returns
  // the bytes of scratch.
  virtual std::size_t attend_to_window(const std::vector<KeysValuesPtr>& keys_values,
                                       std::int64_t n_head, const Rows& q, Rows& out) const = 0;
  // out = x in its dtype.
  virtual void convert(const Array& x, Rows& out) const = 0;
  // Keys and values of a window: the two blocks of `weight` over its rows.
  virtual void project_keys_values(const Linear& weight, const Rows& audio,
                                   KeysValues& out) const = 0;

  // --- text ---

  // The plan and the arena outlive the step.
  virtual std::unique_ptr<Step> prepare(const StepPlan& plan, KVArena& arena) const = 0;
  // x (n_inputs, n) = token embedding + positions (n_ctx, n) of each input
  virtual void embed(const Step& step, const Embedding& embedding, const Array& positions,
                     Array& x) const = 0;
  // Causal self-attention: keys and values of qkv (n_inputs, 3 n) go into the arena, and each input
  // attends to its row's past and itself. Returns the bytes of scratch.
  virtual std::size_t append_and_attend(const Step& step, std::int64_t layer, std::int64_t n_head,
                                        const Array& qkv, Rows& out) const = 0;
  // Full attention of each input to the audio that it hears, as attend_to_window. What `look` wants
  // of this layer is left in its `out`; null: nobody looks.
  virtual std::size_t attend_to_audio(const Step& step, std::int64_t layer, std::int64_t n_head,
                                      const Rows& q, Rows& out, Look* look) const = 0;
  // out[i] (n_vocab) = layer_norm(x[input]) embedding^T of the i-th wanted input. Logits that do
  // not count may be -inf, unless the row is to be complete. `out` may have room for more rows.
  virtual void logits(const Step& step, const Array& x, const LayerNorm& ln,
                      const Embedding& embedding, Array& out) const = 0;
  // choices[i] answers queries[i]; what a row may not choose becomes -inf in `logits`.
  virtual void choose(Array& logits, const std::vector<ChoiceQuery>& queries,
                      std::vector<Choice>& choices) const = 0;

 protected:
  // Throws ShapeError for threads or an instruction set that are not to be had.
  explicit Backend(const RuntimeOptions& options);
  static Array make_array(std::shared_ptr<void> memory, Shape shape, DType dtype) {
    return {std::move(memory), std::move(shape), dtype};
  }
  static const std::shared_ptr<void>& memory_of(const Array& array) { return array.memory_; }

 private:
  std::unique_ptr<Threads> threads_;
  Context host_;
};

// The back end of a new model by RuntimeOptions::device. Throws ShapeError for a device, threads or
// an instruction set that are not to be had.
std::unique_ptr<Backend> open_backend(const RuntimeOptions& options);

}  // namespace sottovoce::ops
