// The back end that computes where it stands: arrays are tensors, and every verb is done when it
// returns.
#pragma once

#include <memory>

#include "backend.h"
#include "host_memory.h"

namespace sottovoce::ops {

struct AttentionGroup;
struct KeptScores;

class CpuBackend : public Backend {
 public:
  // Of `memory`, or of the system's. Throws ShapeError for the instruction set.
  explicit CpuBackend(const RuntimeOptions& options, std::unique_ptr<HostMemory> memory = nullptr);

  // For packed weights, which are the CPU's.
  static Array adopt(Tensor tensor);
  static TensorView view(const Array& array);

  const char* device() const override { return "cpu"; }
  int windows_at_once() const override;
  ComputeType compute_type(const std::string& name) const override;

  Array array(Shape shape, DType dtype) const override;
  Array zeros(Shape shape, DType dtype) const override;
  Array reserve(Shape shape, DType dtype) const override;
  Array upload(const TensorView& source) const override;
  void upload(const TensorView& source, std::int64_t first_row, Array& out) const override;
  Tensor download(const Array& source, std::int64_t first_row, std::int64_t n_rows) const override;
  Tensor take(const Array& source) const override;
  bool all_finite(const Array& source) const override;

  LinearPtr pack_linear(DType dtype, const std::vector<LinearBlock>& blocks) const override;
  LinearPtr pack_conv1d(DType dtype, const TensorView& weight,
                        const TensorView& bias) const override;
  Embedding pack_embedding(DType dtype, const TensorView& weight) const override;
  RowsPtr rows(std::int64_t n_rows, std::int64_t n, DType dtype) const override;
  KeysValuesPtr keys_values(DType dtype, std::int64_t n_ctx, std::int64_t n_head,
                            std::int64_t d_head) const override;
  std::unique_ptr<KVArena> arena(std::int64_t n_layer, std::int64_t n_ctx, std::int64_t n_rows,
                                 std::int64_t n_state) const override;
  std::unique_ptr<MlpScratch> mlp_scratch(std::int64_t n_rows, std::int64_t n,
                                          DType dtype) const override;

  void layer_norm(const Array& x, std::int64_t first_row, const LayerNorm& ln,
                  Array& out) const override;
  void norm_linear(const Array& x, const LayerNorm& ln, const Linear& weight, Rows& normal,
                   Array& out) const override;
  void norm_linear(const Array& x, const LayerNorm& ln, const Linear& weight, Rows& normal,
                   Rows& out) const override;
  void norm_qkv(const Array& x, const LayerNorm& ln, const Linear& weight, Rows& normal, Rows& q,
                const std::vector<KeysValuesPtr>& keys_values) const override;
  void add_linear(const Rows& in, const Linear& weight, Array& x) const override;
  void add_mlp(const LayerNorm& ln, const Linear& up, const Linear& down, MlpScratch& scratch,
               Array& x) const override;

  void frames(const std::vector<TensorView>& mels, Array& out) const override;
  void convolve(const Linear& weight, const Array& in, std::int64_t stride, const Array* residual,
                Array& out) const override;
  std::size_t attend_to_window(const std::vector<KeysValuesPtr>& keys_values, std::int64_t n_head,
                               const Rows& q, Rows& out) const override;
  void convert(const Array& x, Rows& out) const override;
  void project_keys_values(const Linear& weight, const Rows& audio, KeysValues& out) const override;

  std::unique_ptr<Step> prepare(const StepPlan& plan, KVArena& arena) const override;
  void embed(const Step& step, const Embedding& embedding, const Array& positions,
             Array& x) const override;
  std::size_t append_and_attend(const Step& step, std::int64_t layer, std::int64_t n_head,
                                const Array& qkv, Rows& out) const override;
  std::size_t attend_to_audio(const Step& step, std::int64_t layer, std::int64_t n_head,
                              const Rows& q, Rows& out, Look* look) const override;
  void logits(const Step& step, const Array& x, const LayerNorm& ln, const Embedding& embedding,
              Array& out) const override;
  void choose(Array& logits, const std::vector<ChoiceQuery>& queries,
              std::vector<Choice>& choices) const override;

 protected:
  HostMemory& memory() const { return *memory_; }

 private:
  // Element 0 of an array of this back end.
  static void* raw(const Array& array) { return memory_of(array).get(); }
  static void* row(const Array& array, std::int64_t index);
  std::size_t attend(const std::vector<AttentionGroup>& groups, std::int64_t n_head, const Rows& q,
                     Rows& out, const KeptScores& kept) const;
  static float* f32(const Array& array) { return static_cast<float*>(raw(array)); }

  std::unique_ptr<HostMemory> memory_;
  CpuContext context_;
};

}  // namespace sottovoce::ops
