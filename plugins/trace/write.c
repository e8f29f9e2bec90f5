/* The record as a JSON trace, and as a table for people. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

const char *const trace_kinds[] = {"alloc", "copy", "plan", "run", "free", "sync"};

/* ---- JSON: the trace event format, complete events ("X") in microseconds ---- */

static void write_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(to, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            fprintf(to, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, to);
    }
    fputc('"', to);
}

static void write_microseconds(FILE *to, int64_t ns)
{
    fprintf(to, "%lld.%03d", (long long)(ns / 1000), (int)(ns % 1000));
}

bool trace_write_json(const trace_record *r, FILE *to)
{
    fputs("{\"displayTimeUnit\": \"ns\", \"traceEvents\": [", to);
    for (int d = 0; d < r->ndevices; d++) {
        fprintf(
            to,
            "%s\n{\"ph\": \"M\", \"name\": \"process_name\", \"pid\": %d, \"args\": {\"name\": ",
            d ? "," : "", d + 1);
        write_string(to, r->devices[d]);
        fputs("}}", to);
    }
    for (size_t i = 0; i < r->nevents; i++) {
        const trace_event *e = &r->events[i];
        fprintf(to, "%s\n{\"ph\": \"X\", \"name\": ", i || r->ndevices ? "," : "");
        write_string(to, (e->is_move ? &r->moves : &r->ops)->rows[e->row].name);
        fprintf(to, ", \"cat\": \"%s\", \"pid\": %d, \"tid\": %d, \"ts\": ", trace_kinds[e->kind],
                e->device + 1, e->thread);
        write_microseconds(to, e->began - r->began);
        fputs(", \"dur\": ", to);
        write_microseconds(to, e->took);
        fprintf(to, ", \"args\": {\"bytes\": %llu", (unsigned long long)e->bytes);
        if (e->within != UINT32_MAX) {
            fputs(", \"within\": ", to);
            write_string(to, r->steps.rows[e->within].name);
        }
        fputs("}}", to);
    }
    fputs("\n]}\n", to);
    return !ferror(to);
}

/* ---- the table ---- */

static int by_time(const void *a, const void *b)
{
    const trace_row *x = *(const trace_row *const *)a, *y = *(const trace_row *const *)b;
    int64_t tx = x->run_time + x->plan_time, ty = y->run_time + y->plan_time;
    return tx < ty ? 1 : tx > ty ? -1 : strcmp(x->name, y->name);
}

static const trace_row **sorted(const trace_rows *rows)
{
    const trace_row **order = malloc((rows->count + 1) * sizeof *order);
    for (size_t i = 0; order && i < rows->count; i++)
        order[i] = &rows->rows[i];
    if (order)
        qsort(order, rows->count, sizeof *order, by_time);
    return order;
}

static double share(int64_t part, int64_t all)
{
    return all ? 100.0 * (double)part / (double)all : 0;
}

static void write_moves(const trace_record *r, FILE *to)
{
    fprintf(to, "\n%-40s %9s %11s %14s\n", "memory", "calls", "ms", "bytes");
    for (size_t i = 0; i < r->moves.count; i++) {
        const trace_row *m = &r->moves.rows[i];
        fprintf(to, "%-40s %9llu %11.3f %14llu\n", m->name, (unsigned long long)m->runs,
                (double)m->run_time / 1e6, (unsigned long long)m->bytes);
    }
}

void trace_write_table(const trace_record *r, FILE *to)
{
    const trace_row **ops = sorted(&r->ops), **steps = sorted(&r->steps);
    int64_t all = 0;
    for (size_t i = 0; i < r->ops.count; i++)
        all += r->ops.rows[i].run_time;
    for (int d = 0; d < r->ndevices; d++)
        fprintf(to, "%s%s", d ? ", then " : "trace of ", r->devices[d]);
    fprintf(to, "\n%-40s %9s %11s %6s %14s %7s %9s %8s %9s\n", "operation", "calls", "ms", "%",
            "bytes", "plans", "plan ms", "refused", "fallback");
    for (size_t i = 0; ops && i < r->ops.count; i++) {
        const trace_row *o = ops[i];
        fprintf(to, "%-40s %9llu %11.3f %6.2f %14llu %7llu %9.3f %8llu %9llu", o->name,
                (unsigned long long)o->runs, (double)o->run_time / 1e6, share(o->run_time, all),
                (unsigned long long)o->bytes, (unsigned long long)o->plans,
                (double)o->plan_time / 1e6, (unsigned long long)o->refused,
                (unsigned long long)o->elsewhere);
        if (o->failed)
            fprintf(to, "  %llu failed", (unsigned long long)o->failed);
        fputc('\n', to);
    }
    if (r->steps.count)
        fprintf(to, "\n%-40s %9s %11s %6s %14s\n", "said with others", "steps", "ms", "%", "bytes");
    for (size_t i = 0; steps && i < r->steps.count; i++)
        fprintf(to, "%-40s %9llu %11.3f %6.2f %14llu\n", steps[i]->name,
                (unsigned long long)steps[i]->runs, (double)steps[i]->run_time / 1e6,
                share(steps[i]->run_time, all), (unsigned long long)steps[i]->bytes);
    write_moves(r, to);
    if (r->lost)
        fprintf(to, "\n%llu events beyond the first %llu are in the table alone\n",
                (unsigned long long)r->lost, (unsigned long long)r->most);
    free(ops);
    free(steps);
}
