/* Protocol buffers, written. */
#include <string.h>

#include "core/train/events.h"

static void put(cr_text *to, uint64_t v)
{
    char bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (char)((v & 127) | (v > 127 ? 128 : 0));
        v >>= 7;
    } while (v);
    cr_text_add_bytes(to, bytes, n);
}

static void put_little(cr_text *to, uint64_t bits, int count)
{
    char bytes[8];
    for (int i = 0; i < count; i++)
        bytes[i] = (char)(bits >> 8 * i);
    cr_text_add_bytes(to, bytes, (size_t)count);
}

void cr_proto_put_varint(cr_text *to, uint32_t field, uint64_t value)
{
    put(to, (uint64_t)field << 3);
    put(to, value);
}

void cr_proto_double(cr_text *to, uint32_t field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    put(to, (uint64_t)field << 3 | 1);
    put_little(to, bits, 8);
}

void cr_proto_float(cr_text *to, uint32_t field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    put(to, (uint64_t)field << 3 | 5);
    put_little(to, bits, 4);
}

void cr_proto_bytes(cr_text *to, uint32_t field, const void *bytes, size_t count)
{
    put(to, (uint64_t)field << 3 | 2);
    put(to, count);
    if (count)
        cr_text_add_bytes(to, bytes, count);
}

void cr_proto_string(cr_text *to, uint32_t field, const char *text)
{
    cr_proto_bytes(to, field, text, strlen(text));
}

void cr_proto_message(cr_text *to, uint32_t field, cr_text *inner)
{
    to->failed = to->failed || inner->failed;
    cr_proto_bytes(to, field, inner->data, inner->length);
    cr_text_free(inner);
}
