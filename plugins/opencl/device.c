/* An open device: a context, one in-order queue, and the kernels built so far. */
#include "opencl.h"

#include <stdlib.h>

cr_status ocl_device_open(const cr_backend *self, int index, cr_device **device)
{
    const ocl_profile *all;
    int count;
    (void)self;
    cr_status status = ocl_profiles(&all, &count);
    if (status != CR_OK)
        return status;
    if (index < 0 || index >= count)
        return ocl_host->fail(ocl_host, CR_INVALID, "there are %d OpenCL devices, not number %d",
                              count, index);
    cr_device *d = calloc(1, sizeof *d);
    if (!d)
        return ocl_host->fail(ocl_host, CR_OUT_OF_MEMORY, "opencl: a device's record");
    d->profile = &all[index];
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)d->profile->platform, 0};
    cl_int error;
    const char *what = "making a context";
    d->context = clCreateContext(properties, 1, &d->profile->id, NULL, NULL, &error);
    if (error == CL_SUCCESS) {
        what = "making a queue";
        d->queue = clCreateCommandQueue(d->context, d->profile->id, 0, &error);
    }
    const ocl_fault none = {0, 0, 0, 0};
    if (error == CL_SUCCESS) {
        what = "making the record of wrong indices";
        d->fault = clCreateBuffer(d->context, CL_MEM_READ_WRITE, sizeof none, NULL, &error);
    }
    if (error == CL_SUCCESS)
        error =
            clEnqueueWriteBuffer(d->queue, d->fault, CL_TRUE, 0, sizeof none, &none, 0, NULL, NULL);
    if (error != CL_SUCCESS) {
        ocl_device_close(d);
        return ocl_fail(error, what);
    }
    *device = d;
    return CR_OK;
}

void ocl_device_close(cr_device *d)
{
    if (!d)
        return;
    if (d->queue) {
        clFinish(d->queue);
        clReleaseCommandQueue(d->queue);
    }
    ocl_kernels_free(d);
    if (d->fault)
        clReleaseMemObject(d->fault);
    if (d->context)
        clReleaseContext(d->context);
    free(d);
}

cr_status ocl_sync(cr_device *d)
{
    cl_int error = clFinish(d->queue);
    d->unflushed = 0;
    return error == CL_SUCCESS ? ocl_check_fault(d) : ocl_fail(error, "waiting for the device");
}

cr_status ocl_check_fault(cr_device *d)
{
    const ocl_fault none = {0, 0, 0, 0};
    ocl_fault fault = none;
    if (!d->may_fault)
        return CR_OK;
    d->may_fault = false;
    cl_int error =
        clEnqueueReadBuffer(d->queue, d->fault, CL_TRUE, 0, sizeof fault, &fault, 0, NULL, NULL);
    if (error == CL_SUCCESS && fault.found)
        error =
            clEnqueueWriteBuffer(d->queue, d->fault, CL_TRUE, 0, sizeof none, &none, 0, NULL, NULL);
    if (error != CL_SUCCESS)
        return ocl_fail(error, "reading the record of wrong indices");
    if (!fault.found)
        return CR_OK;
    return ocl_host->fail(ocl_host, CR_INVALID,
                          "index %lld is out of bounds for dimension %lld with size %lld",
                          (long long)fault.index, (long long)fault.dim, (long long)fault.size);
}
