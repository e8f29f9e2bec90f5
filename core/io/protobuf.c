/* The wire format of protocol buffers. */
#include "core/io/protobuf.h"

bool cr_wire_varint(cr_wire *m, uint64_t *value)
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

static bool fixed(cr_wire *m, int bytes, uint64_t *value)
{
    *value = 0;
    if (m->end - m->at < bytes)
        return !(m->damaged = true);
    for (int i = 0; i < bytes; i++)
        *value |= (uint64_t)m->at[i] << 8 * i;
    m->at += bytes;
    return true;
}

bool cr_wire_next(cr_wire *m, cr_wire_field *f)
{
    uint64_t head, size;
    *f = (cr_wire_field){0};
    if (m->damaged || m->at == m->end || !cr_wire_varint(m, &head))
        return false;
    f->wire = (cr_wire_kind)(head & 7);
    f->number = (uint32_t)(head >> 3);
    switch (f->wire) {
    case CR_WIRE_VARINT: return cr_wire_varint(m, &f->value);
    case CR_WIRE_64: return fixed(m, 8, &f->value);
    case CR_WIRE_32: return fixed(m, 4, &f->value);
    case CR_WIRE_BYTES:
        if (!cr_wire_varint(m, &size) || size > (uint64_t)(m->end - m->at))
            break;
        f->bytes = m->at;
        f->size = (size_t)size;
        m->at += size;
        return true;
    default: break;
    }
    return !(m->damaged = true);
}
