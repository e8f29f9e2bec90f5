/* DLPack: tensors shared with NumPy, PyTorch and others in the same process, without a copy. The structs are those of dlpack.h
 * (https://dmlc.github.io/dlpack), which need not be installed; include it to look into them. */
#ifndef CRESSET_DLPACK_H
#define CRESSET_DLPACK_H

#include <cresset/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct DLManagedTensor;
struct DLManagedTensorVersioned;

/* Hands a tensor out: dtype, sizes, strides and a pointer to its elements, on the device kDLCPU, after waiting for the work that
 * writes them. Whoever takes it calls its deleter once, on any thread; until then the memory stays. Writes through it are seen here,
 * though not by version counters. bool is kDLBool. Errors: a tensor that requires grad (detach it first); memory that the host
 * can't see (take it to "cpu" first). */
CR_API struct DLManagedTensor *cr_to_dlpack(cr_tensor *tensor);
/* The same in DLPack 1's form, with version 1.0 and no flags. */
CR_API struct DLManagedTensorVersioned *cr_to_dlpack_versioned(cr_tensor *tensor);

/* Takes a tensor in: one of the scope that shares the memory and calls the deleter when the last one that does goes. Its device may
 * be kDLCPU, kDLCUDAHost or kDLROCMHost, all of them host memory. On an error nothing is taken, and the caller has still to call
 * the deleter: memory of another device, a dtype that the library hasn't (complex, several lanes, unsigned above 8 bits), negative
 * sizes or strides, more than CR_MAX_RANK dimensions, misaligned or null memory. */
CR_API cr_tensor *cr_from_dlpack(struct DLManagedTensor *managed);
/* The same for DLPack 1's form, any version 1.x. Memory that is flagged as read-only is copied, and the deleter called at once. */
CR_API cr_tensor *cr_from_dlpack_versioned(struct DLManagedTensorVersioned *managed);

#ifdef __cplusplus
}
#endif
#endif
