/* The header of a safetensors file: what it says about each tensor, checked. Reading and writing
 * the file around it is in safetensors.c. */
#ifndef CRESSET_CORE_IO_SAFETENSORS_HEADER_H
#define CRESSET_CORE_IO_SAFETENSORS_HEADER_H

#include <cresset/tensor.h>

#include "core/base/text.h"

typedef struct cr_safetensors_entry {
    char *name;
    cr_dtype dtype;
    int dim;
    int64_t sizes[CR_MAX_RANK];
    size_t begin, end; /* in the data */
} cr_safetensors_entry;

typedef struct cr_safetensors_header {
    cr_safetensors_entry *entries; /* [count], in the header's order */
    size_t count;
    char **metadata; /* key, value, …, null, in one block; null where there is none */
} cr_safetensors_header;

/* Parses length bytes of JSON about data of data_size bytes. Returns 0, or -1 with the error set;
 * to be freed either way. */
int cr_safetensors_parse(const char *path, const char *json, size_t length, size_t data_size,
                         cr_safetensors_header *header);
void cr_safetensors_header_free(cr_safetensors_header *header);

/* Adds a JSON string, quoted. */
void cr_safetensors_print_string(const char *string, cr_text *text);
/* Adds a tensor's member of the header: its name and what is said about it. */
void cr_safetensors_print_entry(const cr_safetensors_entry *entry, cr_text *text);

#endif
