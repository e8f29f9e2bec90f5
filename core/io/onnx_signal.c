/* ONNX's operators for signals: windows, Fourier transforms (as products with matrices of sines and cosines, for there are no complex
 * numbers: the last dimension holds real and imaginary parts), mel filters. */
#include <math.h>
#include <string.h>

#include "core/io/onnx.h"

static const double tau = 6.28318530717958647692;
enum { LONGEST = 1 << 24, LARGEST = 1 << 26 };

/* A whole number that is an input, from least to most; -1, and the error. */
static int64_t whole(const onnx_run *run, size_t input, const char *what, int64_t least,
                     int64_t most)
{
    cr_tensor *t = onnx_in(run, input);
    int64_t value = t && cr_tensor_numel(t) == 1 ? cr_item_int(t) : -1;
    if (value >= least && value <= most)
        return value;
    onnx_fail(run, "%s is not from %lld to %lld", what, (long long)least, (long long)most);
    return -1;
}

/* ---- windows ---- */

/* a - b cos(2πi/n) + c cos(4πi/n) */
static bool window(onnx_run *run, double a, double b, double c)
{
    int64_t to = onnx_int(run, "output_datatype", 1), size = whole(run, 0, "the size", 0, LONGEST);
    cr_dtype dtype = onnx_dtype(to);
    if (size < 0)
        return false;
    if (!dtype)
        return onnx_fail(run, "ONNX's type %lld is not supported", (long long)to);
    double n = (double)(onnx_int(run, "periodic", 1) ? size : size - 1);
    cr_tensor *t = cr_empty(CR_INTS(size), .dtype = CR_F64, .device = "cpu");
    double *at = cr_data_ptr(t);
    for (int64_t i = 0; at && i < size; i++) {
        double angle = n > 0 ? tau * (double)i / n : 0;
        at[i] = a - b * cos(angle) + c * cos(2 * angle);
    }
    return onnx_out(run, 0, onnx_place(run, cr_to_dtype(t, dtype)));
}

static bool op_hann_window(onnx_run *run)
{
    return window(run, 0.5, 0.5, 0);
}

static bool op_hamming_window(onnx_run *run)
{
    return window(run, 25.0 / 46, 21.0 / 46, 0);
}

static bool op_blackman_window(onnx_run *run)
{
    return window(run, 0.42, 0.5, 0.08);
}

/* ---- transforms ---- */

/* Of n elements along the dimension before the last, the first `out` frequencies. The last dimension is 1 (real numbers) or 2. Missing
 * elements up to n are zeros. */
static cr_tensor *transform(const onnx_run *run, cr_tensor *x, int64_t n, int64_t out, bool inverse)
{
    int64_t have = cr_tensor_size(x, -2), used = have < n ? have : n;
    if (used * out > LARGEST)
        return onnx_fail(run, "a transform of %lld elements is too large", (long long)n), NULL;
    cr_tensor *tables = cr_empty(CR_INTS(2, used, out), .dtype = CR_F64, .device = "cpu");
    double *cosines = cr_data_ptr(tables), *sines = cosines ? cosines + used * out : NULL;
    for (int64_t i = 0; cosines && i < used * out; i++) {
        double angle = tau * (double)(i / out * (i % out) % n) / (double)n;
        cosines[i] = inverse ? cos(angle) / (double)n : cos(angle);
        sines[i] = inverse ? sin(angle) / (double)n : -sin(angle);
    }
    tables = cr_to_dtype(cr_tensor_to(tables, cr_tensor_device(x)), cr_tensor_dtype(x));
    cr_tensor *c = cr_select(tables, 0, 0), *s = cr_select(tables, 0, 1);
    x = used < have ? cr_narrow(x, -2, 0, used) : x;
    cr_tensor *real = cr_select(x, -1, 0), *re = cr_matmul(real, c), *im = cr_matmul(real, s);
    if (cr_tensor_size(x, -1) == 2) {
        cr_tensor *imaginary = cr_select(x, -1, 1);
        re = cr_sub(re, cr_matmul(imaginary, s));
        im = cr_add(im, cr_matmul(imaginary, c));
    }
    return cr_stack(CR_TENSORS(re, im), .dim = -1);
}

static bool has_parts(const onnx_run *run, const cr_tensor *x, int least)
{
    if (cr_tensor_dim(x) >= least && (cr_tensor_size(x, -1) == 1 || cr_tensor_size(x, -1) == 2))
        return true;
    return onnx_fail(run, "needs at least %d dimensions, the last of size 1 or 2", least);
}

