/* A reader of pickles that runs nothing: of Python's pickle machine only what torch.save writes for tensors in dicts, lists and
 * tuples. Names of Python are looked up in a short list, and calling one of them makes a value here; everything else is refused. */
#ifndef CRESSET_CORE_IO_PICKLE_H
#define CRESSET_CORE_IO_PICKLE_H

#include <cresset/tensor.h>

typedef enum cr_pickle_kind {
    CR_PICKLE_NONE,
    CR_PICKLE_BOOL,
    CR_PICKLE_INT,
    CR_PICKLE_FLOAT,
    CR_PICKLE_STRING,
    CR_PICKLE_TUPLE,
    CR_PICKLE_LIST,
    CR_PICKLE_DICT,    /* items: key, value, key, value, … */
    CR_PICKLE_DTYPE,   /* i */
    CR_PICKLE_GLOBAL,  /* i: one of the names that are let in */
    CR_PICKLE_STORAGE, /* a persistent id: text is its key, i its dtype, count its elements */
    CR_PICKLE_TENSOR,  /* items: storage, offset, sizes, strides */
    CR_PICKLE_MARK
} cr_pickle_kind;

typedef struct cr_pickle_value {
    uint8_t kind, dtype;
    int64_t i; /* a storage's: its number of elements */
    double f;
    const char *text; /* length bytes, null-terminated */
    size_t length;
    struct cr_pickle_value **items;
    size_t count, capacity;
} cr_pickle_value;

typedef struct cr_pickle cr_pickle;

/* Reads a pickle, at most CR_PICKLE_MOST bytes; memory is in proportion to them. `what` names it in errors. Null, with the error
 * set, for what is no pickle, is cut short, or holds something that isn't let in. */
enum { CR_PICKLE_MOST = 1 << 24 };
cr_pickle *cr_pickle_read(const char *what, const unsigned char *bytes, size_t size);
const cr_pickle_value *cr_pickle_root(const cr_pickle *pickle);
void cr_pickle_free(cr_pickle *pickle);

#endif
