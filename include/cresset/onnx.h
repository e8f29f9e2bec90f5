/* ONNX: models for inference, run by the operations of the table. */
#ifndef CRESSET_ONNX_H
#define CRESSET_ONNX_H

#include <cresset/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads a model into a module of the scope: y = cr_forward(cr_load_onnx("net.onnx"), x). A call takes the graph's inputs in their
 * order, those without an initialiser, and returns its outputs (at most CR_MODULE_OUTPUTS of each). Initialisers are the module's
 * buffers, named as in the graph with dots as underscores, mapped from the file where aligned; cr_module_to takes them to a device.
 * Everything is differentiable that the operations are. Opsets 7 to 17 of the standard domain. Errors: what is no ONNX file, is cut
 * short, or lies; an operator that isn't known; control flow (If, Loop, Scan), sequences and strings; weights in other files. Unsigned
 * integers of 16 bits are read as int32, wider ones as int64 (above 2^63 - 1 an error), and don't wrap around as theirs would. An error in a call names the node. */
CR_API cr_module *cr_load_onnx(const char *path);

/* The names of the inputs (of the outputs) of such a module: how many, and the i-th, null past the end. */
CR_API size_t cr_onnx_inputs(const cr_module *module);
CR_API const char *cr_onnx_input(const cr_module *module, size_t i);
CR_API size_t cr_onnx_outputs(const cr_module *module);
CR_API const char *cr_onnx_output(const cr_module *module, size_t i);

/* Whether an operator of the standard domain is known. */
CR_API bool cr_onnx_knows(const char *op_type);

/* Reads one tensor from a file that holds a TensorProto, as the test data of ONNX does. */
CR_API cr_tensor *cr_load_onnx_tensor(const char *path);

#ifdef __cplusplus
}
#endif
#endif
