/* Windows of ONNX's convolution and pooling: attributes, checked. */
#include "core/io/onnx_window.h"

#include <string.h>

static int64_t reach(const onnx_window *w, size_t i)
{
    return w->dilation[i] * (w->kernel[i] - 1) + 1;
}

/* auto_pad: as much that the output is as large as the input over the stride. */
static void pad_same(onnx_window *w, const cr_tensor *x, bool lower)
{
    for (size_t i = 0; i < w->n; i++) {
        int64_t size = cr_tensor_size(x, (int)i + 2),
                out = (size + w->stride[i] - 1) / w->stride[i];
        int64_t total = (out - 1) * w->stride[i] + reach(w, i) - size;
        total = total > 0 ? total : 0;
        w->pads[i] = lower ? total - total / 2 : total / 2;
        w->pads[w->n + i] = total - w->pads[i];
    }
}

bool onnx_read_window(const onnx_run *run, const cr_tensor *x, const cr_tensor *weight,
                      onnx_window *w)
{
    int rank = cr_tensor_dim(x);
    if (rank < 3 || rank > 2 + ONNX_SPACE)
        return onnx_fail(run, "needs one to %d spatial dimensions, the input has %d", ONNX_SPACE,
                         rank - 2);
    w->n = (size_t)rank - 2;
    if (weight && cr_tensor_dim(weight) != rank)
        return onnx_fail(run, "the weight has %d dimensions, the input %d", cr_tensor_dim(weight),
                         rank);
    if (!onnx_list(run, "kernel_shape", w->n, 0, w->kernel) ||
        !onnx_list(run, "strides", w->n, 1, w->stride) ||
        !onnx_list(run, "dilations", w->n, 1, w->dilation) ||
        !onnx_list(run, "pads", 2 * w->n, 0, w->pads))
        return false;
    for (size_t i = 0; i < w->n; i++) {
        if (weight)
            w->kernel[i] = cr_tensor_size(weight, (int)i + 2);
        const int64_t most = 1 << 16;
        if (w->kernel[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1 || w->pads[i] < 0 ||
            w->pads[w->n + i] < 0 || w->kernel[i] > most || w->stride[i] > most ||
            w->dilation[i] > most || w->pads[i] > most || w->pads[w->n + i] > most)
            return onnx_fail(run, "its kernel, strides, dilations or pads are out of range");
    }
    const char *pad = onnx_text(run, "auto_pad", "NOTSET");
    if (!strncmp(pad, "SAME", 4))
        pad_same(w, x, !strcmp(pad, "SAME_LOWER"));
    w->symmetric = !memcmp(w->pads, w->pads + w->n, w->n * sizeof *w->pads);
    return true;
}

cr_ints onnx_window_ints(const onnx_window *w, const int64_t *list)
{
    return cr_make_ints(list, w->n);
}

cr_tensor *onnx_pad_window(onnx_window *w, cr_tensor *x, double value)
{
    int64_t list[2 * ONNX_SPACE];
    for (size_t i = 0; i < w->n; i++) {
        list[2 * i] = w->pads[w->n - 1 - i];
        list[2 * i + 1] = w->pads[2 * w->n - 1 - i];
    }
    memset(w->pads, 0, sizeof w->pads);
    return cr_constant_pad_nd(x, cr_make_ints(list, 2 * w->n), .value = CR_S(value));
}
