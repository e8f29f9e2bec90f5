/* What cr_fit saves to go on exactly, and reads back. One safetensors file: "model.*", "optimizer.*", "scheduler.*",
 * "metric.N", "best.*", the history's table, the generator, and "fit.integers" and "fit.numbers", whose places are below. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/text.h"
#include "core/train/fit.h"

enum { FORMAT, EPOCH, BATCH, STEP, WAITED, BEST_EPOCH, LOADER_EPOCH, SEED, OFFSET, INTEGERS };
enum { LOSS_SUM, SAMPLES, NORM_SUM, NORM_COUNT, BEST_VALUE, NUMBERS };
enum { THIS_FORMAT = 1 };

/* ---- dicts in dicts ---- */

static int put_all(cr_state_dict *to, const char *prefix, const cr_state_dict *from)
{
    if (!from)
        return -1;
    CR_FOREACH_STATE(s, from)
    {
        cr_text name = {0};
        cr_text_add(&name, "%s%s", prefix, s.name);
        char *full = cr_text_take(&name);
        int failed = !full || (s.tensor ? cr_state_dict_set(to, full, s.tensor)
                                        : cr_state_dict_set_value(to, full, *s.value));
        free(full);
        if (failed)
            return -1;
    }
    return 0;
}

/* The entries whose names begin with prefix, without it. */
static cr_state_dict *take_all(const cr_state_dict *from, const char *prefix)
{
    cr_state_dict *to = cr_state_dict_new();
    size_t length = strlen(prefix);
    CR_FOREACH_STATE(s, from)
    if (to && !strncmp(s.name, prefix, length) &&
        (s.tensor ? cr_state_dict_set(to, s.name + length, s.tensor)
                  : cr_state_dict_set_value(to, s.name + length, *s.value)))
        return NULL;
    return to;
}

static int put_numbers(cr_state_dict *to, const char *name, const void *data, cr_dtype dtype,
                       int64_t count)
{
    return cr_state_dict_set(to, name, cr_tensor_copy_from(data, dtype, 1, &count, "cpu"));
}

/* Exactly count elements of a dtype. */
static int take_numbers(const cr_state_dict *from, const char *name, void *to, cr_dtype dtype,
                        int64_t count)
{
    cr_tensor *t = cr_state_dict_get(from, name);
    if (!t || cr_tensor_dtype(t) != dtype || cr_tensor_numel(t) != count)
        return CR_FAIL_INT("it has no %s of %lld numbers", name, (long long)count);
    return cr_tensor_read(t, to, (size_t)count * 8);
}

/* The columns' names in one text, to tell another history by. */
static char *column_names(const cr_history *h)
{
    cr_text text = {0};
    for (size_t i = 0; i < h->columns; i++)
        cr_text_add(&text, "%s%s", i ? "," : "", h->names[i]);
    return cr_text_take(&text);
}

/* ---- saving ---- */

static int put_metrics(cr_fitting *f, cr_state_dict *to)
{
    for (size_t i = 0; i < f->o->metrics.count; i++) {
        char name[32];
        size_t count;
        const double *values = cr_metric_values(f->o->metrics.data[i], &count);
        snprintf(name, sizeof name, "metric.%zu", i);
        if (count && put_numbers(to, name, values, CR_F64, (int64_t)count))
            return -1;
    }
    return 0;
}

static int put_place(cr_fitting *f, cr_state_dict *to)
{
    uint64_t random[2];
    cr_get_rng_state(random);
    const int64_t integers[INTEGERS] = {
        [FORMAT] = THIS_FORMAT,
        [EPOCH] = f->seen.epoch,
        [BATCH] = f->next_batch,
        [STEP] = f->seen.step,
        [WAITED] = f->waited,
        [BEST_EPOCH] = f->history->best_epoch,
        [LOADER_EPOCH] = (int64_t)f->loader_epoch,
        [SEED] = (int64_t)random[0],
        [OFFSET] = (int64_t)random[1],
    };
    const double numbers[NUMBERS] = {
        [LOSS_SUM] = f->loss_sum,
        [SAMPLES] = f->sample_count,
        [NORM_SUM] = f->norm_sum,
        [NORM_COUNT] = f->norm_count,
        [BEST_VALUE] = f->history->best_value,
    };
    const cr_history *h = f->history;
    char *names = column_names(h);
    cr_value text = {.tag = CR_STRING, .as.s = names};
    if (names)
        text.count = (int64_t)strlen(names);
    int failed = !names || cr_state_dict_set_value(to, "history.columns", text) ||
                 (h->rows && put_numbers(to, "history.values", h->values, CR_F64,
                                         (int64_t)(h->rows * h->columns))) ||
                 put_numbers(to, "fit.integers", integers, CR_I64, INTEGERS) ||
                 put_numbers(to, "fit.numbers", numbers, CR_F64, NUMBERS);
    free(names);
    return failed ? -1 : 0;
}

int cr_fit_save(cr_fitting *f)
{
    if (!f->o->state)
        return 0;
    int failed = cr_fit_drain(f);
    CR_SCOPE {
        cr_state_dict *all = cr_state_dict_new();
        failed = failed || !all || put_all(all, "model.", cr_module_state_dict(f->o->net)) ||
                 put_all(all, "optimizer.", cr_optimizer_state_dict(f->o->optimizer)) ||
                 (f->o->scheduler &&
                  put_all(all, "scheduler.", cr_scheduler_state_dict(f->o->scheduler))) ||
                 (f->o->scaler && put_all(all, "scaler.", cr_scaler_state_dict(f->o->scaler))) ||
                 (f->best && put_all(all, "best.", f->best)) || put_metrics(f, all) ||
                 put_place(f, all) || cr_save(f->o->state, all);
    }
    return failed ? -1 : 0;
}

