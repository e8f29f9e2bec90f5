/* Device memory: a cr_buffer is a cl_mem of its own, and an offset into it stays a number until a kernel adds it. */
#include "opencl.h"

#include <stdio.h>
#include <stdlib.h>

static cr_status too_much(const cr_device *d, size_t bytes, const char *why)
{
    return ocl_host->fail(ocl_host, CR_OUT_OF_MEMORY,
                          "opencl: %s has no %zu bytes left: %s (%llu in use, %llu in all, at most "
                          "%llu in one buffer)",
                          d->profile->name, bytes, why, (unsigned long long)d->used,
                          (unsigned long long)d->profile->memory,
                          (unsigned long long)d->profile->most);
}

/* Drivers put off the allocation to the first use, where it would fail some run; moving the buffer to the device asks now. */
static cl_int place(cr_device *d, cl_mem memory)
{
    cl_event moved;
    cl_int error = clEnqueueMigrateMemObjects(
        d->queue, 1, &memory, CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, 0, NULL, &moved);
    if (error != CL_SUCCESS)
        return error;
    error = clWaitForEvents(1, &moved);
    clReleaseEvent(moved);
    return error;
}

cr_status ocl_alloc(cr_device *d, size_t bytes, cr_buffer **buffer)
{
    if (bytes > d->profile->most)
        return too_much(d, bytes, "too large for one buffer");
    if (bytes > d->profile->memory || d->used > d->profile->memory - bytes)
        return too_much(d, bytes, "the device is full");
    cr_buffer *b = malloc(sizeof *b);
    if (!b)
        return too_much(d, bytes, "the host is full");
    cl_int error;
    b->bytes = bytes;
    b->memory = clCreateBuffer(d->context, CL_MEM_READ_WRITE, bytes, NULL, &error);
    if (error == CL_SUCCESS) {
        error = place(d, b->memory);
        if (error != CL_SUCCESS)
            clReleaseMemObject(b->memory);
    }
    if (error != CL_SUCCESS) {
        free(b);
        return too_much(d, bytes, ocl_status_name(error));
    }
    d->used += bytes;
    *buffer = b;
    return CR_OK;
}

/* Work in the queue holds what it uses: OpenCL keeps the memory until that is done. */
void ocl_free(cr_device *d, cr_buffer *b)
{
    if (!b)
        return;
    d->used -= b->bytes;
    clReleaseMemObject(b->memory);
    free(b);
}

static cr_status copied(cr_device *d, cl_int error, const char *way, size_t bytes, size_t offset)
{
    d->unflushed = 0;
    if (error == CL_SUCCESS)
        return ocl_check_fault(d);
    char what[96];
    snprintf(what, sizeof what, "copying %zu bytes %s a buffer at %zu", bytes, way, offset);
    return ocl_fail(error, what);
}

cr_status ocl_copy_in(cr_device *d, cr_buffer *to, size_t offset, const void *from, size_t bytes)
{
    if (!bytes)
        return CR_OK;
    return copied(
        d, clEnqueueWriteBuffer(d->queue, to->memory, CL_TRUE, offset, bytes, from, 0, NULL, NULL),
        "to", bytes, offset);
}

cr_status ocl_copy_out(cr_device *d, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    if (!bytes)
        return CR_OK;
    return copied(
        d, clEnqueueReadBuffer(d->queue, from->memory, CL_TRUE, offset, bytes, to, 0, NULL, NULL),
        "from", bytes, offset);
}
