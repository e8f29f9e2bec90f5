/* Inflating with zlib, in pieces, because zlib counts in 32 bits. */
#include "core/io/inflate.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

static uInt piece(size_t count)
{
    return count < UINT_MAX ? (uInt)count : UINT_MAX;
}

/* Runs one stream to its end. Moves source and to forward. */
static cr_inflate_result run(z_stream *stream, const unsigned char **source, size_t *size,
                             unsigned char **to, size_t *room, bool partial)
{
    unsigned char spare; /* a byte past the room, to learn whether the stream wants to go on */
    for (;;) {
        bool full = *room == 0;
        if (full && partial)
            return CR_INFLATE_WHOLE;
        uInt in = piece(*size), out = full ? 1 : piece(*room);
        stream->next_in = (Bytef *)(uintptr_t)*source; /* zlib only reads it */
        stream->avail_in = in;
        stream->next_out = full ? &spare : *to;
        stream->avail_out = out;
        int status = inflate(stream, Z_NO_FLUSH);
        size_t taken = in - stream->avail_in, given = out - stream->avail_out;
        *source += taken;
        *size -= taken;
        if (full && given)
            return CR_INFLATE_LONGER;
        *to += given;
        *room -= given;
        if (status == Z_STREAM_END)
            return CR_INFLATE_WHOLE;
        if (status == Z_MEM_ERROR)
            return CR_INFLATE_NO_MEMORY;
        if (status != Z_OK && status != Z_BUF_ERROR)
            return CR_INFLATE_DAMAGED;
        if (!taken && !given)
            return *size ? CR_INFLATE_DAMAGED : CR_INFLATE_CUT;
    }
}

cr_inflate_result cr_inflate(cr_inflate_format format, const unsigned char *source, size_t size,
                             unsigned char *to, size_t room, bool partial, size_t *made)
{
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    *made = 0;
    if (inflateInit2(&stream, format == CR_INFLATE_GZIP ? 15 + 16 : -15) != Z_OK)
        return CR_INFLATE_NO_MEMORY;
    size_t whole = room;
    cr_inflate_result result = run(&stream, &source, &size, &to, &room, partial);
    bool ended = room || !partial;
    /* the members of a gzip file follow each other; anything else after one is no part of it */
    while (result == CR_INFLATE_WHOLE && ended && format == CR_INFLATE_GZIP && size >= 2 &&
           source[0] == 0x1f && source[1] == 0x8b) {
        inflateReset(&stream);
        result = run(&stream, &source, &size, &to, &room, partial);
        ended = room || !partial;
    }
    inflateEnd(&stream);
    *made = whole - room;
    return result == CR_INFLATE_WHOLE && ended && size ? CR_INFLATE_TRAILING : result;
}