/* ---- going on ---- */

static int take_metrics(cr_fitting *f, const cr_state_dict *from)
{
    for (size_t i = 0; i < f->o->metrics.count; i++) {
        char name[32];
        snprintf(name, sizeof name, "metric.%zu", i);
        cr_tensor *t = cr_state_dict_get(from, name);
        cr_metric_reset(f->o->metrics.data[i]);
        if (!t)
            continue;
        int64_t count = cr_tensor_numel(t);
        double *state = cr_metric_state(f->o->metrics.data[i], (size_t)count);
        if (!state || take_numbers(from, name, state, CR_F64, count))
            return -1;
    }
    return 0;
}

static int take_place(cr_fitting *f, const cr_state_dict *from)
{
    int64_t integers[INTEGERS];
    double numbers[NUMBERS];
    cr_history *h = f->history;
    const cr_value *columns = cr_state_dict_value(from, "history.columns");
    char *names = column_names(h);
    int failed = !names;
    if (!failed && (!columns || columns->tag != CR_STRING || strcmp(columns->as.s, names)))
        failed = CR_FAIL_INT("its history has the columns %s, expected %s",
                             columns && columns->tag == CR_STRING ? columns->as.s : "?", names);
    free(names);
    if (failed || take_numbers(from, "fit.integers", integers, CR_I64, INTEGERS) ||
        take_numbers(from, "fit.numbers", numbers, CR_F64, NUMBERS))
        return -1;
    if (integers[FORMAT] != THIS_FORMAT || integers[EPOCH] < 0 || integers[EPOCH] > 1 << 24 ||
        integers[BATCH] < 0)
        return CR_FAIL_INT("it is of another version or damaged");
    cr_tensor *values = cr_state_dict_get(from, "history.values"); /* before rows are made for it */
    if (integers[EPOCH] && cr_tensor_numel(values) != integers[EPOCH] * (int64_t)h->columns)
        return CR_FAIL_INT("its history has not %lld epochs", (long long)integers[EPOCH]);
    for (int64_t e = 0; e < integers[EPOCH]; e++)
        if (!cr_history_add_row(h))
            return -1;
    if (h->rows &&
        take_numbers(from, "history.values", h->values, CR_F64, (int64_t)(h->rows * h->columns)))
        return -1;
    if (integers[BEST_EPOCH] < -1 || integers[BEST_EPOCH] >= integers[EPOCH])
        return CR_FAIL_INT("its best epoch is not one of its epochs");
    f->seen.epoch = integers[EPOCH];
    f->next_batch = integers[BATCH];
    f->seen.step = integers[STEP];
    f->waited = integers[WAITED];
    h->best_epoch = integers[BEST_EPOCH];
    h->best_value = numbers[BEST_VALUE];
    f->loader_epoch = (uint64_t)integers[LOADER_EPOCH];
    f->loss_sum = numbers[LOSS_SUM];
    f->sample_count = numbers[SAMPLES];
    f->norm_sum = numbers[NORM_SUM];
    f->norm_count = numbers[NORM_COUNT];
    const uint64_t random[2] = {(uint64_t)integers[SEED], (uint64_t)integers[OFFSET]};
    cr_set_rng_state(random);
    return 0;
}

/* Copies, since what was loaded may lie in the file's mapping and is shared. */
static cr_state_dict *copy_dict(const cr_state_dict *from)
{
    cr_state_dict *to = cr_state_dict_new();
    CR_FOREACH_STATE(s, from)
    if (to && s.tensor && cr_state_dict_set(to, s.name, cr_clone(cr_detach(s.tensor))))
        return NULL;
    return to;
}

static int take(cr_fitting *f)
{
    cr_state_dict *all = cr_load(f->o->state);
    if (!all || take_place(f, all) || take_metrics(f, all) ||
        cr_module_load_state_dict(f->o->net, take_all(all, "model.")) ||
        cr_optimizer_load_state_dict(f->o->optimizer, take_all(all, "optimizer.")) ||
        (f->o->scheduler &&
         cr_scheduler_load_state_dict(f->o->scheduler, take_all(all, "scheduler."))) ||
        (f->o->scaler && cr_scaler_load_state_dict(f->o->scaler, take_all(all, "scaler."))))
        return -1;
    if (f->history->best_epoch >= 0) {
        f->best = cr_state_dict_retain(copy_dict(take_all(all, "best.")));
        if (!f->best)
            return -1;
    }
    return 0;
}

int cr_fit_resume(cr_fitting *f)
{
    int failed = 0;
    if (!f->o->state || !cr_file_exists(f->o->state))
        return 0;
    CR_SCOPE
        CR_NO_GRAD
            failed = take(f);
    if (!failed)
        return 0;
    cr_text text = {0};
    cr_text_add(&text, "cr_fit: can't go on from %s: %s", f->o->state,
                cr_error() ? cr_error() : "it can't be read");
    cr_clear_error();
    cr_fail("%s", text.data ? text.data : "cr_fit: can't go on");
    cr_text_free(&text);
    return -1;
}

int cr_fit_keep_best(cr_fitting *f)
{
    int failed = 0;
    CR_SCOPE
        CR_NO_GRAD {
            cr_state_dict *now = cr_module_state_dict(f->o->net);
            cr_state_dict *copied = now ? copy_dict(now) : NULL;
            failed = !copied || cr_error() || (f->o->checkpoint && cr_save(f->o->checkpoint, now));
            if (!failed) {
                cr_state_dict_release(f->best);
                f->best = cr_state_dict_retain(copied);
            }
        }
    return failed ? -1 : 0;
}
