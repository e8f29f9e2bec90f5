/* Whether two recordings did the same. What the second one says is kept; a difference is told in words, for it is the reason
 * why the calls stay eager. */
#include "core/compile/graph.h"

#include <stdio.h>
#include <string.h>

static const char *step_name(const cr_trace_step *s)
{
    return s->kind == CR_STEP_RUN    ? s->op->name
           : s->kind == CR_STEP_GRAD ? "a leaf's gradient"
                                     : "a call on the host";
}

static const char *value_difference(const cr_trace_value *a, const cr_trace_value *b)
{
    if (a->kind != b->kind)
        return "it keeps other tensors";
    if (a->kind == CR_VALUE_OUTSIDE && a->storage != b->storage)
        return "it reads tensors from outside that are new at each call; give them as inputs";
    if (a->kind != CR_VALUE_INPUT && a->bytes != b->bytes)
        return "its sizes changed";
    if (a->kind == CR_VALUE_CONSTANT) {
        const void *x = cr_storage_host(a->storage), *y = cr_storage_host(b->storage);
        if (!x || !y || memcmp(x, y, a->bytes) != 0)
            return "a tensor made by the host has other values than before; give it as an input";
    }
    return NULL;
}

static const char *number_difference(size_t i, const cr_trace_step *a, const cr_trace_step *b)
{
    for (uint32_t k = 0; k < a->nnumbers; k++)
        if (memcmp(&a->numbers[k], &b->numbers[k], sizeof *a->numbers) != 0) {
            char *text = cr_thread_text();
            snprintf(text, CR_TEXT_SIZE,
                     "a number changes from call to call: in step %zu, %s, it was %g, then %g", i,
                     a->op->name, a->numbers[k].f, b->numbers[k].f);
            return text;
        }
    return NULL;
}

static bool same_step(const cr_trace_step *a, const cr_trace_step *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == CR_STEP_GRAD)
        return a->leaf == b->leaf;
    if (a->kind == CR_STEP_CALL)
        return a->object == b->object && a->call.run == b->call.run;
    return a->entry == b->entry && a->nvalues == b->nvalues && a->nnumbers == b->nnumbers &&
           !memcmp(a->value, b->value, a->nvalues * sizeof *a->value) &&
           !memcmp(a->offset, b->offset, a->nvalues * sizeof *a->offset);
}

const char *cr_trace_difference(const cr_trace *a, const cr_trace *b)
{
    size_t shorter = a->nsteps < b->nsteps ? a->nsteps : b->nsteps;
    char *text = cr_thread_text();
    for (size_t i = 0; i < shorter; i++) {
        const cr_trace_step *x = &a->steps[i], *y = &b->steps[i];
        if (!same_step(x, y)) {
            snprintf(text, CR_TEXT_SIZE,
                     "what it does changes from call to call: step %zu was %s, then %s%s", i,
                     step_name(x), step_name(y),
                     strcmp(step_name(x), step_name(y)) ? "" : " on other values");
            return text;
        }
        const char *numbers = x->kind == CR_STEP_RUN ? number_difference(i, x, y) : NULL;
        if (numbers)
            return numbers;
    }
    if (a->nsteps != b->nsteps || a->nvalues != b->nvalues || a->noutputs != b->noutputs) {
        snprintf(text, CR_TEXT_SIZE,
                 "what it does changes from call to call: %zu steps, %zu values and %zu results, "
                 "then %zu, %zu and %zu",
                 a->nsteps, a->nvalues, a->noutputs, b->nsteps, b->nvalues, b->noutputs);
        return text;
    }
    for (size_t i = 0; i < a->nvalues; i++) {
        const char *values = value_difference(&a->values[i], &b->values[i]);
        if (values)
            return values;
    }
    for (size_t i = 0; i < a->nprepares && i < b->nprepares; i++)
        if (a->prepares[i].source->storage != b->prepares[i].source->storage ||
            a->prepares[i].offset != b->prepares[i].offset)
            return "it reads tensors from outside that are new at each call; give them as inputs";
    for (size_t i = 0; i < a->noutputs; i++)
        if (memcmp(&a->outputs[i], &b->outputs[i], sizeof *a->outputs) != 0)
            return "its results changed their form";
    return NULL;
}