static bool op_dft(onnx_run *run)
{
    cr_tensor *x = onnx_in(run, 0);
    if (!x || !has_parts(run, x, 2))
        return false;
    int rank = cr_tensor_dim(x), axis = onnx_axis(run, onnx_int(run, "axis", 1), rank);
    if (axis == rank - 1)
        return onnx_fail(run, "its axis is that of real and imaginary parts");
    bool one_sided = onnx_int(run, "onesided", 0), inverse = onnx_int(run, "inverse", 0);
    if (axis < 0 || (one_sided && inverse))
        return axis < 0 ? false : onnx_fail(run, "an inverse transform can't be one-sided");
    int64_t n = onnx_in(run, 1) ? whole(run, 1, "dft_length", 1, LONGEST) : cr_tensor_size(x, axis);
    if (n < 1)
        return n < 0 ? false : onnx_fail(run, "there is nothing to transform");
    cr_tensor *y = cr_transpose(x, axis, rank - 2);
    y = y ? transform(run, y, n, one_sided ? n / 2 + 1 : n, inverse) : NULL;
    return onnx_out(run, 0, y ? cr_contiguous(cr_transpose(y, axis, rank - 2)) : NULL);
}

static bool op_stft(onnx_run *run)
{
    cr_tensor *x = onnx_in(run, 0), *window = onnx_in(run, 2);
    if (!x || !has_parts(run, x, 3))
        return false;
    int64_t length = cr_tensor_size(x, 1), step = whole(run, 1, "frame_step", 1, LONGEST);
    int64_t size = onnx_in(run, 3) ? whole(run, 3, "frame_length", 1, LONGEST)
                   : window        ? cr_tensor_numel(window)
                                   : length;
    if (step < 0 || size < 0)
        return false;
    if (cr_tensor_dim(x) != 3 || size < 1 || size > length ||
        (window && (cr_tensor_dim(window) != 1 || cr_tensor_numel(window) != size)))
        return onnx_fail(run, "frames of %lld don't fit the signal of %lld or the window",
                         (long long)size, (long long)length);
    bool one_sided = onnx_int(run, "onesided", 1) && cr_tensor_size(x, 2) == 1;
    /* (batch, frames, parts, size), and the parts last */
    cr_tensor *y = cr_transpose(cr_unfold(x, 1, size, step), 2, 3);
    if (window)
        y = cr_mul(y, cr_reshape(window, CR_INTS(size, 1)));
    return onnx_out(run, 0,
                    y ? transform(run, y, size, one_sided ? size / 2 + 1 : size, false) : NULL);
}

/* ---- mel filters ---- */

static double mel_of(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

/* Triangles, one a column, whose corners lie evenly on the mel scale. */
static bool op_mel_weight_matrix(onnx_run *run)
{
    int64_t to = onnx_int(run, "output_datatype", 1);
    cr_dtype dtype = onnx_dtype(to);
    if (!dtype)
        return onnx_fail(run, "ONNX's type %lld is not supported", (long long)to);
    int64_t bins = whole(run, 0, "num_mel_bins", 1, LONGEST),
            length = bins < 0 ? -1 : whole(run, 1, "dft_length", 1, LONGEST),
            rate = length < 0 ? -1 : whole(run, 2, "sample_rate", 1, INT32_MAX);
    double low = onnx_number(run, 3, NULL, -1), high = onnx_number(run, 4, NULL, -1);
    if (rate < 0)
        return false;
    int64_t rows = length / 2 + 1;
    if (!(low >= 0 && low <= high && high <= 1e9) || rows > LARGEST / bins)
        return onnx_fail(run, "its edges or sizes are out of range");
    cr_tensor *t = cr_zeros(CR_INTS(rows, bins), .dtype = CR_F64, .device = "cpu");
    double *at = cr_data_ptr(t), step = (mel_of(high) - mel_of(low)) / (double)(bins + 2);
    for (int64_t i = 0; at && i < bins; i++) {
        int64_t corner[3];
        for (int k = 0; k < 3; k++) {
            double hertz = 700 * (pow(10, (mel_of(low) + (double)(i + k) * step) / 2595) - 1);
            corner[k] = (int64_t)floor((double)(length + 1) * hertz / (double)rate);
        }
        for (int64_t j = corner[0]; j <= corner[2] && j < rows; j++) {
            double rise = (double)(corner[1] - corner[0]), fall = (double)(corner[2] - corner[1]);
            if (j < corner[1])
                at[j * bins + i] = (double)(j - corner[0]) / rise;
            else if (j == corner[1])
                at[j * bins + i] = 1;
            else
                at[j * bins + i] = (double)(corner[2] - j) / fall;
        }
    }
    return onnx_out(run, 0, onnx_place(run, cr_to_dtype(t, dtype)));
}

const onnx_entry onnx_signal_operators[] = {{"BlackmanWindow", op_blackman_window},
                                            {"DFT", op_dft},
                                            {"HammingWindow", op_hamming_window},
                                            {"HannWindow", op_hann_window},
                                            {"MelWeightMatrix", op_mel_weight_matrix},
                                            {"STFT", op_stft},
                                            {NULL, NULL}};
