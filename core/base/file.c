/* Mapped reading and atomic writing of files. */
#define _GNU_SOURCE
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/error.h"

/* strerror's words, without its shared buffer. */
static const char *words_of(int number, char *room, size_t size)
{
#if defined __GLIBC__
    return strerror_r(number, room, size);
#else
    return strerror_r(number, room, size) ? "unknown error" : room;
#endif
}

static int fail_with(const char *path, const char *what, int number)
{
    char room[128];
    return CR_FAIL_INT("%s: %s: %s", path, what, words_of(number, room, sizeof room));
}

/* ---- reading ---- */

struct cr_file_map {
    atomic_int refs;
    unsigned char *data;
    size_t size;
};

#ifdef CRESSET_FUZZ
/* In the fuzzers' builds every path names the bytes given last, copied: no system calls, and unlike
 * the last page of a map they have an end that the address sanitizer watches. */
static const void *memory_bytes;
static size_t memory_size;

void cr_file_fuzz(const void *bytes, size_t size)
{
    memory_bytes = bytes;
    memory_size = size;
}

static cr_file_map *map_memory(const char *path)
{
    cr_file_map *map = malloc(sizeof *map);
    unsigned char *data = malloc(memory_size ? memory_size : 1);
    if (!map || !data) {
        free(map);
        free(data);
        return cr_fail_memory(path, memory_size);
    }
    memcpy(data, memory_bytes, memory_size);
    *map = (cr_file_map){.refs = 1, .data = data, .size = memory_size};
    return map;
}

static void unmap(cr_file_map *map)
{
    free(map->data);
}
#else
static void unmap(cr_file_map *map)
{
    if (map->data)
        munmap(map->data, map->size);
}
#endif

static cr_file_map *map_descriptor(int fd, const char *path)
{
    struct stat status;
    if (fstat(fd, &status)) {
        fail_with(path, "can't be examined", errno);
        return NULL;
    }
    if (!S_ISREG(status.st_mode))
        return cr_fail("%s: is not a regular file", path);
    if ((uintmax_t)status.st_size > SIZE_MAX / 2)
        return cr_fail("%s: its %jd bytes don't fit in memory", path, (intmax_t)status.st_size);
    cr_file_map *map = malloc(sizeof *map);
    if (!map)
        return cr_fail_memory(path, sizeof *map);
    *map = (cr_file_map){.refs = 1, .size = (size_t)status.st_size};
    if (!map->size)
        return map;
    map->data = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (map->data == MAP_FAILED) {
        fail_with(path, "can't be mapped to memory", errno);
        free(map);
        return NULL;
    }
    return map;
}

cr_file_map *cr_file_map_open(const char *path)
{
    if (!path)
        return cr_fail("a file's path is null");
#ifdef CRESSET_FUZZ
    if (memory_bytes)
        return map_memory(path);
#endif
    int fd;
    do /* a named pipe without a writer would block; it is refused above, being no regular file */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        fail_with(path, "can't be opened", errno);
        return NULL;
    }
    cr_file_map *map = map_descriptor(fd, path);
    close(fd);
    return map;
}

unsigned char *cr_file_map_data(const cr_file_map *map)
{
    return map->data;
}

size_t cr_file_map_size(const cr_file_map *map)
{
    return map->size;
}

cr_file_map *cr_file_map_retain(cr_file_map *map)
{
    atomic_fetch_add_explicit(&map->refs, 1, memory_order_relaxed);
    return map;
}

void cr_file_map_release(void *released)
{
    cr_file_map *map = released;
    if (!map || atomic_fetch_sub_explicit(&map->refs, 1, memory_order_acq_rel) != 1)
        return;
    unmap(map);
    free(map);
}

bool cr_file_exists(const char *path)
{
    struct stat status;
    return !stat(path, &status);
}

char *cr_file_join(const char *folder, const char *name)
{
    size_t length = strlen(folder), bytes = length + strlen(name) + 2;
    char *path = malloc(bytes);
    if (!path)
        return cr_fail_memory("a path", bytes);
    bool slash = length && folder[length - 1] == '/';
    snprintf(path, bytes, "%s%s%s", folder, slash || !length ? "" : "/", name);
    return path;
}

/* ---- writing ---- */

enum { BUFFERED = 1 << 16 };

struct cr_file_writer {
    char *path;      /* what is replaced, links followed */
    char *temporary; /* in the same folder */
    int fd;
    bool failed;
    uint64_t written; /* of the bytes before buffer */
    size_t nbuffer;
    unsigned char buffer[BUFFERED];
};

/* The folder of a path, the caller's to free. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    char *folder = slash ? strndup(path, length) : strdup(".");
    return folder ? folder : cr_fail_memory("a path", length + 1);
}

/* Opens a file that was not there, ".<name>.<number>.tmp" beside path. */
static int open_temporary(cr_file_writer *writer, mode_t mode)
{
    static atomic_uint counter;
    const char *slash = strrchr(writer->path, '/');
    const char *name = slash ? slash + 1 : writer->path;
    size_t bytes = strlen(writer->path) + 40;
    writer->temporary = malloc(bytes);
    if (!writer->temporary) {
        cr_fail_memory("a path", bytes);
        return -1;
    }
    for (int attempt = 0; attempt < 100; attempt++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint32_t number = ((uint32_t)now.tv_nsec ^ (uint32_t)getpid() << 12) +
                          0x9e3779b9u * atomic_fetch_add(&counter, 1);
        /* a name near the file system's limit of 255 bytes is cut */
        snprintf(writer->temporary, bytes, "%.*s.%.200s.%08" PRIx32 ".tmp",
                 (int)(name - writer->path), writer->path, name, number);
        writer->fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (writer->fd >= 0)
            return 0;
        if (errno != EEXIST && errno != EINTR)
            break;
    }
    int number = errno;
    free(writer->temporary);
    writer->temporary = NULL;
    return fail_with(writer->path, "can't be written", number);
}

