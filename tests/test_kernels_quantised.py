"""The kernels of bfloat16 and int8 on every instruction set.

bfloat16 products are exact in float32, so a GEMM of operands that are bfloat16 already errs as a
float32 one does. int8 has no error before its scales: int32 holds every sum exactly.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

import oracle
from sottovoce import _core
from test_kernels import EPS, f32, panel_width

EPS_BF16 = 2.0**-8  # unit roundoff: 8 bits of significand


def to_bits(x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """bfloat16 bits of float32, to nearest even; not for NaN."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def widened(bits: NDArray[np.uint16]) -> NDArray[np.float64]:
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


@pytest.mark.parametrize("k", [1, 2, 7, 64, 241, 1500, 5120])
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7, 61])
def test_gemm_bf16_is_within_the_rounding_bound_of_its_sums(isa, rng, m, k):
    gemm = _core.kernel(isa, "gemm_bf16")
    for n in {1, 5, panel_width(isa) - 1, panel_width(isa)}:
        a, b = to_bits(f32(rng, m, k)), to_bits(f32(rng, k, n))
        exact = widened(a) @ widened(b)
        bound = 2 * (k + 2) * EPS * (np.abs(widened(a)) @ np.abs(widened(b)))
        assert (np.abs(gemm(a, b) - exact) <= bound).all()


def test_gemm_bf16_adds_bias_gelu_and_residual(isa, rng):
    a, b = to_bits(f32(rng, 7, 33)), to_bits(f32(rng, 33, 5))
    bias, residual = f32(rng, 5), f32(rng, 7, 5)
    exact = oracle.gelu(widened(a) @ widened(b) + bias) + residual
    got = _core.kernel(isa, "gemm_bf16")(a, b, bias=bias, residual=residual, gelu=True)
    magnitude = np.abs(widened(a)) @ np.abs(widened(b)) + np.abs(bias) + np.abs(residual) + 1
    # A GELU that is off by 2.6e-5 at most serves what will be rounded to bfloat16 or int8.
    assert (np.abs(got - exact) <= 2 * 36 * EPS * magnitude + 2.7e-5).all()


def int8_operands(rng: np.random.Generator, kind: str, offset: int, m: int, k: int, n: int):
    if kind == "random":
        a = rng.integers(0, 256, (m, k), np.uint8)
        b = rng.integers(-127, 128, (k, n)).astype(np.int8)
    else:  # what a saturating instruction would get wrong
        a = np.full((m, k), offset + 127, np.uint8)
        b = np.full((k, n), {"largest": 127, "smallest": -128, "mixed": 127}[kind], np.int8)
        if kind == "mixed":
            b[::2], a[:, 1::2] = -128, 0
    return a, b


def without_offset(codes: NDArray[np.uint8], offset: int) -> NDArray[np.int64]:
    """What the bytes of activations stand for: a table without an offset reads them as signed."""
    return codes.astype(np.int64) - offset if offset else codes.view(np.int8).astype(np.int64)


@pytest.mark.parametrize("kind", ["random", "largest", "smallest", "mixed"])
@pytest.mark.parametrize("k", [1, 3, 4, 6, 64, 241, 1500, 5120, 9001])
def test_gemm_i8_is_exact(isa, rng, kind, k):
    gemm = _core.kernel(isa, "gemm_i8")
    offset = _core.kernel(isa, "int8_offset")
    for m, n in [(1, 1), (2, 5), (5, panel_width(isa)), (6, panel_width(isa)), (7, 3)]:
        a, b = int8_operands(rng, kind, offset, m, k, n)
        signed = without_offset(a, offset)
        a_scales, b_scales = f32(rng, m), f32(rng, n)
        exact = (signed @ b.astype(np.int64)).astype(np.float32)
        expected = exact * b_scales * a_scales[:, None]
        np.testing.assert_array_equal(gemm(a, b, a_scales, b_scales), expected)


@pytest.mark.parametrize("k", [1, 2, 7, 64, 241, 1500])
@pytest.mark.parametrize("m", [1, 2, 5, 6, 7, 13])
def test_gemm_bf16_i8_is_within_the_rounding_bound_of_its_sums(isa, rng, m, k):
    gemm = _core.kernel(isa, "gemm_bf16_i8")
    for n in {1, 5, panel_width(isa) - 1, panel_width(isa)}:
        a, scales = to_bits(f32(rng, m, k)), f32(rng, n)
        b = rng.integers(-128, 128, (k, n)).astype(np.int8)
        exact = widened(a) @ b.astype(np.float64) * scales
        bound = 2 * (k + 3) * EPS * (np.abs(widened(a)) @ np.abs(b.astype(np.float64)))
        assert (np.abs(gemm(a, b, scales) - exact) <= bound * np.abs(scales)).all()


def test_rows_of_low_precision_do_not_depend_on_the_rows_beside_them(isa, rng):
    linear = _core.kernel(isa, "fused_linear")
    weight, bias = f32(rng, 70, 600), f32(rng, 70)
    x = f32(rng, 67, 600)
    for dtype in ("bfloat16", "int8"):
        together = linear(x, [weight], [bias], dtype=dtype)
        for n_threads in (2, 3):
            again = linear(x, [weight], [bias], dtype=dtype, n_threads=n_threads)
            np.testing.assert_array_equal(again, together)
        for row in (0, 5, 6, 59, 60, 66):
            alone = linear(x[row : row + 1], [weight], [bias], dtype=dtype)
            np.testing.assert_array_equal(alone[0], together[row])


