/* Launches: arguments, and the queue. A kernel object is shared by all plans of its device, whose calls come one at a time:
 * every launch sets all arguments, and enqueueing copies them. */
#include "opencl.h"

#include <stdio.h>

/* Drivers may keep what they are given until told to begin: often enough that the device is not idle. */
enum { FLUSH_EVERY = 16 };

ocl_launch ocl_launch_of(cr_device *device, cl_kernel kernel)
{
    return (ocl_launch){device, kernel, 0, CL_SUCCESS};
}

void ocl_arg(ocl_launch *launch, size_t bytes, const void *value)
{
    cl_int error = clSetKernelArg(launch->kernel, launch->next++, bytes, value);
    if (launch->error == CL_SUCCESS)
        launch->error = error;
}

void ocl_value(ocl_launch *launch, const cr_binding *binding, size_t more)
{
    const cl_mem memory = binding->buffer ? binding->buffer->memory : NULL;
    const cl_ulong at = binding->offset + more;
    ocl_arg(launch, sizeof memory, &memory);
    ocl_arg(launch, sizeof at, &at);
}

cr_status ocl_go(ocl_launch *launch, const char *what, cl_uint dims, const size_t *groups,
                 const size_t *group)
{
    cr_device *d = launch->device;
    size_t global[3];
    for (cl_uint i = 0; i < dims; i++)
        if (__builtin_mul_overflow(groups[i], group[i], &global[i]))
            return ocl_host->fail(ocl_host, CR_INVALID, "opencl: %s: too many items", what);
    cl_int error = launch->error;
    if (error == CL_SUCCESS)
        error = clEnqueueNDRangeKernel(d->queue, launch->kernel, dims, NULL, global, group, 0, NULL,
                                       NULL);
    if (error == CL_SUCCESS && ++d->unflushed >= FLUSH_EVERY) {
        d->unflushed = 0;
        error = clFlush(d->queue);
    }
    return error == CL_SUCCESS ? CR_OK : ocl_fail(error, what);
}