static int open_writer(cr_file_writer *writer, const char *path)
{
    struct stat status;
    bool exists = !stat(path, &status);
    if (exists && !S_ISREG(status.st_mode))
        return CR_FAIL_INT("%s: can't be replaced: it is not a regular file", path);
    writer->path = exists ? realpath(path, NULL) : strdup(path);
    if (!writer->path)
        return fail_with(path, "can't be written", errno);
    if (open_temporary(writer, exists ? status.st_mode & 0777 : 0666))
        return -1;
    if (exists) /* past the umask; a file system without permissions may refuse, and that is no harm
                 */
        (void)!fchmod(writer->fd, status.st_mode & 0777);
    return 0;
}

cr_file_writer *cr_file_writer_open(const char *path)
{
    if (!path || !*path)
        return cr_fail("a file's path is %s", path ? "empty" : "null");
    cr_file_writer *writer = malloc(sizeof *writer);
    if (!writer)
        return cr_fail_memory(path, sizeof *writer);
    writer->path = writer->temporary = NULL;
    writer->fd = -1;
    writer->failed = false;
    writer->written = 0;
    writer->nbuffer = 0;
    if (open_writer(writer, path)) {
        cr_file_writer_abort(writer);
        return NULL;
    }
    return writer;
}

static void write_all(cr_file_writer *writer, const unsigned char *bytes, size_t count)
{
    while (count && !writer->failed) {
        size_t most = (size_t)1 << 30; /* Linux writes at most 2 GiB at once */
        ssize_t done = write(writer->fd, bytes, count < most ? count : most);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            fail_with(writer->path, "can't be written", errno);
            writer->failed = true;
            return;
        }
        bytes += done;
        count -= (size_t)done;
        writer->written += (uint64_t)done;
    }
}

static void flush(cr_file_writer *writer)
{
    size_t count = writer->nbuffer;
    writer->nbuffer = 0;
    write_all(writer, writer->buffer, count);
}

void cr_file_writer_add(cr_file_writer *writer, const void *bytes, size_t count)
{
    if (!writer || writer->failed || !count)
        return;
    if (count > BUFFERED - writer->nbuffer)
        flush(writer);
    if (count >= BUFFERED) {
        write_all(writer, bytes, count);
        return;
    }
    memcpy(writer->buffer + writer->nbuffer, bytes, count);
    writer->nbuffer += count;
}

uint64_t cr_file_writer_tell(const cr_file_writer *writer)
{
    return writer ? writer->written + writer->nbuffer : 0;
}

static int sync_folder(const char *path)
{
    char *folder = folder_of(path);
    if (!folder)
        return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = 0;
    /* EINVAL: a file system whose folders can't be synced, and need not be */
    if (fd < 0 || (fsync(fd) && errno != EINVAL && errno != ENOTSUP))
        status = fail_with(folder, "can't be synced", errno);
    if (fd >= 0)
        close(fd);
    free(folder);
    return status;
}

int cr_file_writer_commit(cr_file_writer *writer)
{
    if (!writer)
        return -1;
    flush(writer);
    if (!writer->failed && fsync(writer->fd)) {
        fail_with(writer->path, "can't be synced", errno);
        writer->failed = true;
    }
    if (!writer->failed && close(writer->fd)) {
        fail_with(writer->path, "can't be closed", errno);
        writer->failed = true;
    }
    if (!writer->failed)
        writer->fd = -1;
    if (!writer->failed && rename(writer->temporary, writer->path)) {
        fail_with(writer->path, "can't be replaced", errno);
        writer->failed = true;
    }
    int status = -1;
    if (!writer->failed) {
        free(writer->temporary);
        writer->temporary = NULL;
        status = sync_folder(writer->path);
    }
    cr_file_writer_abort(writer);
    return status;
}

void cr_file_writer_abort(cr_file_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    free(writer);
}

int cr_file_write(const char *path, const void *bytes, size_t count)
{
    cr_file_writer *writer = cr_file_writer_open(path);
    cr_file_writer_add(writer, bytes, count);
    return cr_file_writer_commit(writer);
}

static int make_folder(const char *path)
{
    struct stat status;
    if (!mkdir(path, 0777))
        return 0;
    int number = errno; /* an existing folder may be refused with another reason, as read-only */
    return !stat(path, &status) && S_ISDIR(status.st_mode)
               ? 0
               : fail_with(path, "can't be made a folder", number);
}

int cr_file_make_folders(const char *path)
{
    char *copy = path ? strdup(path) : NULL;
    if (!copy)
        return CR_FAIL_INT("a folder's path is null, or there is no memory for it");
    int status = 0;
    for (char *c = copy + 1; *copy && *c && !status; c++) {
        if (*c != '/')
            continue;
        *c = 0;
        status = make_folder(copy);
        *c = '/';
    }
    if (!status)
        status = make_folder(copy);
    free(copy);
    return status;
}
