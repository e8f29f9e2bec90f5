/* Reading messages of protocol buffers where they lie: field by field, nothing copied. */
#ifndef CRESSET_CORE_IO_PROTOBUF_H
#define CRESSET_CORE_IO_PROTOBUF_H

#include <cresset/base.h>

typedef struct cr_proto {
    const unsigned char *at, *end;
    bool damaged;
} cr_proto;

typedef enum cr_proto_wire {
    CR_PROTO_VARINT,
    CR_PROTO_64,
    CR_PROTO_BYTES,
    CR_PROTO_32 = 5
} cr_proto_wire;

typedef struct cr_proto_field {
    uint32_t number;
    cr_proto_wire wire;
    uint64_t value; /* of all but bytes */
    const unsigned char *bytes;
    size_t size;
} cr_proto_field;

static inline cr_proto cr_proto_of(const unsigned char *bytes, size_t size)
{
    return (cr_proto){bytes, bytes + size, false};
}

/* Reads the next field. False at the end, and where the message is damaged, which it then says. */
bool cr_proto_next(cr_proto *message, cr_proto_field *field);
/* Reads a number without a field's head, as packed lists hold them. */
bool cr_proto_varint(cr_proto *message, uint64_t *value);

#endif
