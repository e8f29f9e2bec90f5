/* chaos: passes calls on to the backend behind it, and lets some of them go wrong as CRESSET_CHAOS
 * says. README.md has the rules and the environment variables. */
#define _GNU_SOURCE
#include "chaos.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char wrap_name[] = "chaos", wrap_version[] = "1.0";

static chaos_rule rules[CHAOS_RULES];
static int nrules;
static uint64_t seed;
static long delay_ms = 10;
static bool sees_copies; /* some rule is about copies */
static atomic_ullong calls[WRAP_SYNC + 1];
static const char *const names[] = {"alloc", "copy", "plan", "run", "free", "sync"};

/* ---- which call goes wrong ---- */

/* A number that looks random, of seed, rule and call: splitmix64. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static bool applies(int i, const wrap_call *call)
{
    const chaos_rule *rule = &rules[i];
    if (rule->point != call->kind)
        return false;
    if (rule->chance)
        return mix(mix(seed + (uint64_t)i) + call->ordinal) % rule->number == 0;
    return rule->onwards ? call->ordinal >= rule->number : call->ordinal == rule->number;
}

static cr_status fails(const wrap_call *call, const chaos_rule *rule, cr_status status)
{
    return wrap_host->fail(
        wrap_host, status, "chaos: %s %llu%s%s of %s goes wrong, as CRESSET_CHAOS=%.*s asks",
        names[call->kind], (unsigned long long)call->ordinal, call->op ? " of " : "",
        call->op ? call->op : "", call->device->backend->name, rule->length, rule->text);
}

/* ---- corruption ---- */

/* Turns over the bits of one byte in the middle of a buffer's range: of a float's exponent, where
 * elements have `size` bytes. */
static void spoil_bytes(unsigned char *bytes, size_t count, size_t size)
{
    if (count)
        bytes[count / 2 / size * size + size - 1] ^= 0x55;
}

