/* Resize, which has a file of its own. */
#ifndef CRESSET_CORE_IO_ONNX_RESIZE_H
#define CRESSET_CORE_IO_ONNX_RESIZE_H

#include "core/io/onnx.h"

/* Resize and, with opset 9, Upsample. */
bool onnx_resize(onnx_run *run);

#endif
