// Attention: of query rows over the packed keys and values of a window, and of decoder rows over
// their cached pasts. Scores leave a thread's scratch only where somebody looks.
#include <algorithm>
#include <vector>

#include "kernels.h"
#include "parallel.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

// Query rows of one task: two register tiles, whose scores (12 x 1536 floats, 72 KB) stay in the
// second-level cache beside the head's keys and values.
constexpr std::int64_t kQueryRows = 12;

void run_gemm(const kernels::Table& kernels, DType dtype, const kernels::Gemm& gemm) {
  switch (dtype) {
    case DType::kBFloat16:
      return kernels.gemm_bf16(gemm);
    case DType::kInt8:
      return kernels.gemm_bf16_i8(gemm);
    default:
      return kernels.gemm_f32(gemm);
  }
}

// scores (n_rows, n_ctx), row stride `stride` = q . keys of one head.
void head_scores(const kernels::Table& kernels, const PackedKeysValues& kv, std::int64_t head,
                 const void* q, std::int64_t q_stride, std::int64_t n_rows, float* scores,
                 std::int64_t stride) {
  kernels::Gemm gemm{};
  gemm.a = q;
  gemm.lda = q_stride;
  gemm.b = kv.keys_of(head);
  gemm.b_scales = kv.key_scales_of(head);
  gemm.k_words = kv.key_words();
  gemm.m = n_rows;
  gemm.n = kv.n_ctx();
  gemm.c = scores;
  gemm.ldc = stride;
  run_gemm(kernels, kv.dtype(), gemm);
}

// A thread's scratch for one task: scores, and where the dtype is not float32 the weights made of
// them.
class Scratch {
 public:
  Scratch(const Context& context, std::int64_t n_ctx, DType dtype)
      : stride_((n_ctx + 15) / 16 * 16),
        scores_({context.threads->n_threads(), kQueryRows * stride_}) {
    if (dtype == DType::kBFloat16) {
      weights_ = Tensor({context.threads->n_threads(), kQueryRows * stride_}, dtype);
    }
  }

  std::int64_t stride() const { return stride_; }  // elements from row to row
  float* scores(int thread) { return scores_.data() + thread * kQueryRows * stride_; }
  void* weights(int thread) {
    if (weights_.empty()) return scores(thread);
    return static_cast<std::uint16_t*>(weights_.raw()) + thread * kQueryRows * stride_;
  }
  std::size_t n_bytes() const { return scores_.n_bytes() + weights_.n_bytes(); }

 private:
  std::int64_t stride_;
  Tensor scores_;   // (n_threads, kQueryRows * stride)
  Tensor weights_;  // (n_threads, kQueryRows * stride) bfloat16, or none: in place of the scores
};

// One block of query rows of one group.
struct Task {
  const AttentionGroup* group = nullptr;
  std::int64_t first_row = 0;  // of q and out
  std::int64_t n_rows = 0;
};

std::vector<Task> split_rows(const std::vector<AttentionGroup>& groups) {
  std::vector<Task> tasks;
  for (const AttentionGroup& group : groups) {
    for (std::int64_t row = 0; row < group.n_rows; row += kQueryRows) {
      tasks.push_back({&group, group.first_row + row, std::min(kQueryRows, group.n_rows - row)});
    }
  }
  return tasks;
}

// Copies the rows of `task` that are kept of this head.
void keep(const KeptScores& kept, std::int64_t head, const Task& task, const float* scores,
          std::int64_t stride) {
  for (const KeptScores::Head& of : kept.heads) {
    if (of.head != head) continue;
    for (std::int64_t row = 0; row < task.n_rows; ++row) {
      const int place = kept.places[static_cast<std::size_t>(task.first_row + row)];
      if (place >= 0) {
        std::copy_n(scores + row * stride, kept.n_ctx, of.scores + place * kept.n_ctx);
      }
    }
  }
}

// exp(scores - max) of every row, times the scales of the values, as the weights they are
// multiplied by, one zero behind an odd number of bfloat16; inverse_sums (n_rows).
void weigh(const kernels::Table& kernels, const PackedKeysValues& kv, std::int64_t head,
           std::int64_t n_rows, std::int64_t stride, float* scores, void* weights,
           float* inverse_sums) {
  const std::int64_t n_ctx = kv.n_ctx();
  const float* scales = kv.value_scales_of(head);
  for (std::int64_t row = 0; row < n_rows; ++row) {
    if (kv.dtype() == DType::kFloat32) {
      inverse_sums[row] = kernels.softmax_f32(scores + row * stride, n_ctx);
      continue;
    }
    std::uint16_t* to = static_cast<std::uint16_t*>(weights) + row * stride;
    inverse_sums[row] = kernels.softmax_bf16(scores + row * stride, scales, n_ctx, to);
    if (n_ctx % 2 == 1) to[n_ctx] = 0;
  }
}

