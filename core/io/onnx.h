/* ONNX models from inside: what was parsed, and what the operators' files share. */
#ifndef CRESSET_CORE_IO_ONNX_H
#define CRESSET_CORE_IO_ONNX_H

#include <cresset/onnx.h>
#include <cresset/ops.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/map.h"
#include "core/io/protobuf.h"

typedef struct onnx_attribute {
    char *name, *text;
    float f;
    int64_t i;
    int64_t *ints;
    float *floats;
    size_t nints, nfloats;
    cr_tensor *tensor; /* retained by the model */
} onnx_attribute;

typedef struct onnx_node onnx_node;
typedef struct onnx_run onnx_run;
/* Computes a node's outputs with onnx_out. False: it failed, and the error is set. */
typedef bool (*onnx_operator)(onnx_run *run);

struct onnx_node {
    char *name, *type;
    onnx_operator run;
    int *inputs, *outputs; /* slots; -1: not given */
    size_t ninputs, noutputs;
    onnx_attribute *attributes;
    size_t nattributes;
};

typedef struct onnx_model {
    cr_module module;
    const char *path; /* while loading */
    cr_file_map *map;
    int64_t opset;
    onnx_node *nodes;
    size_t nnodes;
    cr_map slots;        /* names of values, in the order of their slots */
    cr_tensor **weights; /* by slot; null: none. Their buffers' places */
    size_t nweights;
    int *inputs, *outputs; /* slots */
    size_t ninputs, noutputs;
    size_t *last_use; /* by slot: the node behind which it isn't needed */
    void **memory;    /* everything parsed, freed with the model */
    size_t nmemory, memory_room;
} onnx_model;

/* Memory of the model, zeroed; null and the error. */
void *onnx_take(onnx_model *model, size_t bytes);

/* Reads a TensorProto into a tensor of the scope; `what` names it in errors. map (or null) is what the bytes lie in. */
cr_tensor *onnx_read_tensor(const char *what, cr_file_map *map, const unsigned char *bytes,
                            size_t size);
/* Parses the model's file. False, and the error. */
bool onnx_parse(onnx_model *model);

/* ---- for operators ---- */

struct onnx_run {
    const onnx_model *model;
    const onnx_node *node;
    cr_tensor **values; /* by slot, retained */
    const char *device; /* the first input's */
};

enum { ONNX_INTS = 64 }; /* the longest list that onnx_ints reads */

/* Fails in the node's name. Returns false. */
bool onnx_fail(const onnx_run *run, const char *format, ...) CR_PRINTF_(2, 3);
/* An input; null for one that isn't given. */
cr_tensor *onnx_in(const onnx_run *run, size_t i);
/* Sets an output, whether it is wanted or not. Returns whether there is a tensor. */
bool onnx_out(onnx_run *run, size_t i, cr_tensor *tensor);
const onnx_attribute *onnx_find(const onnx_run *run, const char *name);
int64_t onnx_int(const onnx_run *run, const char *name, int64_t fallback);
double onnx_float(const onnx_run *run, const char *name, double fallback);
const char *onnx_text(const onnx_run *run, const char *name, const char *fallback);
/* A list that is an attribute; count fallbacks if it isn't there. False, and the error, for another length. */
bool onnx_list(const onnx_run *run, const char *name, size_t count, int64_t fallback,
               int64_t *list);
/* A list that is an input (at most ONNX_INTS) or, where there is no such input, an attribute. -1: neither; -2: failed. */
int onnx_ints(const onnx_run *run, size_t input, const char *name, int64_t *list);
/* A number that is an input or else an attribute. */
double onnx_number(const onnx_run *run, size_t input, const char *name, double fallback);
/* An axis from -rank to rank - 1, counted from 0; -1 and the error. */
int onnx_axis(const onnx_run *run, int64_t axis, int rank);
/* A constant where the inputs are, if it is of numbers; integers, which are mostly shapes, stay on the cpu. Takes null. */
cr_tensor *onnx_place(const onnx_run *run, cr_tensor *tensor);
/* The dtype with ONNX's number, or none. */
cr_dtype onnx_dtype(int64_t number);
/* The convolution that the node's attributes say; bias may be null. */
cr_tensor *onnx_convolve(const onnx_run *run, cr_tensor *x, cr_tensor *weight, cr_tensor *bias);

typedef struct onnx_entry {
    const char *name;
    onnx_operator run;
} onnx_entry;
/* The operators of each file, ended by a null name. */
extern const onnx_entry onnx_math_operators[], onnx_shape_operators[], onnx_nn_operators[],
    onnx_index_operators[], onnx_rnn_operators[], onnx_quantized_operators[],
    onnx_detect_operators[], onnx_signal_operators[], onnx_text_operators[], onnx_pool_operators[];
onnx_operator onnx_find_operator(const char *name);

#endif
