/* Listing a zip file's members: PKWARE's APPNOTE, with zip64, without what .npz never has
 * (encryption, several disks). */
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/map.h"
#include "core/io/inflate.h"
#include "core/io/zip.h"

enum { LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56, LOCATOR = 20 };

static uint64_t number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    while (bytes--)
        value = value << 8 | at[bytes];
    return value;
}

static bool signed_with(const unsigned char *at, const char *letters)
{
    return at[0] == 'P' && at[1] == 'K' && at[2] == (unsigned char)letters[0] &&
           at[3] == (unsigned char)letters[1];
}

typedef struct directory {
    const char *path;
    const unsigned char *bytes;
    size_t size;
    uint64_t begin, length, entries;
} directory;

/* Finds the end record, behind which only a comment of its own length may stand. */
static int find_directory(directory *d)
{
    if (d->size < END)
        return CR_FAIL_INT("%s: is no zip file: it has only %zu bytes", d->path, d->size);
    size_t at = d->size - END, least = d->size - END > 65535 ? d->size - END - 65535 : 0;
    while (!signed_with(d->bytes + at, "\5\6") ||
           number(d->bytes + at + 20, 2) != d->size - at - END) {
        if (at == least)
            return CR_FAIL_INT("%s: is no zip file, or cut short: it has no end record", d->path);
        at--;
    }
    const unsigned char *end = d->bytes + at;
    if (number(end + 4, 2) || number(end + 6, 2))
        return CR_FAIL_INT("%s: is one part of a zip file in several", d->path);
    d->entries = number(end + 10, 2);
    d->length = number(end + 12, 4);
    d->begin = number(end + 16, 4);
    uint64_t limit = at;
    if (at >= LOCATOR && signed_with(end - LOCATOR, "\6\7")) {
        uint64_t at64 = number(end - LOCATOR + 8, 8);
        if (at64 > at - LOCATOR || at - LOCATOR - at64 < END64 ||
            !signed_with(d->bytes + at64, "\6\6"))
            return CR_FAIL_INT("%s: its zip64 end record is not where it should be", d->path);
        d->entries = number(d->bytes + at64 + 32, 8);
        d->length = number(d->bytes + at64 + 40, 8);
        d->begin = number(d->bytes + at64 + 48, 8);
        limit = at64;
    }
    if (d->begin > limit || d->length != limit - d->begin)
        return CR_FAIL_INT("%s: its directory of %llu bytes at byte %llu doesn't end where its end "
                           "record begins, at byte %llu",
                           d->path, (unsigned long long)d->length, (unsigned long long)d->begin,
                           (unsigned long long)limit);
    if (d->entries > d->length / CENTRAL)
        return CR_FAIL_INT("%s: its directory of %llu bytes can't hold %llu members", d->path,
                           (unsigned long long)d->length, (unsigned long long)d->entries);
    return 0;
}

/* The three numbers that zip64 keeps in an extra field where 32 bits don't hold them. */
static int read_zip64(const directory *d, const cr_zip_member *member, const unsigned char *extra,
                      size_t length, uint64_t *values[3])
{
    while (length >= 4) {
        uint64_t tag = number(extra, 2), bytes = number(extra + 2, 2);
        if (bytes > length - 4)
            break;
        const unsigned char *at = extra + 4, *end = at + bytes;
        for (int i = 0; i < 3 && tag == 1; i++) {
            if (*values[i] != UINT32_MAX)
                continue;
            if (end - at < 8)
                return CR_FAIL_INT("%s: the zip64 field of '%.200s' is too short", d->path,
                                   member->name);
            *values[i] = number(at, 8);
            at += 8;
        }
        extra = end;
        length -= 4 + (size_t)bytes;
    }
    return 0;
}

/* What stands before the member's bytes must agree with the directory. */
static int check_local(const directory *d, cr_zip_member *member, uint64_t at, uint64_t compressed,
                       uint64_t size)
{
    size_t name = strlen(member->name);
    if (at > d->begin || d->begin - at < LOCAL || !signed_with(d->bytes + at, "\3\4"))
        return CR_FAIL_INT("%s: the header of '%.200s' is not at byte %llu", d->path, member->name,
                           (unsigned long long)at);
    const unsigned char *local = d->bytes + at;
    uint64_t room = d->begin - at - LOCAL, before = number(local + 26, 2) + number(local + 28, 2);
    if (before > room || compressed > room - before)
        return CR_FAIL_INT("%s: '%.200s' of %llu bytes doesn't fit before the directory", d->path,
                           member->name, (unsigned long long)compressed);
    if (number(local + 26, 2) != name || memcmp(local + LOCAL, member->name, name) ||
        number(local + 8, 2) != member->method)
        return CR_FAIL_INT("%s: the directory and the header of '%.200s' disagree", d->path,
                           member->name);
    if (member->method == 0 && size != compressed)
        return CR_FAIL_INT("%s: '%.200s' is stored, but of %llu bytes in the file and %llu outside",
                           d->path, member->name, (unsigned long long)compressed,
                           (unsigned long long)size);
    if (member->method == 8 && !cr_inflate_can_hold((size_t)compressed, size))
        return CR_FAIL_INT("%s: the %llu bytes of '%.200s' can't be inflated to %llu", d->path,
                           (unsigned long long)compressed, member->name, (unsigned long long)size);
    member->header = (size_t)at;
    member->begin = (size_t)(at + LOCAL + before);
    member->compressed = (size_t)compressed;
    member->size = (size_t)size;
    return 0;
}