@pytest.mark.parametrize("k", [1, 5, 64, 130])
def test_linear_layers_err_as_their_dtype_rounds(isa, rng, k):
    linear = _core.kernel(isa, "fused_linear")
    x, weights, biases = f32(rng, 9, k), [f32(rng, 20, k), f32(rng, 33, k)], [f32(rng, 20), None]
    exact = np.concatenate(
        [oracle.linear(x, w, b) for w, b in zip(weights, biases, strict=True)], axis=1
    )
    weight = np.concatenate(weights)
    products = np.abs(x).astype(np.float64) @ np.abs(weight).T
    # Both factors of a product are rounded.
    error = np.abs(linear(x, weights, biases, dtype="bfloat16") - exact)
    assert (error <= (2.1 * EPS_BF16 + 2 * k * EPS) * products + 4 * EPS).all()
    # Half a step of max |row| / 127 for either factor, of rows that were transformed.
    turned_x, turned_w = hadamard(x), hadamard(weight) / group_of(k)
    half_x = np.abs(turned_x).max(1, keepdims=True) / 254
    half_w = np.abs(turned_w).max(1, keepdims=True).T / 254
    bound = half_x * np.abs(turned_w).sum(1) + half_w * np.abs(turned_x).sum(1, keepdims=True)
    error = np.abs(linear(x, weights, biases, dtype="int8") - exact)
    products = np.abs(turned_x) @ np.abs(turned_w).T
    assert (error <= 1.001 * (bound + k * half_x * half_w) + 32 * EPS * products + 4 * EPS).all()


def group_of(n: int) -> int:
    return next(group for group in (16, 8, 4, 2, 1) if n % group == 0)


def hadamard(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The transform of each row over groups of elements n / g apart."""
    group = group_of(x.shape[-1])
    matrix = np.ones((1, 1))
    while len(matrix) < group:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    columns = x.astype(np.float64).reshape(-1, group, x.shape[-1] // group)
    return np.einsum("ab,rbk->rak", matrix, columns).reshape(x.shape)


@pytest.mark.parametrize("n", [1, 2, 12, 40, 96, 384, 512])
def test_hadamard(isa, rng, n):
    x = f32(rng, n)
    magnitude = hadamard(np.abs(x)[None])[0]  # its first block has the sums
    got = _core.kernel(isa, "hadamard_f32")(x)
    stride = n // group_of(n)
    bound = 4 * EPS * np.tile(magnitude[:stride], group_of(n))
    assert (np.abs(got - hadamard(x[None])[0]) <= bound).all()


def test_to_bf16_rounds_to_nearest_even(isa, rng):
    ties = np.arange(0x3F80_0000, 0x3F90_0000, 0x8000, dtype=np.uint32).view(np.float32)
    x = np.concatenate([f32(rng, 1001), 1e30 * f32(rng, 17), ties, -ties, [0.0, -0.0]])
    x = x.astype(np.float32)
    np.testing.assert_array_equal(_core.kernel(isa, "to_bf16")(x), to_bits(x))


@pytest.mark.parametrize("n", [1, 3, 16, 17, 500])
def test_quantize_i8_is_within_half_a_step(isa, rng, n):
    x = 3 * f32(rng, n)
    codes, scale = _core.kernel(isa, "quantize_i8")(x)
    offset = _core.kernel(isa, "int8_offset")
    signed = without_offset(codes, offset)
    assert np.abs(signed).max() == 127
    assert scale == pytest.approx(np.abs(x).max() / 127, rel=2 * EPS)
    assert (np.abs(signed * np.float64(scale) - x) <= (0.5 + 256 * EPS) * scale).all()


@pytest.mark.parametrize("x", [0.0, -0.0, 1e-40])
def test_a_row_of_nothing_quantises_to_zeros(isa, x):
    codes, scale = _core.kernel(isa, "quantize_i8")(np.full(20, x, np.float32))
    assert scale == 0.0
    assert (codes == _core.kernel(isa, "int8_offset")).all()


@pytest.mark.parametrize("n", [1, 5, 16, 33, 1500])
def test_softmax_bf16(isa, rng, n):
    x = 5 * f32(rng, n)
    x[np.arange(n) % 7 == 3] -= 60
    bits, factor = _core.kernel(isa, "softmax_bf16")(x)
    exact = oracle.softmax(x)
    # 8.6e-5 is the polynomial's, for the numerator and for the sum.
    relative = (n + 16 + np.abs(x - x.max())) * EPS * 2 + EPS_BF16 + 1.72e-4
    error = np.abs(widened(bits) * factor - exact)
    assert (error <= relative * exact + 1e-37).all()
    scales = np.abs(f32(rng, n))  # of values that are int8; the sum does without them
    bits, scaled_factor = _core.kernel(isa, "softmax_bf16")(x, scales)
    assert scaled_factor == factor
    error = np.abs(widened(bits) * factor - exact * scales)
    assert (error <= (relative + EPS) * exact * scales + 1e-37).all()
