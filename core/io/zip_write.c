/* Writing zip files: local headers, members, directory; zip64 where 32 bits don't hold a number. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/base/error.h"
#include "core/io/zip.h"

enum {
    LOCAL = 30,
    ALIGNMENT = 64,
    DOS_DATE = 0x21 /* 1980-01-01: files of equal content are equal */
};

/* Fields in little-endian order, gathered in a small buffer. */
typedef struct record {
    unsigned char bytes[128];
    size_t length;
} record;

static void put(record *r, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        r->bytes[r->length++] = (unsigned char)(value >> 8 * i);
}

static uint32_t crc_of(uint32_t crc, const unsigned char *bytes, size_t count)
{
    while (count) {
        uInt piece = count < UINT_MAX ? (uInt)count : UINT_MAX;
        crc = (uint32_t)crc32(crc, bytes, piece);
        bytes += piece;
        count -= piece;
    }
    return crc;
}

/* Deflates head and body into memory of its own; null, with the error set, without memory. */
static unsigned char *deflate_both(const char *name, const void *const parts[2],
                                   const size_t counts[2], size_t *made)
{
    /* zlib's bound for the default settings, for sizes past 32 bits */
    size_t whole = counts[0] + counts[1], room = whole + (whole >> 12) + (whole >> 14) + 64;
    unsigned char *to = malloc(room);
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (!to || deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8,
                            Z_DEFAULT_STRATEGY) != Z_OK) {
        free(to);
        return cr_fail_memory(name, room);
    }
    size_t given = 0;
    int status = Z_OK;
    for (int i = 0; i < 2; i++) {
        const unsigned char *at = parts[i];
        size_t left = counts[i];
        do {
            uInt in = left < UINT_MAX ? (uInt)left : UINT_MAX;
            uInt out = room - given < UINT_MAX ? (uInt)(room - given) : UINT_MAX;
            stream.next_in = (Bytef *)(uintptr_t)at;
            stream.avail_in = in;
            stream.next_out = to + given;
            stream.avail_out = out;
            status = deflate(&stream, i == 1 && in == left ? Z_FINISH : Z_NO_FLUSH);
            at += in - stream.avail_in;
            left -= in - stream.avail_in;
            given += out - stream.avail_out;
        } while ((left || (i == 1 && status != Z_STREAM_END)) &&
                 (status == Z_OK || (status == Z_BUF_ERROR && given < room)));
    }
    deflateEnd(&stream);
    if (status != Z_STREAM_END) {
        free(to);
        return cr_fail("'%.200s' can't be deflated", name);
    }
    *made = given;
    return to;
}

static void put_common(record *r, const cr_zip_member *m, bool zip64, size_t extra)
{
    put(r, zip64 ? 45 : 20, 2); /* the version of zip that is needed to read it */
    put(r, 1 << 11, 2);         /* names are UTF-8 */
    put(r, m->method, 2);
    put(r, 0, 2);
    put(r, DOS_DATE, 2);
    put(r, m->crc, 4);
    put(r, zip64 ? UINT32_MAX : m->compressed, 4);
    put(r, zip64 ? UINT32_MAX : m->size, 4);
    put(r, strlen(m->name), 2);
    put(r, extra, 2);
}

static bool needs_zip64(const cr_zip_member *m)
{
    return m->compressed >= UINT32_MAX || m->size >= UINT32_MAX;
}

static void write_local(cr_zip_writer *zip, const cr_zip_member *m)
{
    bool zip64 = needs_zip64(m);
    size_t name = strlen(m->name), wide = zip64 ? 20 : 0, padding = 0;
    if (m->method == 0) { /* a field of its own moves the member's bytes to the next multiple */
        size_t begin = m->header + LOCAL + name + wide + 4;
        padding = 4 + (ALIGNMENT - begin % ALIGNMENT) % ALIGNMENT;
    }
    record r = {.length = 0};
    put(&r, 0x04034b50, 4);
    put_common(&r, m, zip64, wide + padding);
    cr_file_writer_add(zip->file, r.bytes, r.length);
    cr_file_writer_add(zip->file, m->name, name);
    r.length = 0;
    if (zip64) {
        put(&r, 1, 2);
        put(&r, 16, 2);
        put(&r, m->size, 8);
        put(&r, m->compressed, 8);
    }
    if (padding) {
        put(&r, 0xd935, 2); /* the number that Android's zipalign took for it */
        put(&r, padding - 4, 2);
        for (size_t i = 4; i < padding; i++)
            put(&r, 0, 1);
    }
    cr_file_writer_add(zip->file, r.bytes, r.length);
}

