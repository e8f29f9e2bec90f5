/* Looking at a training: event files for TensorBoard, and graphs for Graphviz.
 *
 *     cr_event_writer *writer = cr_event_writer_open("runs/first");
 *     cr_event_scalar(writer, "loss/train", 0.25, step);
 *     cr_event_histogram(writer, "fc.weight", cr_get_parameter(net, "fc.weight"), step);
 *     cr_event_writer_close(writer);        // then: tensorboard --logdir runs
 *
 * or as one of cr_fit's callbacks: .callbacks = CR_CALLBACKS(cr_event_callback(writer)). The calls are
 * those of torch.utils.tensorboard's SummaryWriter (add_scalar is cr_event_scalar, and so on). */
#ifndef CRESSET_EVENTS_H
#define CRESSET_EVENTS_H

#include <cresset/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_event_writer cr_event_writer;

/* Makes the folder, and a new file in it named as TensorBoard wants it. Belongs to the scope; closed
 * with it. Null and an error if that can't be done. */
CR_API cr_event_writer *cr_event_writer_open(const char *folder);
/* The file's path. Borrowed. */
CR_API const char *cr_event_writer_path(const cr_event_writer *writer);

/* Each returns 0, or an error: the disk's, a tag that is null or empty, what is said below. */
CR_API int cr_event_scalar(cr_event_writer *writer, const char *tag, double value, int64_t step);
/* Finite elements in 30 buckets of equal width. Errors: none of them is finite. */
CR_API int cr_event_histogram(cr_event_writer *writer, const char *tag, cr_tensor *values,
                              int64_t step);
/* An image (C, H, W) with 1, 3 or 4 channels, or (H, W): uint8, or floating from 0 to 1. */
CR_API int cr_event_image(cr_event_writer *writer, const char *tag, cr_tensor *image, int64_t step);
/* Images (N, C, H, W) side by side, by cr_make_grid. */
CR_API int cr_event_images(cr_event_writer *writer, const char *tag, cr_tensor *images,
                           int64_t step);
/* The model as a graph: a node for each call of a module that is no container, as it happens when the
 * model is called with these inputs (evaluation mode, no gradients). An edge leads to the call whose
 * output is the input; where operations lie between, to the call before. */
CR_API int cr_event_graph(cr_event_writer *writer, cr_module *net, cr_tensors inputs);
/* Writes what is buffered. Returns 0, or an error. cr_event_writer_close, too. */
CR_API int cr_event_writer_flush(cr_event_writer *writer);
CR_API int cr_event_writer_close(cr_event_writer *writer);

/* A callback for cr_fit: after every epoch the history's row as scalars and the parameters as
 * histograms; step is the epoch's number. */
CR_API cr_callback cr_event_callback(cr_event_writer *writer);

/* ---- Graphviz ---- */

/* The autograd graph behind a tensor, as torchviz draws it: a box for each grad_fn, leaves with their
 * sizes, and, where a module is given, its parameters' names. cr_module_to_dot: the tree of modules
 * with the number of their own parameters. Free with cr_free; null and an error without memory. */
CR_API char *cr_tensor_to_dot(cr_tensor *tensor, cr_module *names);
CR_API char *cr_module_to_dot(cr_module *module);
#ifndef __cplusplus
/* cr_to_dot(loss), cr_to_dot(net) */
#define cr_to_dot(x) \
    _Generic((x), cr_tensor * : cr_tensor_to_dot_, cr_module * : cr_module_to_dot)(x)
static inline char *cr_tensor_to_dot_(cr_tensor *tensor)
{
    return cr_tensor_to_dot(tensor, NULL);
}
#endif

#ifdef __cplusplus
}
#endif
#endif
