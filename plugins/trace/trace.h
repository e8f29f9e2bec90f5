/* What was seen: a row of figures for each name, and an event for each call. */
#ifndef CRESSET_PLUGINS_TRACE_H
#define CRESSET_PLUGINS_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Times are nanoseconds. */
typedef struct trace_row {
    char *name;
    uint64_t runs, bytes, plans,
        refused;        /* plans that were made; that were answered "unsupported" */
    uint64_t elsewhere; /* runs on another device than the first: fallbacks */
    uint64_t failed;
    int64_t run_time, plan_time;
} trace_row;

/* The list of rows of one kind: found by name, in order of first sight. */
typedef struct trace_rows {
    trace_row *rows;
    size_t count, capacity;
} trace_rows;

/* The row's number, made at first sight; SIZE_MAX without memory. */
size_t trace_row_find(trace_rows *rows, const char *name);
void trace_rows_free(trace_rows *rows);

typedef struct trace_event {
    int64_t began, took;
    uint64_t bytes;
    uint32_t row, within; /* in ops, or in moves if is_move; in steps, UINT32_MAX none */
    uint16_t thread, device;
    uint8_t kind; /* what it was: trace_kinds */
    bool is_move;
} trace_event;

extern const char *const trace_kinds[];

/* All that a process saw. */
typedef struct trace_record {
    trace_rows ops, steps, moves; /* operations; operations said with others; memory and copies */
    trace_event *events;
    size_t nevents, capacity, most, lost;
    char devices[8][80];
    int ndevices;
    int64_t began;
} trace_record;

/* The trace in Chrome's and Perfetto's JSON; false where it could not be written. */
bool trace_write_json(const trace_record *record, FILE *to);
void trace_write_table(const trace_record *record, FILE *to);

#endif
