/* The .npy format from memory and to memory: npy.c stands on it for files, npz.c for members of a
 * zip. */
#ifndef CRESSET_CORE_IO_NPY_H
#define CRESSET_CORE_IO_NPY_H

#include <cresset/tensor.h>

#include "core/base/text.h"

typedef struct cr_npy_header {
    cr_dtype dtype;
    bool swapped; /* not of this machine's byte order */
    bool fortran; /* column-major */
    int dim;
    int64_t sizes[CR_MAX_RANK];
    int64_t strides[CR_MAX_RANK];
    size_t data;  /* where the elements begin */
    size_t bytes; /* of the elements */
} cr_npy_header;

/* Parses the beginning of an array of size bytes in all, which must be just what the header asks
 * for. `what` names it in errors. Returns 0, or -1 with the error set. */
int cr_npy_parse(const char *what, const unsigned char *bytes, size_t size, cr_npy_header *header);

/* Adds the header of a tensor's file, a multiple of 64 bytes long as numpy.save writes it. Returns
 * 0, or -1. */
int cr_npy_print(const char *what, const cr_tensor *tensor, cr_text *text);

#endif
