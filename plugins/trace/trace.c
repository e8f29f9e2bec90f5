/* trace: times every call of the backend behind it, and at the end writes a trace for Perfetto
 * (ui.perfetto.dev) or chrome://tracing, and a table. README.md has the environment variables. */
#define _GNU_SOURCE
#include "trace.h"

#include "../wrapper/wrapper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char wrap_name[] = "trace", wrap_version[] = "1.0";

static trace_record record;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* over record */
static int open_devices;
static bool waits = true;
static const char *json_path = "cresset-trace.json", *table_path;

/* ---- rows ---- */

static char *copy_text(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = malloc(n);
    return copy ? memcpy(copy, text, n) : NULL;
}

size_t trace_row_find(trace_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->count; i++) /* a few dozen names, looked up when a plan is made */
        if (!strcmp(rows->rows[i].name, name))
            return i;
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 64;
        trace_row *grown = realloc(rows->rows, capacity * sizeof *grown);
        if (!grown)
            return SIZE_MAX;
        rows->rows = grown;
        rows->capacity = capacity;
    }
    char *copy = copy_text(name);
    if (!copy)
        return SIZE_MAX;
    rows->rows[rows->count] = (trace_row){.name = copy};
    return rows->count++;
}

void trace_rows_free(trace_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->rows[i].name);
    free(rows->rows);
    *rows = (trace_rows){0};
}

/* ---- events ---- */

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint16_t this_thread(void)
{
    static atomic_uint threads;
    static _Thread_local unsigned number;
    if (!number)
        number = 1 + atomic_fetch_add(&threads, 1);
    return (uint16_t)number;
}

static void add_event(trace_event e)
{
    if (record.nevents >= record.most) {
        record.lost++;
        return;
    }
    if (record.nevents == record.capacity) {
        size_t capacity = record.capacity ? 2 * record.capacity : 4096;
        trace_event *grown = realloc(record.events, capacity * sizeof *grown);
        if (!grown) {
            record.lost++;
            return;
        }
        record.events = grown;
        record.capacity = capacity;
    }
    record.events[record.nevents++] = e;
}

/* ---- what wrapper.c calls ---- */

cr_status wrap_before(wrap_call *call)
{
    call->began = now();
    return CR_OK;
}

static size_t row_of_plan(cr_plan *plan)
{
    if (!plan->own) { /* 1 + the row */
        size_t row = trace_row_find(&record.ops, plan->op);
        plan->own = row == SIZE_MAX ? NULL : (void *)(uintptr_t)(row + 1);
    }
    return plan->own ? (size_t)(uintptr_t)plan->own - 1 : SIZE_MAX;
}

static size_t bytes_of_plan(const cr_plan *plan)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < plan->ninputs + plan->noutputs; i++)
        bytes += plan->values[i].bytes;
    return bytes;
}

static size_t move_row(const wrap_call *call)
{
    const char *name =
        call->kind == WRAP_COPY ? call->inward ? "copy in" : "copy out" : trace_kinds[call->kind];
    return trace_row_find(&record.moves, name);
}

static void count_plan(trace_row *row, int64_t took, cr_status status)
{
    row->plan_time += took;
    row->plans += status == CR_OK;
    row->refused += status == CR_UNSUPPORTED;
    row->failed += status != CR_OK && status != CR_UNSUPPORTED;
}

static void count_run(trace_row *row, int64_t took, uint64_t bytes, cr_status status)
{
    row->run_time += took;
    row->runs++;
    row->bytes += bytes;
    row->failed += status != CR_OK;
}

