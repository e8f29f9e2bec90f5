/* A wrapper that breaks the backend contract: CRESSET_SLOPPY=HOW:OPERATION, where HOW is
 *   past     one element past the end of an output is written
 *   before   one element before its start is
 *   input    the first input is changed
 *   skip     the last element of an output is left as it was
 *   reads    what lies past the first input goes into the result
 *   impure   a result depends on how often the plan ran
 *   plans    a result depends on how often the call was planned
 *   silent   run fails without words
 *   status   run answers with a number that is no cr_status
 *   leak     plans are not freed
 *   keeps    memory is not freed
 *   holds    a buffer of the backend behind it is never given back
 *   loses    a plan of the backend behind it is
 *   opens    a device of the backend behind it stays open
 *   copies   a copy to the device writes further than it should
 * CRESSET_VALIDATE=1 has to find each. In front of a backend in host memory. */
#define _GNU_SOURCE
#include "../../plugins/wrapper/wrapper.h"

#include <stdlib.h>
#include <string.h>

const char wrap_name[] = "sloppy", wrap_version[] = "0";

static char how[16], op[64];
static unsigned char saved[8];
static int plans;

static bool is(const char *what)
{
    return !strcmp(how, what);
}

static size_t size_of(int32_t dtype)
{
    switch (dtype) {
#define SIZE(name, number, bytes, text) \
    case CR_##name: return bytes;
        CR_DTYPES(SIZE)
#undef SIZE
    default: return 1;
    }
}

static unsigned char *value(const wrap_call *call, uint32_t i)
{
    const cr_binding *at = &call->run->values[i];
    return (unsigned char *)at->buffer + at->offset;
}

cr_status wrap_before(wrap_call *call)
{
    const cr_plan *p = call->plan;
    if (call->kind == WRAP_FREE && is("keeps"))
        return CR_FAILED; /* so that it is not passed on */
    if (call->kind == WRAP_RUN && is("skip") && !strcmp(call->op, op)) {
        const wrap_value *out = &p->values[p->ninputs];
        size_t size = size_of(out->dtype);
        if (out->bytes)
            memcpy(saved, value(call, p->ninputs) + out->bytes - size, size);
    }
    return CR_OK;
}

static void spoil(wrap_call *call)
{
    cr_plan *p = call->plan;
    const wrap_value *out = &p->values[p->ninputs];
    size_t size = size_of(out->dtype);
    unsigned char *to = value(call, p->ninputs);
    if (!p->noutputs || !out->bytes)
        return;
    if (is("past"))
        memset(to + out->bytes, 1, size);
    else if (is("before"))
        memset(to - size, 1, size);
    else if (is("input") && p->ninputs)
        *value(call, 0) ^= 1;
    else if (is("skip"))
        memcpy(to + out->bytes - size, saved, size);
    else if (is("reads") && p->ninputs)
        /* turned, so that a result of zero does not look like poison */
        *to ^= (unsigned char)(value(call, 0)[p->values[0].bytes] ^ 0x55);
    else if (is("impure") && (p->own = p->own ? NULL : p))
        *to ^= 1;
    else if (is("plans") && p->marked)
        *to ^= 1;
}

cr_status wrap_after(wrap_call *call, cr_status status)
{
    static void *volatile lost;
    if (call->kind == WRAP_COPY && call->inward && call->bytes < 200 && is("copies")) {
        unsigned char byte = 1;
        const cr_backend *inner = call->device->backend->inner;
        inner->copy_in(call->device->inner, call->buffer, call->offset + call->bytes + 64, &byte,
                       1);
    }
    static cr_buffer *kept;
    if (call->kind == WRAP_RUN && !kept && is("holds"))
        call->device->backend->inner->alloc(call->device->inner, 64, &kept);
    if (!call->op || strcmp(call->op, op) || status != CR_OK)
        return status;
    if (call->kind == WRAP_PLAN && is("loses")) {
        call->plan->inner = NULL;
        return CR_UNSUPPORTED;
    }
    if (call->kind == WRAP_PLAN) {
        call->plan->marked = ++plans % 2;
        if (is("leak"))
            lost = malloc(100);
    } else if (is("silent")) {
        return CR_FAILED;
    } else if (is("status")) {
        return (cr_status)99;
    } else {
        spoil(call);
    }
    (void)lost;
    return status;
}

void wrap_describe(cr_device_info *info)
{
    if (is("copies"))
        info->host_memory = 0;
}

void wrap_opened(cr_device *device)
{
    cr_device *second;
    if (is("opens"))
        device->backend->inner->device_open(device->backend->inner, 0, &second);
}

void wrap_closing(cr_device *device)
{
    (void)device;
}

cr_status wrap_start(void)
{
    const char *text = getenv("CRESSET_SLOPPY"), *colon = text ? strchr(text, ':') : NULL;
    if (colon && (size_t)(colon - text) < sizeof how && strlen(colon + 1) < sizeof op) {
        memcpy(how, text, (size_t)(colon - text));
        memcpy(op, colon + 1, strlen(colon + 1) + 1);
    }
    return CR_OK;
}
