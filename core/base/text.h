/* A string that grows. Zero is empty; a failed allocation is remembered and gives null in the end.
 */
#ifndef CRESSET_CORE_BASE_TEXT_H
#define CRESSET_CORE_BASE_TEXT_H

#include <cresset/base.h>

typedef struct cr_text {
    char *data; /* null-terminated once anything was added */
    size_t length, capacity;
    bool failed;
} cr_text;

void cr_text_add(cr_text *text, const char *format, ...) CR_PRINTF_(2, 3);
void cr_text_add_bytes(cr_text *text, const char *bytes, size_t count);
/* "[2, 3]" */
void cr_text_add_sizes(cr_text *text, const int64_t *sizes, int count);
/* The string, the caller's to free; or null, with the error set and everything freed. text is empty
 * again. */
char *cr_text_take(cr_text *text);
void cr_text_free(cr_text *text);

#endif