cr_status wrap_after(wrap_call *call, cr_status status)
{
    const cr_device *device = call->device;
    bool is_run = call->kind == WRAP_RUN;
    if (is_run && waits && status == CR_OK && device->backend->inner->sync)
        status = device->backend->inner->sync(device->inner); /* so that the time is the work's */
    int64_t took = now() - call->began;
    pthread_mutex_lock(&lock);
    trace_event e = {.began = call->began,
                     .took = took,
                     .bytes = is_run ? bytes_of_plan(call->plan) : call->bytes,
                     .within = UINT32_MAX,
                     .thread = this_thread(),
                     .device = (uint16_t)device->number,
                     .kind = (uint8_t)call->kind,
                     .is_move = !call->op};
    size_t row = call->op ? row_of_plan(call->plan) : move_row(call);
    if (row != SIZE_MAX) {
        trace_row *r = &(call->op ? &record.ops : &record.moves)->rows[row];
        e.row = (uint32_t)row;
        if (call->kind == WRAP_PLAN)
            count_plan(r, took, status);
        else
            count_run(r, took, e.bytes, status);
        if (is_run)
            r->elsewhere += device->number > 0;
        if (is_run && CR_HAS(call->run, cr_run, within) && call->run->within) {
            size_t step = trace_row_find(&record.steps, call->run->within);
            if (step != SIZE_MAX) {
                count_run(&record.steps.rows[step], took, e.bytes, status);
                e.within = (uint32_t)step;
            }
        }
        add_event(e);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

void wrap_describe(cr_device_info *info)
{
    (void)info;
}

/* ---- beginning and end ---- */

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = secure_getenv(name);
    return value && *value ? value : otherwise;
}

cr_status wrap_start(void)
{
    json_path = setting("CRESSET_TRACE", json_path);
    table_path = setting("CRESSET_TRACE_TABLE", NULL);
    waits = strcmp(setting("CRESSET_TRACE_WAIT", "1"), "0") != 0;
    const char *most = setting("CRESSET_TRACE_EVENTS", "1000000");
    char *end;
    record.most = (size_t)strtoull(most, &end, 10);
    if (*end || *most == '-')
        return wrap_host->fail(wrap_host, CR_INVALID, "CRESSET_TRACE_EVENTS=%s is not a number",
                               most);
    record.began = now();
    return CR_OK;
}

static bool is_none(const char *path)
{
    return path && !strcmp(path, "none");
}

/* Writes both, and forgets everything: a program may open devices again. */
static void finish(void)
{
    FILE *file;
    if (!record.nevents && !record.ops.count)
        return;
    if (!is_none(json_path)) {
        file = fopen(json_path, "w");
        bool good = file && trace_write_json(&record, file);
        if ((file && fclose(file)) || !good)
            wrap_host->log(wrap_host, 2, "trace: %s could not be written", json_path);
    }
    file = is_none(table_path) ? NULL : table_path ? fopen(table_path, "w") : stderr;
    if (file)
        trace_write_table(&record, file);
    else if (!is_none(table_path))
        wrap_host->log(wrap_host, 2, "trace: %s could not be written", table_path);
    if (file && file != stderr)
        fclose(file);
    trace_rows_free(&record.ops);
    trace_rows_free(&record.steps);
    trace_rows_free(&record.moves);
    free(record.events);
    record.events = NULL;
    record.nevents = record.capacity = record.lost = 0;
    record.ndevices = 0;
}

void wrap_opened(cr_device *device)
{
    enum { MOST = sizeof record.devices / sizeof *record.devices };
    pthread_mutex_lock(&lock);
    open_devices++;
    if (device->number < MOST) {
        snprintf(record.devices[device->number], sizeof *record.devices, "%.15s (%.60s)",
                 device->backend->name, device->info.name);
        if (device->number >= record.ndevices)
            record.ndevices = device->number + 1;
    }
    pthread_mutex_unlock(&lock);
}

void wrap_closing(cr_device *device)
{
    (void)device;
    pthread_mutex_lock(&lock);
    if (!--open_devices)
        finish();
    pthread_mutex_unlock(&lock);
}

/* A program that ends without closing its devices has its trace all the same. */
__attribute__((destructor)) static void at_unload(void)
{
    finish();
}
