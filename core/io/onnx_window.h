/* What ONNX's convolution and pooling have in common. */
#ifndef CRESSET_CORE_IO_ONNX_WINDOW_H
#define CRESSET_CORE_IO_ONNX_WINDOW_H

#include "core/io/onnx.h"

enum { ONNX_SPACE = 3 };
typedef struct onnx_window {
    size_t n; /* spatial dimensions */
    int64_t kernel[ONNX_SPACE], stride[ONNX_SPACE], dilation[ONNX_SPACE], pads[2 * ONNX_SPACE];
    bool symmetric;
} onnx_window;

/* Reads a node's kernel, strides, dilations and pads, the kernel from the weight if there is one. False, and the error. */
bool onnx_read_window(const onnx_run *run, const cr_tensor *x, const cr_tensor *weight,
                      onnx_window *w);
/* One of its lists. */
cr_ints onnx_window_ints(const onnx_window *w, const int64_t *list);
/* Puts the padding into the input, so that the window has none. */
cr_tensor *onnx_pad_window(onnx_window *w, cr_tensor *x, double value);

#endif
