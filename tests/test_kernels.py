"""Every kernel of every instruction set against float64, with bounds derived from the arithmetic.

A chain of k fused multiply-adds is off by at most k * eps * sum |a_i b_i| (Higham, Accuracy and
Stability, 3.1); sums of n terms likewise. The portable table rounds products too: twice that.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

import oracle
from sottovoce import _core

EPS = float(np.finfo(np.float32).eps) / 2  # unit roundoff


def f32(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.standard_normal(shape).astype(np.float32)


def panel_width(isa: str) -> int:
    return {"scalar": 8, "avx2": 16, "avx512": 64, "neon": 16}[isa.split("_")[0]]


@pytest.mark.parametrize("k", [1, 2, 7, 64, 240, 1500, 2048, 2049, 5120])
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7, 13, 61])
def test_gemm_is_within_its_rounding_bound(isa, rng, m, k):
    gemm = _core.kernel(isa, "gemm_f32")
    for n in {1, 5, panel_width(isa) - 1, panel_width(isa)}:
        a, b = f32(rng, m, k), f32(rng, k, n)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        bound = 2 * k * EPS * (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64))
        assert (np.abs(gemm(a, b) - exact) <= bound).all()


def test_gemm_epilogue_adds_bias_gelu_and_residual_in_that_order(isa, rng):
    gemm = _core.kernel(isa, "gemm_f32")
    a, b = f32(rng, 7, 33), f32(rng, 33, 5)
    bias, residual = f32(rng, 5), f32(rng, 7, 5)
    exact = oracle.gelu(a.astype(np.float64) @ b + bias) + residual
    got = gemm(a, b, bias=bias, residual=residual, gelu=True)
    magnitude = np.abs(a).astype(np.float64) @ np.abs(b) + np.abs(bias) + np.abs(residual) + 1
    assert (np.abs(got - exact) <= 2 * 36 * EPS * magnitude).all()


def test_gemm_row_does_not_depend_on_the_rows_beside_it(isa, rng):
    gemm = _core.kernel(isa, "gemm_f32")
    for k in (64, 512, 4096):
        a, b = f32(rng, 131, k), f32(rng, k, panel_width(isa))
        together = gemm(a, b)
        for row in (0, 5, 6, 59, 60, 130):
            np.testing.assert_array_equal(gemm(a[row : row + 1], b)[0], together[row])


def test_gemm_survives_denormals_and_large_values(isa):
    gemm = _core.kernel(isa, "gemm_f32")
    a = np.array([[1e-40, 1e30, -1e30]], np.float32)
    b = np.array([[1.0], [1e8], [1e8]], np.float32)
    np.testing.assert_allclose(gemm(a, b), [[0.0]], atol=1e30 * 1e8 * EPS)


def test_fused_projections_equal_the_separate_ones(isa, rng):
    fused = _core.kernel(isa, "fused_linear")
    x = f32(rng, 19, 96)
    weights = [f32(rng, 96, 96) / 10 for _ in range(3)]
    biases = [f32(rng, 96), None, f32(rng, 96)]  # q, k, v: the key projection has no bias
    together = fused(x, weights, biases)
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        block = together[:, 96 * i : 96 * (i + 1)]
        alone = fused(x, [weight], [bias])
        np.testing.assert_array_equal(block, alone)
        np.testing.assert_allclose(block, oracle.linear(x, weight, bias), atol=1e-6 * 4, rtol=0)


def test_linear_has_the_same_bits_for_any_number_of_threads(isa, rng):
    fused = _core.kernel(isa, "fused_linear")
    x, weight, bias = f32(rng, 77, 130), f32(rng, 200, 130), f32(rng, 200)
    one = fused(x, [weight], [bias], n_threads=1)
    for n_threads in (2, 3, 7):
        np.testing.assert_array_equal(fused(x, [weight], [bias], n_threads=n_threads), one)


def test_gelu_is_within_two_ulp_of_its_argument(isa):
    gemm = _core.kernel(isa, "gemm_f32")
    x = np.concatenate(
        [np.linspace(-12, 12, 200_001), [0.0, -0.0, 1e-30, -1e-30, 40.0, -40.0]]
    ).astype(np.float32)
    got = gemm(x[:, None], np.ones((1, 1), np.float32), gelu=True)[:, 0]
    exact = oracle.gelu(x.astype(np.float64))
    # Beyond |x| = 5.5 the kernel keeps a tail of |x| erfc(5.5 / sqrt 2) / 2 = |x| 1.9e-8.
    assert (np.abs(got - exact) <= 4 * EPS * np.abs(x) + 1.9e-8 * np.abs(x)).all()


@pytest.mark.parametrize("n", [1, 3, 8, 16, 17, 384, 1280])
def test_layer_norm(isa, rng, n):
    x, weight, bias = 3 * f32(rng, n) + 1, f32(rng, n), f32(rng, n)
    got = _core.kernel(isa, "layer_norm_f32")(x, weight, bias, 1e-5)
    # Mean and variance are sums of n terms; centring loses at most eps * max |x|, which the
    # division by the deviation magnifies.
    wide = x.astype(np.float64)
    spread = np.abs(wide).max() / np.sqrt(wide.var() + 1e-5)
    bound = (n + 8) * EPS * (spread + 1) * (np.abs(weight) + np.abs(bias) + 1)
    assert (np.abs(got - oracle.layer_norm(x, weight, bias)) <= bound * 2).all()


@pytest.mark.parametrize("n", [1, 5, 16, 33, 448, 1500])
def test_softmax(isa, rng, n):
    x = 5 * f32(rng, n)
    got = _core.kernel(isa, "softmax_f32")(x)
    exact = oracle.softmax(x)
    # exp(x - max) carries the rounding of the difference: eps * |x - max| relative.
    relative = (n + 16 + np.abs(x - x.max())) * EPS * 2
    assert (np.abs(got - exact) <= relative * exact + 1e-38).all()


def test_softmax_gives_masked_elements_exactly_nothing(isa, rng):
    x = f32(rng, 100)
    x[::3] = -np.inf
    got = _core.kernel(isa, "softmax_f32")(x)
    assert (got[::3] == 0).all()
    assert abs(float(got.sum(dtype=np.float64)) - 1) < 100 * EPS


@pytest.mark.parametrize("n", [1, 7, 51865])
def test_max_sum(isa, rng, n):
    x = 4 * f32(rng, n)
    largest, total = _core.kernel(isa, "max_sum_f32")(x)
    exact = np.exp(x.astype(np.float64) - x.max()).sum()
    assert largest == x.max()
    # Lanes of at most n / 4 terms, each exponential off by a few ulp and the rounding of x - max.
    assert abs(total - exact) <= (n / 4 + 16 + np.ptp(x)) * EPS * exact


def test_max_sum_of_nothing_possible_is_zero(isa):
    assert _core.kernel(isa, "max_sum_f32")(np.full(40, -np.inf, np.float32)) == (-np.inf, 0.0)


def test_argmax_takes_the_first_of_equals(isa):
    x = np.zeros(1000, np.float32)
    x[[17, 400, 999]] = 3.0
    assert _core.kernel(isa, "argmax_f32")(x) == 17


@pytest.mark.parametrize("d", [1, 8, 16, 24, 64, 80])
def test_dots_and_weighted_sum(isa, rng, d):
    q, keys, weights = f32(rng, d), f32(rng, 37, d), np.abs(f32(rng, 37))
    dots = _core.kernel(isa, "dots_f32")(q, keys)
    bound = 2 * (d + 4) * EPS * (np.abs(keys).astype(np.float64) @ np.abs(q))
    assert (np.abs(dots - keys.astype(np.float64) @ q) <= bound).all()
    total = _core.kernel(isa, "weighted_sum_f32")(weights, keys)
    bound = 2 * 37 * EPS * (weights.astype(np.float64) @ np.abs(keys))
    assert (np.abs(total - weights.astype(np.float64) @ keys) <= bound).all()


def test_every_half_precision_number_widens_exactly(isa):
    bits = np.arange(1 << 16, dtype=np.uint16)
    got = _core.kernel(isa, "widen_f16")(bits)
    with np.errstate(invalid="ignore"):  # NumPy speaks up about signalling NaNs on some CPUs
        expected = bits.view(np.float16).astype(np.float32)
    np.testing.assert_array_equal(got, expected)
    got = _core.kernel(isa, "widen_bf16")(bits)
    expected = (bits.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(got.view(np.uint32), expected.view(np.uint32))


def test_tables_are_listed_and_refused_by_name():
    assert _core.available_isas()[0] == "scalar"
    with pytest.raises(KeyError, match="no table 'mmx'"):
        _core.kernel("mmx", "gemm_f32")
    with pytest.raises(KeyError, match="no kernel named 'gemm_f8'"):
        _core.kernel("scalar", "gemm_f8")


@pytest.mark.parametrize("n", [1, 7, 16, 128])
def test_lstm_cell(isa, rng, n):
    """Each activation is off by 5 u and a little of float64's, products and sums by u."""
    gates, cell = (4 * rng.standard_normal(4 * n)).astype(np.float32), f32(rng, n)
    gates[0], gates[-1] = 200.0, -200.0  # beyond what exp can say
    got_cell, hidden = _core.kernel(isa, "lstm_cell_f32")(gates, cell)
    exact_hidden, exact_cell = oracle.lstm_cell(
        gates.reshape(4, n).astype(np.float64), cell.astype(np.float64)
    )
    bound = 16 * EPS * (np.abs(cell) + 1)
    assert (np.abs(got_cell - exact_cell) <= bound).all()
    assert (np.abs(hidden - exact_hidden) <= bound + 12 * EPS).all()
