/* The metric object: a kind, settings, and a list of doubles. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/metrics.h>

#include "core/base/error.h"

struct cr_metric {
    atomic_int refs;
    const cr_metric_class *kind;
    cr_metric_options options;
    char *name; /* a copy, or null: the kind's */
    double *state;
    size_t count, capacity;
};

static void release(void *metric)
{
    cr_metric_release(metric);
}

cr_metric *cr_metric_new(const cr_metric_class *kind, const cr_metric_options *options)
{
    if (!kind || !kind->update || !kind->compute || !kind->name)
        return cr_fail("cr_metric_new: a metric needs a name, update and compute");
    cr_metric *m = calloc(1, sizeof *m);
    if (!m)
        return cr_fail_memory("a metric", sizeof *m);
    atomic_init(&m->refs, 1);
    m->kind = kind;
    if (options)
        m->options = *options;
    if (options && options->name) {
        size_t bytes = strlen(options->name) + 1;
        if (!(m->name = malloc(bytes))) {
            free(m);
            return cr_fail_memory("a metric", bytes);
        }
        memcpy(m->name, options->name, bytes);
    }
    m->options.name = m->name;
    return cr_scope_add(m, release);
}

double *cr_metric_state(cr_metric *m, size_t count)
{
    if (count > m->capacity) {
        size_t capacity = count > 2 * m->capacity ? count : 2 * m->capacity;
        double *state = capacity < SIZE_MAX / sizeof *state
                            ? realloc(m->state, capacity * sizeof *state)
                            : NULL;
        if (!state)
            return cr_fail_memory("a metric's state", capacity * sizeof *state);
        m->state = state;
        m->capacity = capacity;
    }
    for (; m->count < count; m->count++)
        m->state[m->count] = 0;
    static double nothing;
    return m->state ? m->state : &nothing;
}

const double *cr_metric_values(const cr_metric *m, size_t *count)
{
    *count = m->count;
    return m->state;
}

const cr_metric_options *cr_metric_settings(const cr_metric *m)
{
    return &m->options;
}

int cr_metric_update(cr_metric *m, cr_tensor *prediction, cr_tensor *target)
{
    if (!m || !prediction || !target)
        return CR_FAIL_INT("cr_metric_update: the %s is null", !m            ? "metric"
                                                               : !prediction ? "prediction"
                                                                             : "target");
    if (!m->kind->update(m, prediction, target))
        return 0;
    return cr_error() ? -1 : CR_FAIL_INT("%s: update failed and said nothing", m->kind->name);
}

double cr_metric_compute(const cr_metric *m)
{
    return m ? m->kind->compute(m) : 0.0 / 0.0;
}

void cr_metric_reset(cr_metric *m)
{
    if (m)
        m->count = 0;
}

const char *cr_metric_name(const cr_metric *m)
{
    return !m ? NULL : m->name ? m->name : m->kind->name;
}

bool cr_metric_lower_is_better(const cr_metric *m)
{
    return m && m->kind->lower_is_better;
}

cr_metric *cr_metric_retain(cr_metric *m)
{
    if (m)
        atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void cr_metric_release(cr_metric *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(m->name);
    free(m->state);
    free(m);
}
