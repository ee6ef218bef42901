// Attention: of query rows over the packed keys and values of a window, and of decoder rows over
// their cached pasts. Scores never leave a thread's scratch.
#include <algorithm>
#include <vector>

#include "kernels.h"
#include "ops.h"
#include "parallel.h"

namespace sottovoce::ops {

namespace {

// Query rows of one task: two register tiles, whose scores (12 x 1536 floats, 72 KB) stay in the
// second-level cache beside the head's keys and values.
constexpr std::int64_t kQueryRows = 12;

std::int64_t n_panels_of(std::int64_t n, std::int64_t nr) { return (n + nr - 1) / nr; }

kernels::GemmF32 plain_gemm(const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
                            float* c, std::int64_t ldc, std::int64_t m, std::int64_t n,
                            std::int64_t k) {
  kernels::GemmF32 gemm{};
  gemm.a = a;
  gemm.lda = lda;
  gemm.b = b;
  gemm.ldb = ldb;
  gemm.c = c;
  gemm.ldc = ldc;
  gemm.m = m;
  gemm.n = n;
  gemm.k = k;
  return gemm;
}

// scores (n_rows, n_ctx), row stride `stride` = q . keys of one head.
void head_scores(const kernels::Table& kernels, const PackedKeysValues& kv, std::int64_t head,
                 const float* q, std::int64_t q_stride, std::int64_t n_rows, std::int64_t d_head,
                 float* scores, std::int64_t stride) {
  const std::int64_t nr = kernels.gemm_nr;
  const std::int64_t n_panels = n_panels_of(kv.n_ctx, nr);
  const float* panels = kv.keys.data() + head * n_panels * d_head * nr;
  for (std::int64_t panel = 0; panel < n_panels; ++panel) {
    const std::int64_t first_key = panel * nr;
    kernels.gemm_f32(plain_gemm(q, q_stride, panels + panel * d_head * nr, nr, scores + first_key,
                                stride, n_rows, std::min(nr, kv.n_ctx - first_key), d_head));
  }
}

// out (n_rows, d_head) = weights (n_rows, n_ctx) values of one head.
void head_values(const kernels::Table& kernels, const PackedKeysValues& kv, std::int64_t head,
                 const float* weights, std::int64_t stride, std::int64_t n_rows,
                 std::int64_t d_head, float* out, std::int64_t out_stride) {
  const std::int64_t nr = kernels.gemm_nr;
  const std::int64_t n_panels = n_panels_of(d_head, nr);
  const float* panels = kv.values.data() + head * n_panels * kv.n_ctx * nr;
  for (std::int64_t panel = 0; panel < n_panels; ++panel) {
    const std::int64_t column = panel * nr;
    kernels.gemm_f32(plain_gemm(weights, stride, panels + panel * kv.n_ctx * nr, nr, out + column,
                                out_stride, n_rows, std::min(nr, d_head - column), kv.n_ctx));
  }
}

// One block of query rows of one head of one group.
struct Task {
  const AttentionGroup* group = nullptr;
  std::int64_t first_row = 0;
  std::int64_t n_rows = 0;
};

std::vector<Task> split_rows(const std::vector<AttentionGroup>& groups) {
  std::vector<Task> tasks;
  for (const AttentionGroup& group : groups) {
    for (std::int64_t row = 0; row < group.n_rows; row += kQueryRows) {
      tasks.push_back({&group, row, std::min(kQueryRows, group.n_rows - row)});
    }
  }
  return tasks;
}

}  // namespace

PackedKeysValues pack_keys_values(const Context& context, const float* keys, const float* values,
                                  std::int64_t stride, std::int64_t n_ctx, std::int64_t n_head,
                                  std::int64_t d_head) {
  const std::int64_t nr = context.kernels->gemm_nr;
  const std::int64_t key_panels = n_panels_of(n_ctx, nr);
  const std::int64_t value_panels = n_panels_of(d_head, nr);
  PackedKeysValues packed;
  packed.n_ctx = n_ctx;
  packed.keys = Tensor({n_head, key_panels, d_head, nr});
  packed.values = Tensor({n_head, value_panels, n_ctx, nr});
  parallel_for(
      *context.threads, n_head * key_panels, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t task = begin; task < end; ++task) {
          const std::int64_t head = task / key_panels;
          const std::int64_t first = task % key_panels * nr;
          const std::int64_t n_keys = std::min(nr, n_ctx - first);
          float* out = packed.keys.data() + task * d_head * nr;
          const float* in = keys + first * stride + head * d_head;
          for (std::int64_t d = 0; d < d_head; ++d) {
            for (std::int64_t key = 0; key < n_keys; ++key) {
              out[d * nr + key] = in[key * stride + d];
            }
            std::fill(out + d * nr + n_keys, out + (d + 1) * nr, 0.0f);
          }
          for (std::int64_t panel = 0; panel < value_panels; ++panel) {
            const std::int64_t column = panel * nr;
            const std::int64_t width = std::min(nr, d_head - column);
            for (std::int64_t key = first; key < first + n_keys; ++key) {
              float* row =
                  packed.values.data() + ((head * value_panels + panel) * n_ctx + key) * nr;
              std::copy_n(values + key * stride + head * d_head + column, width, row);
              std::fill(row + width, row + nr, 0.0f);
            }
          }
        }
      });
  return packed;
}

