/* Recording errors from inside. */
#ifndef CRESSET_CORE_BASE_ERROR_H
#define CRESSET_CORE_BASE_ERROR_H

#include <cresset/base.h>

/* "out of memory: <what> needs <bytes> bytes". Returns null. */
void *cr_fail_memory(const char *what, size_t bytes);

/* Records an error and returns -1, as functions that return int do. */
#define CR_FAIL_INT(...) (cr_fail(__VA_ARGS__), -1)

#endif
