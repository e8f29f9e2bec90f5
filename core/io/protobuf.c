/* The wire format of protocol buffers. */
#include "core/io/protobuf.h"

bool cr_proto_varint(cr_proto *m, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 70 && m->at < m->end; shift += 7) {
        unsigned char byte = *m->at++;
        *value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (!(byte & 0x80))
            return true;
    }
    m->damaged = true;
    return false;
}

static bool fixed(cr_proto *m, int bytes, uint64_t *value)
{
    *value = 0;
    if (m->end - m->at < bytes)
        return !(m->damaged = true);
    for (int i = 0; i < bytes; i++)
        *value |= (uint64_t)m->at[i] << 8 * i;
    m->at += bytes;
    return true;
}

bool cr_proto_next(cr_proto *m, cr_proto_field *f)
{
    uint64_t head, size;
    *f = (cr_proto_field){0};
    if (m->damaged || m->at == m->end || !cr_proto_varint(m, &head))
        return false;
    f->wire = (cr_proto_wire)(head & 7);
    f->number = (uint32_t)(head >> 3);
    switch (f->wire) {
    case CR_PROTO_VARINT: return cr_proto_varint(m, &f->value);
    case CR_PROTO_64: return fixed(m, 8, &f->value);
    case CR_PROTO_32: return fixed(m, 4, &f->value);
    case CR_PROTO_BYTES:
        if (!cr_proto_varint(m, &size) || size > (uint64_t)(m->end - m->at))
            break;
        f->bytes = m->at;
        f->size = (size_t)size;
        m->at += size;
        return true;
    default: break;
    }
    return !(m->damaged = true);
}
