/* Files: mapped for reading, and written so that the old file stays until the new one is whole.
 * Shared by everything that reads outside bytes or leaves results behind. All functions record
 * errors that name the path. */
#ifndef CRESSET_CORE_BASE_FILE_H
#define CRESSET_CORE_BASE_FILE_H

#include <cresset/base.h>

/* ---- reading ---- */

/* A regular file's bytes in memory, private: writing changes the process's own pages, never the
 * file. Counted, so that several tensors can lie in one map. */
typedef struct cr_file_map cr_file_map;

/* Maps a file; null, with the error set, if it can't be read or isn't a regular file. An empty file
 * gives size 0. */
cr_file_map *cr_file_map_open(const char *path);
unsigned char *cr_file_map_data(const cr_file_map *map);
size_t cr_file_map_size(const cr_file_map *map);
cr_file_map *cr_file_map_retain(cr_file_map *map);
void cr_file_map_release(
    void *map); /* takes null, too; void * because scopes and adopted tensors want it so */

#ifdef CRESSET_FUZZ
/* From now on every path that is read names these bytes, which must stay: for the fuzzers. */
CR_API void cr_file_fuzz(const void *bytes, size_t size);
#endif

/* Whether a path names something that exists. No error. */
bool cr_file_exists(const char *path);
/* "folder/name", the caller's to free; null, with the error set, without memory. */
char *cr_file_join(const char *folder, const char *name);

/* ---- writing ---- */

/* A file that is being written under a temporary name in its folder. The first failure is
 * remembered; the rest of the calls then do nothing, so one check at the commit is enough. */
typedef struct cr_file_writer cr_file_writer;

/* Begins; null, with the error set, if the folder can't be written or the path names something else
 * than a regular file. A symbolic link is followed: the file that it names is replaced. An existing
 * file's permissions are kept. */
cr_file_writer *cr_file_writer_open(const char *path);
void cr_file_writer_add(cr_file_writer *writer, const void *bytes, size_t count);
/* Bytes added so far. */
uint64_t cr_file_writer_tell(const cr_file_writer *writer);
/* Syncs, renames over the path and syncs the folder; frees writer. Returns 0, or -1 with the error
 * set and, where the rename had not happened yet, the old file as it was. Takes null (then -1). */
int cr_file_writer_commit(cr_file_writer *writer);
/* Removes the temporary file and frees writer; the old file stays. Takes null. */
void cr_file_writer_abort(cr_file_writer *writer);

/* All of the above for bytes at hand. Returns 0, or -1. */
int cr_file_write(const char *path, const void *bytes, size_t count);

/* Makes a folder and those above it, as mkdir -p. Returns 0, or -1. */
int cr_file_make_folders(const char *path);

#endif
