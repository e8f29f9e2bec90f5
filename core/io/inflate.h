/* Inflating: gzip and the deflate streams of zip, from memory to memory, with sizes known
 * beforehand. */
#ifndef CRESSET_CORE_IO_INFLATE_H
#define CRESSET_CORE_IO_INFLATE_H

#include <cresset/base.h>

/* Deflate makes at most 1032 bytes of one, so a claim beyond that can be refused before anything is
 * allocated. */
static inline bool cr_inflate_can_hold(size_t compressed, uint64_t inflated)
{
    return inflated / 1032 <= (uint64_t)compressed + 1;
}

typedef enum cr_inflate_format { CR_INFLATE_RAW, CR_INFLATE_GZIP } cr_inflate_format;

typedef enum cr_inflate_result {
    CR_INFLATE_WHOLE,  /* the stream ended with the source and filled the room exactly or less; see
                        *made */
    CR_INFLATE_CUT,    /* the source ends before the stream does */
    CR_INFLATE_LONGER, /* the stream holds more than there is room for */
    CR_INFLATE_TRAILING, /* the stream ended, but bytes are left in the source */
    CR_INFLATE_DAMAGED,  /* not a stream, or a wrong checksum */
    CR_INFLATE_NO_MEMORY
} cr_inflate_result;

/* Inflates source[0…size) into to[0…room), and writes how many bytes there were. A gzip source may
 * be several members in a row. With partial, reaching the end of the room is a success however much
 * is left: for looking at a header. */
cr_inflate_result cr_inflate(cr_inflate_format format, const unsigned char *source, size_t size,
                             unsigned char *to, size_t room, bool partial, size_t *made);

#endif