static cr_zip_member *new_member(cr_zip_writer *zip, const char *name)
{
    if (zip->count == zip->capacity) {
        size_t capacity = zip->capacity ? 2 * zip->capacity : 16;
        cr_zip_member *members = realloc(zip->members, capacity * sizeof *members);
        if (!members)
            return cr_fail_memory("a list of members", capacity * sizeof *members);
        zip->members = members;
        zip->capacity = capacity;
    }
    size_t length = strlen(name) + 1;
    char *copy = malloc(length);
    if (!copy)
        return cr_fail_memory("a member's name", length);
    memcpy(copy, name, length);
    zip->members[zip->count] = (cr_zip_member){.name = copy};
    return &zip->members[zip->count++];
}

int cr_zip_add(cr_zip_writer *zip, const char *name, bool deflated, const void *head, size_t nhead,
               const void *body, size_t nbody)
{
    if (nbody > SIZE_MAX / 4 || nhead > SIZE_MAX / 4)
        return CR_FAIL_INT("%s: '%.200s' is too large", zip->path, name);
    cr_zip_member *m = new_member(zip, name);
    if (!m)
        return -1;
    m->header = (size_t)cr_file_writer_tell(zip->file);
    m->method = deflated ? 8 : 0;
    m->size = m->compressed = nhead + nbody;
    m->crc = crc_of(crc_of(0, head, nhead), body, nbody);
    unsigned char *made = NULL;
    if (deflated) {
        const void *const parts[2] = {head, body};
        const size_t counts[2] = {nhead, nbody};
        if (!(made = deflate_both(name, parts, counts, &m->compressed)))
            return -1;
    }
    write_local(zip, m);
    if (made) {
        cr_file_writer_add(zip->file, made, m->compressed);
    } else {
        cr_file_writer_add(zip->file, head, nhead);
        cr_file_writer_add(zip->file, body, nbody);
    }
    free(made);
    return 0;
}

static void write_central(cr_zip_writer *zip, const cr_zip_member *m)
{
    bool zip64 = needs_zip64(m) || m->header >= UINT32_MAX;
    record r = {.length = 0};
    put(&r, 0x02014b50, 4);
    put(&r, 3 << 8 | 45, 2); /* made under Unix */
    put_common(&r, m, zip64, zip64 ? 28 : 0);
    put(&r, 0, 2);              /* comment */
    put(&r, 0, 2);              /* disk */
    put(&r, 0, 2);              /* internal attributes */
    put(&r, 0100644u << 16, 4); /* permissions */
    put(&r, zip64 ? UINT32_MAX : m->header, 4);
    cr_file_writer_add(zip->file, r.bytes, r.length);
    cr_file_writer_add(zip->file, m->name, strlen(m->name));
    if (!zip64)
        return;
    r.length = 0;
    put(&r, 1, 2);
    put(&r, 24, 2);
    put(&r, m->size, 8);
    put(&r, m->compressed, 8);
    put(&r, m->header, 8);
    cr_file_writer_add(zip->file, r.bytes, r.length);
}

int cr_zip_finish(cr_zip_writer *zip)
{
    uint64_t begin = cr_file_writer_tell(zip->file);
    for (size_t i = 0; i < zip->count; i++)
        write_central(zip, &zip->members[i]);
    uint64_t end = cr_file_writer_tell(zip->file), length = end - begin;
    bool zip64 = zip->count >= UINT16_MAX || begin >= UINT32_MAX || length >= UINT32_MAX;
    record r = {.length = 0};
    if (zip64) {
        put(&r, 0x06064b50, 4);
        put(&r, 44, 8); /* the bytes of this record that follow */
        put(&r, 3 << 8 | 45, 2);
        put(&r, 45, 2);
        put(&r, 0, 4);
        put(&r, 0, 4);
        put(&r, zip->count, 8);
        put(&r, zip->count, 8);
        put(&r, length, 8);
        put(&r, begin, 8);
        put(&r, 0x07064b50, 4);
        put(&r, 0, 4);
        put(&r, end, 8);
        put(&r, 1, 4);
    }
    put(&r, 0x06054b50, 4);
    put(&r, 0, 4);
    put(&r, zip64 ? UINT16_MAX : zip->count, 2);
    put(&r, zip64 ? UINT16_MAX : zip->count, 2);
    put(&r, zip64 ? UINT32_MAX : length, 4);
    put(&r, zip64 ? UINT32_MAX : begin, 4);
    put(&r, 0, 2);
    cr_file_writer_add(zip->file, r.bytes, r.length);
    return 0;
}

void cr_zip_writer_free(cr_zip_writer *zip)
{
    for (size_t i = 0; i < zip->count; i++)
        free(zip->members[i].name);
    free(zip->members);
    zip->members = NULL;
    zip->count = zip->capacity = 0;
}
