/* Reading messages of protocol buffers where they lie: field by field, nothing copied. */
#ifndef CRESSET_CORE_IO_PROTOBUF_H
#define CRESSET_CORE_IO_PROTOBUF_H

#include <cresset/base.h>

typedef struct cr_wire {
    const unsigned char *at, *end;
    bool damaged;
} cr_wire;

typedef enum cr_wire_kind {
    CR_WIRE_VARINT,
    CR_WIRE_64,
    CR_WIRE_BYTES,
    CR_WIRE_32 = 5
} cr_wire_kind;

typedef struct cr_wire_field {
    uint32_t number;
    cr_wire_kind wire;
    uint64_t value; /* of all but bytes */
    const unsigned char *bytes;
    size_t size;
} cr_wire_field;

static inline cr_wire cr_wire_of(const unsigned char *bytes, size_t size)
{
    return (cr_wire){bytes, bytes ? bytes + size : bytes, false};
}

/* Reads the next field. False at the end, and where the message is damaged, which it then says. */
bool cr_wire_next(cr_wire *message, cr_wire_field *field);
/* Reads a number without a field's head, as packed lists hold them. */
bool cr_wire_varint(cr_wire *message, uint64_t *value);

#endif
