/* The conformance suite: samples with what PyTorch gave, and running one on a device. */
#ifndef CRESSET_TOOLS_CONFORM_H
#define CRESSET_TOOLS_CONFORM_H

#include <cjson/cJSON.h>
#include <cresset/cresset.h>

/* A file of samples (see tools/golden/make_ops.py). */
typedef struct sample_file {
    char name[64];
    cr_state_dict *tensors;
    cJSON *cases;
} sample_file;

/* Reads a file; false after an error. sample_file_close frees it; the tensors belong to the scope. */
bool sample_file_open(sample_file *file, const char *path);
void sample_file_close(sample_file *file);

/* What a sample came to. */
typedef struct verdict {
    bool passed;
    double ulps;   /* the worst difference of a float result, in units of its last place */
    int64_t size;  /* elements of the inputs: small failures tell more */
    char why[600]; /* if it failed */
} verdict;

/* Runs a sample: forward twice (the bits must be the same), compared with PyTorch's result, then the gradients. */
verdict sample_run(const sample_file *file, const cJSON *sample, const char *device);

/* Compares the second derivative of a sample that has a first one with finite differences (cr_gradgradcheck). */
verdict sample_run_second(const sample_file *file, const cJSON *sample, const char *device);

/* Whether the sample's call goes through with another dtype for its first tensor and all tensors of the same one. */
bool sample_takes(const sample_file *file, const cJSON *sample, const char *device, cr_dtype dtype);

/* The tests of memory alone: allocation, copies, fills and views. Returns how many failed, after a line for each on stdout. */
int conform_memory(const char *device, bool quiet);

/* The generator's bits and what is drawn from them, the same on every device. Returns as conform_memory does. */
int conform_random(const char *device, bool quiet);

#endif
