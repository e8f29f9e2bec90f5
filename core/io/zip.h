/* The part of the zip format that .npz needs: the list of members, checked; and writing members one
 * by one. */
#ifndef CRESSET_CORE_IO_ZIP_H
#define CRESSET_CORE_IO_ZIP_H

#include "core/base/file.h"

/* ---- reading ---- */

typedef struct cr_zip_member {
    char *name;
    uint16_t method; /* 0 stored, 8 deflated */
    uint32_t crc;
    size_t begin, compressed, size; /* where its bytes lie, how many, and how many inflated */
    size_t header;                  /* where its local header lies */
} cr_zip_member;

typedef struct cr_zip {
    cr_zip_member *members; /* [count], in the directory's order */
    size_t count;
} cr_zip;

/* Lists the members of a zip file in memory. Checked: that all lies within the file, that the two
 * headers of each member agree, that no two members overlap or share a name, that methods are known
 * and nothing is encrypted. Returns 0, or -1 with the error set; to be freed either way. */
int cr_zip_list(const char *path, const unsigned char *bytes, size_t size, cr_zip *zip);
void cr_zip_free(cr_zip *zip);

/* ---- writing ---- */

typedef struct cr_zip_writer {
    cr_file_writer *file;
    const char *path;
    cr_zip_member *members;
    size_t count, capacity;
} cr_zip_writer;

/* Adds a member whose bytes are those of head and then those of body, deflated or stored; a stored
 * one begins at a multiple of 64. Returns 0, or -1. */
int cr_zip_add(cr_zip_writer *zip, const char *name, bool deflated, const void *head, size_t nhead,
               const void *body, size_t nbody);
/* Adds the directory. The file is then the caller's to commit. Returns 0, or -1. */
int cr_zip_finish(cr_zip_writer *zip);
void cr_zip_writer_free(cr_zip_writer *zip);

#endif
