/* What the fuzzers share. */
#ifndef CRESSET_TESTS_FUZZ_H
#define CRESSET_TESTS_FUZZ_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cresset/cresset.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More memory than there is, is asked for by models that say so, and refused as anywhere: null, and then an error. The sanitizer
 * would end the program instead. A small quarantine and short stacks make the rest faster. replay.c leaves this to the fuzzer. */
#ifndef FUZZ_REPLAY
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:quarantine_size_mb=8:malloc_context_size=4";
}
#endif

/* A path whose file holds these bytes until the next call: in the fuzzers' builds any path does, and
 * the reader gets its bytes from memory; elsewhere it is a file without a disk. */
#ifdef CRESSET_FUZZ
void cr_file_fuzz(const void *bytes, size_t size);
static inline const char *fuzz_file(const uint8_t *data, size_t size)
{
    cr_file_fuzz(data, size);
    return "/dev/null";
}
#else
static inline const char *fuzz_file(const uint8_t *data, size_t size)
{
    static int file = -1;
    static char path[64];
    if (file >= 0)
        close(file);
    file = memfd_create("fuzz", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return path;
}
#endif

/* Reads every byte of a tensor, so that a map past its end or an overread shows. */
static inline void fuzz_touch(const cr_tensor *tensor)
{
    int64_t count = cr_tensor_numel(tensor);
    size_t bytes = count > 0 ? (size_t)count * cr_dtype_size(cr_tensor_dtype(tensor)) : 0;
    if (!tensor || !bytes || bytes > (size_t)1 << 26)
        return;
    void *copy = malloc(bytes);
    if (copy && cr_tensor_read(tensor, copy, bytes))
        abort();
    free(copy);
}

static inline void fuzz_touch_dict(const cr_state_dict *dict)
{
    for (size_t i = 0; dict && i < cr_state_dict_count(dict); i++)
        fuzz_touch(cr_state_dict_get(dict, cr_state_dict_name(dict, i)));
}

/* A reader either gives something or says why not. */
static inline void fuzz_finish(const void *result)
{
    if (!result && !cr_error())
        abort();
    cr_clear_error();
}

#endif