/* Reads one entry of the directory; *at moves behind it. */
static int read_member(const directory *d, uint64_t *at, cr_zip_member *member)
{
    uint64_t rest = d->begin + d->length - *at;
    const unsigned char *entry = d->bytes + *at;
    *member = (cr_zip_member){0};
    if (rest < CENTRAL || !signed_with(entry, "\1\2"))
        return CR_FAIL_INT("%s: its directory is damaged at byte %llu", d->path,
                           (unsigned long long)*at);
    size_t name = (size_t)number(entry + 28, 2), extra = (size_t)number(entry + 30, 2);
    size_t comment = (size_t)number(entry + 32, 2);
    if (name + extra + comment > rest - CENTRAL)
        return CR_FAIL_INT("%s: its directory is cut short at byte %llu", d->path,
                           (unsigned long long)*at);
    if (!name || memchr(entry + CENTRAL, 0, name))
        return CR_FAIL_INT("%s: the name of a member is empty or holds a null", d->path);
    member->name = malloc(name + 1);
    if (!member->name)
        return cr_fail_memory("a member's name", name + 1), -1;
    memcpy(member->name, entry + CENTRAL, name);
    member->name[name] = 0;
    member->method = (uint16_t)number(entry + 10, 2);
    member->crc = (uint32_t)number(entry + 16, 4);
    if (number(entry + 8, 2) & 1)
        return CR_FAIL_INT("%s: '%.200s' is encrypted", d->path, member->name);
    if (member->method != 0 && member->method != 8)
        return CR_FAIL_INT("%s: '%.200s' is compressed by method %d; 0 (stored) and 8 (deflated) "
                           "are supported",
                           d->path, member->name, member->method);
    uint64_t compressed = number(entry + 20, 4), size = number(entry + 24, 4);
    uint64_t local = number(entry + 42, 4);
    uint64_t *values[] = {&size, &compressed, &local};
    if (read_zip64(d, member, entry + CENTRAL + name, extra, values))
        return -1;
    *at += CENTRAL + name + extra + comment;
    return check_local(d, member, local, compressed, size);
}

static int by_header(const void *a, const void *b)
{
    const cr_zip_member *const *x = a, *const *y = b;
    return ((*x)->header > (*y)->header) - ((*x)->header < (*y)->header);
}

static int check_overlap(const char *path, const cr_zip *zip)
{
    const cr_zip_member **order = malloc((zip->count + 1) * sizeof *order);
    if (!order)
        return cr_fail_memory("a list of members", (zip->count + 1) * sizeof *order), -1;
    for (size_t i = 0; i < zip->count; i++)
        order[i] = &zip->members[i];
    qsort(order, zip->count, sizeof *order, by_header);
    int status = 0;
    for (size_t i = 1; i < zip->count && !status; i++)
        if (order[i]->header < order[i - 1]->begin + order[i - 1]->compressed)
            status = CR_FAIL_INT("%s: '%.200s' and '%.200s' overlap", path, order[i - 1]->name,
                                 order[i]->name);
    free(order);
    return status;
}

int cr_zip_list(const char *path, const unsigned char *bytes, size_t size, cr_zip *zip)
{
    *zip = (cr_zip){0};
    directory d = {.path = path, .bytes = bytes, .size = size};
    if (find_directory(&d))
        return -1;
    zip->members = malloc(((size_t)d.entries + 1) * sizeof *zip->members);
    if (!zip->members)
        return cr_fail_memory("a list of members", (size_t)d.entries * sizeof *zip->members), -1;
    cr_map seen = {0};
    uint64_t at = d.begin;
    int status = 0;
    while (zip->count < d.entries && !status) {
        cr_zip_member *member = &zip->members[zip->count++];
        status = read_member(&d, &at, member);
        if (!status && cr_map_find(&seen, member->name))
            status = CR_FAIL_INT("%s: has '%.200s' twice", path, member->name);
        if (!status && !cr_map_set(&seen, member->name, NULL))
            status = -1;
    }
    cr_map_free(&seen);
    if (!status && at != d.begin + d.length)
        status = CR_FAIL_INT("%s: its directory holds more than its %llu members", path,
                             (unsigned long long)d.entries);
    return status ? status : check_overlap(path, zip);
}

void cr_zip_free(cr_zip *zip)
{
    for (size_t i = 0; i < zip->count; i++)
        free(zip->members[i].name);
    free(zip->members);
    *zip = (cr_zip){0};
}