static cr_status spoil_buffer(cr_device *device, cr_buffer *buffer, size_t offset, size_t count,
                              size_t size)
{
    const cr_backend *inner = device->backend->inner;
    unsigned char byte;
    if (!count)
        return CR_OK;
    size_t at = offset + count / 2 / size * size + size - 1;
    cr_status status = inner->copy_out(device->inner, &byte, buffer, at, 1);
    byte ^= 0x55;
    return status == CR_OK ? inner->copy_in(device->inner, buffer, at, &byte, 1) : status;
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

/* Memory comes with any content: this one with what is not a number in any dtype. */
static cr_status fill_buffer(cr_device *device, cr_buffer *buffer, size_t bytes)
{
    unsigned char *junk = malloc(bytes);
    if (!junk)
        return CR_OUT_OF_MEMORY;
    memset(junk, 0xff, bytes);
    const cr_backend *inner = device->backend->inner;
    cr_status status = inner->copy_in(device->inner, buffer, 0, junk, bytes);
    free(junk);
    return status;
}

/* The run's first output. A bool stays a bool. */
static cr_status spoil_result(wrap_call *call)
{
    const cr_plan *plan = call->plan;
    if (!plan->noutputs)
        return CR_OK;
    const wrap_value *out = &plan->values[plan->ninputs];
    const cr_binding *at = &call->run->values[plan->ninputs];
    if (out->dtype != CR_B8)
        return spoil_buffer(call->device, at->buffer, at->offset, out->bytes, size_of(out->dtype));
    const cr_backend *inner = call->device->backend->inner;
    unsigned char byte = 0;
    cr_status status = out->bytes
                           ? inner->copy_out(call->device->inner, &byte, at->buffer, at->offset, 1)
                           : CR_UNSUPPORTED;
    byte ^= 1;
    return status == CR_OK ? inner->copy_in(call->device->inner, at->buffer, at->offset, &byte, 1)
                           : CR_OK;
}

/* What is copied in is spoiled on its way: the caller's bytes stay as they are. */
static cr_status spoil_copy(wrap_call *call)
{
    if (call->inward)
        return spoil_buffer(call->device, call->buffer, call->offset, call->bytes, 1);
    spoil_bytes(call->to, call->bytes, 1);
    return CR_OK;
}

static cr_status corrupt(wrap_call *call)
{
    switch (call->kind) {
    case WRAP_ALLOC: return fill_buffer(call->device, call->buffer, call->bytes);
    case WRAP_COPY: return spoil_copy(call);
    case WRAP_PLAN: call->plan->marked = true; return CR_OK;
    case WRAP_RUN: return spoil_result(call);
    default: return CR_OK;
    }
}

/* ---- what wrapper.c calls ---- */

static void wait_a_while(void)
{
    struct timespec left = {delay_ms / 1000, delay_ms % 1000 * 1000000};
    while (nanosleep(&left, &left) && errno == EINTR) {
    }
}

static cr_status go_wrong(wrap_call *call, const chaos_rule *rule)
{
    static volatile int *volatile nowhere;
    switch (rule->fault) {
    case CHAOS_FAIL: return fails(call, rule, CR_FAILED);
    case CHAOS_OOM: return fails(call, rule, CR_OUT_OF_MEMORY);
    case CHAOS_LOST: return fails(call, rule, CR_DEVICE_LOST);
    case CHAOS_UNSUPPORTED: return CR_UNSUPPORTED;
    case CHAOS_DELAY: wait_a_while(); return CR_OK;
    case CHAOS_CRASH: *nowhere = 1; return CR_OK;
    default: return CR_OK;
    }
}

cr_status wrap_before(wrap_call *call)
{
    static _Atomic(const chaos_rule *) lost; /* the rule that took the device away */
    call->ordinal = 1 + atomic_fetch_add(&calls[call->kind], 1);
    chaos_going_on(names[call->kind], call->op, call->device->backend->name);
    if (atomic_load(&lost) && call->kind != WRAP_FREE)
        return fails(call, atomic_load(&lost), CR_DEVICE_LOST);
    cr_status status = CR_OK;
    for (int i = 0; i < nrules && status == CR_OK; i++)
        if (applies(i, call)) {
            if (rules[i].fault == CHAOS_LOST)
                atomic_store(&lost, &rules[i]);
            status = go_wrong(call, &rules[i]);
        }
    return status;
}

cr_status wrap_after(wrap_call *call, cr_status status)
{
    bool marked = call->kind == WRAP_RUN && call->plan->marked;
    for (int i = 0; i < nrules && status == CR_OK; i++)
        if (rules[i].fault == CHAOS_CORRUPT && applies(i, call))
            status = corrupt(call);
    if (marked && status == CR_OK)
        status = spoil_result(call);
    chaos_going_on(NULL, NULL, NULL);
    return status;
}

void wrap_describe(cr_device_info *info)
{
    if (sees_copies) /* so that the core copies rather than share memory */
        info->host_memory = 0;
}

void wrap_opened(cr_device *device)
{
    (void)device;
}

void wrap_closing(cr_device *device)
{
    (void)device;
}

/* ---- beginning ---- */

static cr_status read_number(const char *name, uint64_t *value)
{
    const char *text = secure_getenv(name);
    char *end;
    if (!text || !*text)
        return CR_OK;
    *value = strtoull(text, &end, 10);
    return *end || *text == '-'
               ? wrap_host->fail(wrap_host, CR_INVALID, "%s=%s is not a number", name, text)
               : CR_OK;
}

cr_status wrap_start(void)
{
    uint64_t delay = (uint64_t)delay_ms;
    nrules = chaos_read_rules(secure_getenv("CRESSET_CHAOS"), rules);
    if (nrules < 0 || read_number("CRESSET_CHAOS_SEED", &seed) != CR_OK ||
        read_number("CRESSET_CHAOS_DELAY", &delay) != CR_OK)
        return CR_INVALID;
    delay_ms = delay > 60000 ? 60000 : (long)delay;
    for (int i = 0; i < nrules; i++)
        sees_copies = sees_copies || rules[i].point == WRAP_COPY;
    chaos_watch_crashes();
    return CR_OK;
}
