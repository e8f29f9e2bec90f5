/* What the files of this plugin share below plans: devices, memory, kernels and launches. The plugin includes Cresset's
 * backend.h and nothing else of it. */
#ifndef CRESSET_PLUGINS_OPENCL_H
#define CRESSET_PLUGINS_OPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <cresset/backend.h>

extern const cr_host *ocl_host;

/* ---- status.c ---- */

/* "CL_OUT_OF_RESOURCES" for -5; codes of vendors' own are "an unknown error". */
const char *ocl_status_name(cl_int code);
/* Records `what` with the code's name, and returns the status of the interface that fits. */
cr_status ocl_fail(cl_int code, const char *what);

/* ---- platform.c ---- */

typedef struct ocl_profile {
    cl_platform_id platform;
    cl_device_id id;
    char name[256];
    cl_ulong memory, most; /* bytes in all, and in one buffer */
    size_t group;          /* items of a work-group at most */
    bool f64, exact_divide, is_cpu;
} ocl_profile;

/* Every device of every platform that has a compiler, found once. None is a failure, whose words say why. */
cr_status ocl_profiles(const ocl_profile **profiles, int *count);

/* ---- device.c ---- */

typedef struct ocl_kernel {
    struct ocl_kernel *next;
    cl_program program;
    cl_kernel kernel;
    char key[]; /* the source's name and the build options */
} ocl_kernel;

enum { OCL_BUCKETS = 64 };

struct cr_device {
    const ocl_profile *profile;
    cl_context context;
    cl_command_queue queue; /* in order */
    cl_ulong used;          /* bytes of buffers */
    unsigned unflushed;     /* launches since the driver was last told to begin */
    cl_mem fault;           /* an ocl_fault that kernels with indices write to */
    bool may_fault;         /* such a kernel was launched since it was last read */
    ocl_kernel *kernels[OCL_BUCKETS];
};

/* The last index found outside its dimension. */
typedef struct ocl_fault {
    cl_long found, index, size, dim;
} ocl_fault;

cr_status ocl_device_open(const cr_backend *self, int index, cr_device **device);
void ocl_device_close(cr_device *device);
cr_status ocl_sync(cr_device *device);
/* Whether a kernel met an index outside its dimension since the last call: CR_INVALID, with words. The queue is idle. */
cr_status ocl_check_fault(cr_device *device);

/* ---- memory.c ---- */

struct cr_buffer {
    cl_mem memory;
    size_t bytes;
};

cr_status ocl_alloc(cr_device *device, size_t bytes, cr_buffer **buffer);
void ocl_free(cr_device *device, cr_buffer *buffer);
cr_status ocl_copy_in(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                      size_t bytes);
cr_status ocl_copy_out(cr_device *device, void *to, cr_buffer *from, size_t offset, size_t bytes);

/* ---- kernel.c ---- */

/* The sources under kernels/ that have a kernel of their name. */
#define OCL_SOURCES(X) \
    X(unary)           \
    X(binary)          \
    X(where) X(copy) X(fill) X(reduce) X(scan) X(gather) X(scatter) X(sort) X(random) X(gemm)
#define OCL_SOURCE_(name) OCL_##name,
typedef enum ocl_source { OCL_SOURCES(OCL_SOURCE_) } ocl_source;
#undef OCL_SOURCE_

/* The kernel of that source built with these options (printf's format), from the device's cache, or built now. A failure's
 * message has the compiler's words. */
#if defined __GNUC__
__attribute__((format(printf, 4, 5)))
#endif
cr_status
ocl_kernel_get(cr_device *device, ocl_source source, cl_kernel *kernel, const char *options, ...);
void ocl_kernels_free(cr_device *device);

/* ---- launch.c ---- */

/* A launch being put together: arguments are set in order; the first error stays until ocl_launch_go, which reports it. */
typedef struct ocl_launch {
    cr_device *device;
    cl_kernel kernel;
    cl_uint next;
    cl_int error;
} ocl_launch;

ocl_launch ocl_launch_of(cr_device *device, cl_kernel kernel);
void ocl_arg(ocl_launch *launch, size_t bytes, const void *value);
/* A value's two arguments: its buffer, and its first byte `more` after the binding's. */
void ocl_value(ocl_launch *launch, const cr_binding *binding, size_t more);
/* Enqueues it; `what` names the operation in messages. */
cr_status ocl_go(ocl_launch *launch, const char *what, cl_uint dims, const size_t *groups,
                 const size_t *group);

#endif