// out (n_rows, d_head) of one head = weights (n_rows, n_ctx) values * inverse_sums.
void head_values(const kernels::Table& kernels, const PackedKeysValues& kv, std::int64_t head,
                 const void* weights, std::int64_t stride, const float* inverse_sums,
                 const Task& task, std::int64_t d_head, Tensor& out) {
  const std::int64_t n = out.shape()[1];
  kernels::Gemm gemm{};
  gemm.a = weights;
  gemm.lda = stride * (kv.dtype() == DType::kFloat32 ? 4 : 2);
  gemm.a_scales = inverse_sums;
  gemm.b = kv.values_of(head);
  gemm.k_words = kv.value_words();
  gemm.m = task.n_rows;
  gemm.n = d_head;
  gemm.c_is_bf16 = out.dtype() == DType::kBFloat16;
  gemm.c = static_cast<char*>(out.raw()) +
           (task.first_row * n + head * d_head) * static_cast<std::int64_t>(size_of(out.dtype()));
  gemm.ldc = n;
  run_gemm(kernels, kv.dtype(), gemm);
}

}  // namespace

std::size_t attention(const Context& context, const AttentionArgs& args) {
  const kernels::Table& kernels = *context.kernels;
  const std::vector<Task> blocks = split_rows(args.groups);
  std::int64_t longest = 0;
  for (const AttentionGroup& group : args.groups) {
    longest = std::max(longest, group.keys_values->n_ctx());
  }
  Scratch scratch(context, longest, args.q->dtype());
  Tensor& out = args.out->written();
  const auto n_blocks = static_cast<std::int64_t>(blocks.size());
  const std::int64_t q_stride = args.q->view().stride;
  const std::int64_t d_bytes = args.d_head * static_cast<std::int64_t>(size_of(args.q->dtype()));
  // Head-major: consecutive tasks of a thread read the same keys and values.
  parallel_for(*context.threads, args.n_head * n_blocks,
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 float inverse_sums[kQueryRows];
                 for (std::int64_t i = begin; i < end; ++i) {
                   const std::int64_t head = i / n_blocks;
                   const Task& task = blocks[static_cast<std::size_t>(i % n_blocks)];
                   const PackedKeysValues& kv = *task.group->keys_values;
                   const char* q =
                       static_cast<const char*>(args.q->row(task.first_row)) + head * d_bytes;
                   head_scores(kernels, kv, head, q, q_stride, task.n_rows, scratch.scores(thread),
                               scratch.stride());
                   keep(args.kept, head, task, scratch.scores(thread), scratch.stride());
                   weigh(kernels, kv, head, task.n_rows, scratch.stride(), scratch.scores(thread),
                         scratch.weights(thread), inverse_sums);
                   head_values(kernels, kv, head, scratch.weights(thread), scratch.stride(),
                               inverse_sums, task, args.d_head, out);
                 }
               });
  finish(context, *args.out);
  return scratch.n_bytes();
}

std::size_t cached_attention(const Context& context, const std::vector<CachedRow>& rows,
                             std::int64_t offset, std::int64_t n_head, std::int64_t d_head,
                             Activations& out) {
  const kernels::Table& kernels = *context.kernels;
  std::int64_t longest = 0;
  std::int64_t work = 0;
  for (const CachedRow& row : rows) {
    longest = std::max(longest, row.n_past);
    work += row.n_past;
  }
  const bool worthwhile = work * n_head >= 512;                   // dot products
  const std::int64_t stride = (longest + d_head + 15) / 16 * 16;  // a thread's own cache lines
  Tensor scratch({context.threads->n_threads(), stride});
  Tensor& to = out.written();
  const auto n_rows = static_cast<std::int64_t>(rows.size());
  parallel_for_if(
      worthwhile, *context.threads, n_rows * n_head,
      [&](std::int64_t begin, std::int64_t end, int thread) {
        float* scores = scratch.data() + thread * stride;
        float* mixed = scores + longest;
        for (std::int64_t task = begin; task < end; ++task) {
          const CachedRow& row = rows[static_cast<std::size_t>(task / n_head)];
          const std::int64_t column = task % n_head * d_head;
          kernels.dots_f32(row.q + column, row.keys, offset + column, d_head, row.n_past, scores);
          const float inverse_sum = kernels.softmax_f32(scores, row.n_past);
          kernels.weighted_sum_f32(scores, row.values, offset + column, d_head, row.n_past, mixed);
          kernels.scale_f32(mixed, inverse_sum, d_head);
          const std::int64_t at = task / n_head * to.shape()[1] + column;
          if (to.dtype() == DType::kBFloat16) {
            kernels.to_bf16(mixed, d_head, static_cast<std::uint16_t*>(to.raw()) + at);
          } else {
            std::copy_n(mixed, d_head, to.data() + at);
          }
        }
      });
  finish(context, out);
  return scratch.n_bytes();
}

}  // namespace sottovoce::ops
