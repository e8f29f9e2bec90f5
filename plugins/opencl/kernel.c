/* Kernels, built by the driver when first wanted and kept by source and options. The sources are embedded at build time. */
#include "opencl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_sources.h"

static const struct {
    const char *name;
    const unsigned char *before, *text; /* before: shared by several sources, or null */
    size_t before_bytes, bytes;
} sources[] = {
#define WITH(name, more) \
    [OCL_##              \
        name] = {#name, kernel_##more, kernel_##name, sizeof kernel_##more, sizeof kernel_##name},
#define ALONE(name) [OCL_##name] = {#name, NULL, kernel_##name, 0, sizeof kernel_##name},
    WITH(unary, special) WITH(reduce, fold) WITH(scan, fold) ALONE(binary) ALONE(where) ALONE(copy)
        ALONE(fill) ALONE(gather) ALONE(scatter) ALONE(sort) ALONE(random) ALONE(gemm)};
#undef WITH
#undef ALONE

static cr_status build_failed(cr_device *d, cl_program program, cl_int error, const char *key)
{
    char words[2048] = "";
    size_t bytes = 0;
    clGetProgramBuildInfo(program, d->profile->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
    char *log = bytes ? malloc(bytes + 1) : NULL;
    if (log && clGetProgramBuildInfo(program, d->profile->id, CL_PROGRAM_BUILD_LOG, bytes, log,
                                     NULL) == CL_SUCCESS) {
        log[bytes] = 0;
        snprintf(words, sizeof words, "%s", log);
    }
    free(log);
    return ocl_host->fail(ocl_host, CR_FAILED, "opencl: building the kernel \"%s\": %s (%d)%s%s",
                          key, ocl_status_name(error), (int)error, *words ? ": " : "", words);
}

static cr_status build(cr_device *d, ocl_source which, const char *options, ocl_kernel *k)
{
    const char *text[4] = {(const char *)kernel_ops, (const char *)kernel_common};
    size_t bytes[4] = {sizeof kernel_ops, sizeof kernel_common};
    cl_uint parts = 2;
    if (sources[which].before) {
        text[parts] = (const char *)sources[which].before;
        bytes[parts++] = sources[which].before_bytes;
    }
    text[parts] = (const char *)sources[which].text;
    bytes[parts++] = sources[which].bytes;
    cl_int error;
    k->program = clCreateProgramWithSource(d->context, parts, text, bytes, &error);
    if (error != CL_SUCCESS)
        return ocl_fail(error, k->key);
    error = clBuildProgram(k->program, 1, &d->profile->id, options, NULL, NULL);
    if (error != CL_SUCCESS)
        return build_failed(d, k->program, error, k->key);
    k->kernel = clCreateKernel(k->program, sources[which].name, &error);
    return error == CL_SUCCESS ? CR_OK : ocl_fail(error, k->key);
}

static void kernel_free(ocl_kernel *k)
{
    if (k->kernel)
        clReleaseKernel(k->kernel);
    if (k->program)
        clReleaseProgram(k->program);
    free(k);
}

static unsigned bucket_of(const char *key)
{
    unsigned hash = 2166136261u; /* FNV-1a */
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return hash % OCL_BUCKETS;
}

cr_status ocl_kernel_get(cr_device *d, ocl_source which, cl_kernel *kernel, const char *format, ...)
{
    char key[512], given[256];
    va_list args;
    va_start(args, format);
    vsnprintf(given, sizeof given, format, args);
    va_end(args);
    int start = snprintf(key, sizeof key, "%s ", sources[which].name);
    int length =
        snprintf(key + start, sizeof key - (size_t)start, "-w -cl-std=CL1.2%s%s %s",
                 d->profile->f64 ? " -DHAS_F64" : "",
                 d->profile->exact_divide ? " -cl-fp32-correctly-rounded-divide-sqrt" : "", given);
    if (length < 0 || (size_t)(start + length) >= sizeof key)
        return ocl_host->fail(ocl_host, CR_FAILED, "opencl: too many options for a kernel: %s",
                              given);
    ocl_kernel **bucket = &d->kernels[bucket_of(key)];
    for (ocl_kernel *k = *bucket; k; k = k->next)
        if (!strcmp(k->key, key)) {
            *kernel = k->kernel;
            return CR_OK;
        }
    ocl_kernel *k = calloc(1, sizeof *k + (size_t)(start + length) + 1);
    if (!k)
        return ocl_host->fail(ocl_host, CR_OUT_OF_MEMORY, "opencl: a kernel's record");
    strcpy(k->key, key);
    ocl_host->log(ocl_host, 0, "opencl: building %s", key);
    cr_status status = build(d, which, key + start, k);
    if (status != CR_OK) {
        kernel_free(k);
        return status;
    }
    k->next = *bucket;
    *bucket = k;
    *kernel = k->kernel;
    return CR_OK;
}

void ocl_kernels_free(cr_device *d)
{
    for (int i = 0; i < OCL_BUCKETS; i++)
        while (d->kernels[i]) {
            ocl_kernel *k = d->kernels[i];
            d->kernels[i] = k->next;
            kernel_free(k);
        }
}
