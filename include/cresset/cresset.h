/* All of Cresset but the backend interface, which stands alone in backend.h. */
#ifndef CRESSET_H
#define CRESSET_H

#include <cresset/amp.h>
#include <cresset/autocast.h>
#include <cresset/autograd.h>
#include <cresset/base.h>
#include <cresset/call.h>
#include <cresset/compile.h>
#include <cresset/csv.h>
#include <cresset/data.h>
#include <cresset/dispatch.h>
#include <cresset/dlpack.h>
#include <cresset/einops.h>
#include <cresset/events.h>
#include <cresset/image.h>
#include <cresset/io.h>
#include <cresset/metrics.h>
#include <cresset/nn.h>
#include <cresset/onnx.h>
#include <cresset/ops.h>
#include <cresset/optim.h>
#include <cresset/swa.h>
#include <cresset/tensor.h>
#include <cresset/train.h>
#include <cresset/transforms.h>

#endif