std::size_t attention(const Context& context, const AttentionArgs& args) {
  const kernels::Table& kernels = *context.kernels;
  const std::vector<Task> blocks = split_rows(args.groups);
  std::int64_t longest = 0;
  for (const AttentionGroup& group : args.groups) {
    longest = std::max(longest, group.keys_values->n_ctx);
  }
  const std::int64_t stride = n_panels_of(longest, 16) * 16;
  const auto n_blocks = static_cast<std::int64_t>(blocks.size());
  Tensor scratch({context.threads->n_threads(), kQueryRows, stride});
  // Head-major: a thread keeps a head's keys and values in its cache while it walks down the rows.
  parallel_for(*context.threads, args.n_head * n_blocks,
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 float* scores = scratch.data() + thread * kQueryRows * stride;
                 for (std::int64_t index = begin; index < end; ++index) {
                   const std::int64_t head = index / n_blocks;
                   const Task& task = blocks[static_cast<std::size_t>(index % n_blocks)];
                   const PackedKeysValues& kv = *task.group->keys_values;
                   const std::int64_t column = head * args.d_head;
                   head_scores(kernels, kv, head,
                               task.group->q + task.first_row * args.q_stride + column,
                               args.q_stride, task.n_rows, args.d_head, scores, stride);
                   float inverse_sum[kQueryRows];
                   for (std::int64_t row = 0; row < task.n_rows; ++row) {
                     inverse_sum[row] = kernels.softmax_f32(scores + row * stride, kv.n_ctx);
                   }
                   float* out = task.group->out + task.first_row * args.out_stride + column;
                   head_values(kernels, kv, head, scores, stride, task.n_rows, args.d_head, out,
                               args.out_stride);
                   for (std::int64_t row = 0; row < task.n_rows; ++row) {
                     kernels.scale_f32(out + row * args.out_stride, inverse_sum[row], args.d_head);
                   }
                 }
               });
  return scratch.n_bytes();
}

void attention_scores(const Context& context, const PackedKeysValues& keys_values, const float* q,
                      std::int64_t q_stride, std::int64_t n_rows, std::int64_t head,
                      std::int64_t d_head, float* out) {
  head_scores(*context.kernels, keys_values, head, q + head * d_head, q_stride, n_rows, d_head, out,
              keys_values.n_ctx);
}

std::size_t cached_attention(const Context& context, const std::vector<CachedRow>& rows,
                             std::int64_t offset, std::int64_t n_head, std::int64_t d_head) {
  const kernels::Table& kernels = *context.kernels;
  std::int64_t longest = 0;
  std::int64_t work = 0;
  for (const CachedRow& row : rows) {
    longest = std::max(longest, row.n_past);
    work += row.n_past;
  }
  const bool worthwhile = work * n_head >= 4096;  // dot products
  Tensor scratch({context.threads->n_threads(), longest});
  const auto n_rows = static_cast<std::int64_t>(rows.size());
  parallel_for_if(worthwhile, *context.threads, n_rows * n_head,
                  [&](std::int64_t begin, std::int64_t end, int thread) {
                    float* scores = scratch.data() + thread * longest;
                    for (std::int64_t task = begin; task < end; ++task) {
                      const CachedRow& row = rows[static_cast<std::size_t>(task / n_head)];
                      const std::int64_t column = task % n_head * d_head;
                      kernels.dots_f32(row.q + column, row.keys, offset + column, d_head,
                                       row.n_past, scores);
                      const float inverse_sum = kernels.softmax_f32(scores, row.n_past);
                      kernels.weighted_sum_f32(scores, row.values, offset + column, d_head,
                                               row.n_past, row.out + column);
                      kernels.scale_f32(row.out + column, inverse_sum, d_head);
                    }
                  });
  return scratch.n_bytes();
}

}  // namespace sottovoce::ops
