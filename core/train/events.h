/* Event files from inside: records, and protocol buffers written by hand. */
#ifndef CRESSET_CORE_TRAIN_EVENTS_H
#define CRESSET_CORE_TRAIN_EVENTS_H

#include <cresset/events.h>

#include "core/base/text.h"

/* Protocol buffers (protobuf.dev/programming-guides/encoding): fields are added to a message in cr_text, which remembers
 * what failed. */
void cr_proto_put_varint(cr_text *to, uint32_t field, uint64_t value);
void cr_proto_double(cr_text *to, uint32_t field, double value);
void cr_proto_float(cr_text *to, uint32_t field, float value);
void cr_proto_bytes(cr_text *to, uint32_t field, const void *bytes, size_t count);
void cr_proto_string(cr_text *to, uint32_t field, const char *text);
/* A message as a field of another; the inner one is freed. */
void cr_proto_message(cr_text *to, uint32_t field, cr_text *inner);

/* An Event with this field; `content` is freed. Returns 0, or -1 with the error set. */
int cr_event_write(cr_event_writer *writer, uint32_t field, cr_text *content, int64_t step);

#endif
