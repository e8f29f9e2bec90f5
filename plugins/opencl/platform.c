/* Which devices there are, and what they can do. Looked up once, when the core first asks. */
#define _GNU_SOURCE
#include "opencl.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PLATFORMS = 16, MOST_DEVICES = 64 };

static ocl_profile profiles[MOST_DEVICES];
static int nprofiles;
static cl_uint nplatforms;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool ask(cl_device_id id, cl_device_info what, size_t bytes, void *value)
{
    return clGetDeviceInfo(id, what, bytes, value, NULL) == CL_SUCCESS;
}

static void text(cl_device_id id, cl_device_info what, size_t bytes, char *value)
{
    if (!ask(id, what, bytes, value))
        snprintf(value, bytes, "?");
    value[bytes - 1] = 0;
}

static bool describe(cl_platform_id platform, cl_device_id id, ocl_profile *p)
{
    cl_bool compiler = CL_FALSE, there = CL_FALSE, little = CL_FALSE;
    cl_device_type type = 0;
    cl_device_fp_config single = 0, wide = 0;
    char name[128], version[256], extensions[8192];
    text(id, CL_DEVICE_NAME, sizeof name, name);
    text(id, CL_DEVICE_VERSION, sizeof version, version);
    text(id, CL_DEVICE_EXTENSIONS, sizeof extensions, extensions);
    *p = (ocl_profile){.platform = platform, .id = id};
    snprintf(p->name, sizeof p->name, "%.110s (%.140s)", name, version);
    if (!ask(id, CL_DEVICE_AVAILABLE, sizeof there, &there) || !there ||
        !ask(id, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler, &compiler) || !compiler ||
        !ask(id, CL_DEVICE_ENDIAN_LITTLE, sizeof little, &little) || !little ||
        !ask(id, CL_DEVICE_TYPE, sizeof type, &type) ||
        !ask(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof p->memory, &p->memory) ||
        !ask(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof p->most, &p->most) ||
        !ask(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof p->group, &p->group)) {
        ocl_host->log(ocl_host, 1,
                      "opencl: left out %s: not available, without compiler, or not little endian",
                      p->name);
        return false;
    }
    ask(id, CL_DEVICE_SINGLE_FP_CONFIG, sizeof single, &single);
    p->f64 = strstr(extensions, "cl_khr_fp64") != NULL &&
             ask(id, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof wide, &wide) && wide;
    p->exact_divide = single & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT;
    p->is_cpu = type & CL_DEVICE_TYPE_CPU;
    return true;
}

static void find_profiles(void)
{
    cl_platform_id platforms[MOST_PLATFORMS];
    cl_int error = clGetPlatformIDs(MOST_PLATFORMS, platforms, &nplatforms);
    if (error != CL_SUCCESS)
        nplatforms = 0;
    for (cl_uint i = 0; i < nplatforms && i < MOST_PLATFORMS; i++) {
        cl_device_id ids[MOST_DEVICES];
        cl_uint n = 0;
        error = clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, MOST_DEVICES, ids, &n);
        for (cl_uint k = 0; error == CL_SUCCESS && k < n && k < MOST_DEVICES; k++)
            if (nprofiles < MOST_DEVICES && describe(platforms[i], ids[k], &profiles[nprofiles]))
                nprofiles++;
    }
}

/* Drivers on LLVM catch signals for themselves when they begin, Ctrl-C among them: those are the program's. */
static void look(void)
{
    struct sigaction before[NSIG];
    bool known[NSIG];
    for (int i = 1; i < NSIG; i++)
        known[i] = !sigaction(i, NULL, &before[i]);
    find_profiles();
    for (int i = 1; i < NSIG; i++) {
        struct sigaction after;
        if (known[i] && !sigaction(i, NULL, &after) && after.sa_handler != before[i].sa_handler)
            sigaction(i, &before[i], NULL);
    }
}

cr_status ocl_profiles(const ocl_profile **all, int *count)
{
    pthread_once(&once, look);
    *all = profiles;
    *count = nprofiles;
    if (nprofiles)
        return CR_OK;
    return ocl_host->fail(
        ocl_host, CR_FAILED,
        "no OpenCL device: %s (Debian: pocl-opencl-icd, which runs on any processor, or the "
        "vendor's package)",
        nplatforms ? "the installed drivers have none that is available and has a compiler"
                   : "no driver is installed");
}
