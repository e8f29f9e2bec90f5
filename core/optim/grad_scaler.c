/* The gradient scaler of mixed precision. */
#include <math.h>
#include <stdlib.h>

#include <cresset/amp.h>

#include "core/optim/optimizer.h"

typedef enum stage { READY, UNSCALED, STEPPED } stage;

/* What an optimiser went through since the last update. */
typedef struct seen {
    cr_optimizer *optimizer; /* retained */
    stage stage;
    bool found_inf;
} seen;

struct cr_grad_scaler {
    atomic_int refs;
    bool enabled;
    float scale; /* f32, as PyTorch keeps it */
    double growth_factor, backoff_factor;
    int64_t growth_interval, growth_tracker;
    seen *seen;
    size_t count;
};

/* ---- lifetimes ---- */

static void forget(cr_grad_scaler *s)
{
    for (size_t i = 0; i < s->count; i++)
        cr_optimizer_release(s->seen[i].optimizer);
    free(s->seen);
    s->seen = NULL;
    s->count = 0;
}

cr_grad_scaler *cr_grad_scaler_retain(cr_grad_scaler *scaler)
{
    if (scaler)
        atomic_fetch_add(&scaler->refs, 1);
    return scaler;
}

void cr_grad_scaler_release(cr_grad_scaler *scaler)
{
    if (!scaler || atomic_fetch_sub(&scaler->refs, 1) != 1)
        return;
    forget(scaler);
    free(scaler);
}

static void release(void *scaler)
{
    cr_grad_scaler_release(scaler);
}

cr_grad_scaler *cr_grad_scaler_new_with(const cr_grad_scaler_options *options)
{
    static const cr_grad_scaler_options none = {.end_ = 0};
    const cr_grad_scaler_options *o = options ? options : &none;
    double growth = cr_given(o->growth_factor, 2), backoff = cr_given(o->backoff_factor, 0.5);
    if (!o->disabled && !(growth > 1))
        return cr_fail("The growth factor must be > 1.0.");
    if (!o->disabled && !(backoff < 1))
        return cr_fail("The backoff factor must be < 1.0.");
    cr_grad_scaler *s = calloc(1, sizeof *s);
    if (!s)
        return cr_fail_memory("a gradient scaler", sizeof *s);
    atomic_init(&s->refs, 1);
    s->enabled = !o->disabled;
    s->scale = (float)cr_given(o->init_scale, 65536);
    s->growth_factor = growth;
    s->backoff_factor = backoff;
    s->growth_interval = o->growth_interval ? o->growth_interval : 2000;
    return cr_scope_add(s, release);
}

/* ---- scaling ---- */

static bool is_there(const void *scaler, const void *other, const char *call)
{
    if (scaler && other)
        return true;
    if (!cr_error())
        cr_fail("%s: %s is null", call, scaler ? "an argument" : "scaler");
    return false;
}

cr_tensor *cr_scaler_scale(cr_grad_scaler *scaler, cr_tensor *outputs)
{
    if (!is_there(scaler, outputs, "cr_scaler_scale"))
        return NULL;
    return scaler->enabled ? cr_mul_scalar(outputs, (double)scaler->scale) : outputs;
}

/* The optimiser's entry, made if there is none. */
static seen *entry_of(cr_grad_scaler *s, cr_optimizer *optimizer)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->seen[i].optimizer == optimizer)
            return &s->seen[i];
    seen *more = realloc(s->seen, (s->count + 1) * sizeof *more);
    if (!more)
        return cr_fail_memory("a gradient scaler", (s->count + 1) * sizeof *more);
    s->seen = more;
    s->seen[s->count] = (seen){.optimizer = cr_optimizer_retain(optimizer)};
    return &s->seen[s->count++];
}

/* Divides all gradients, and adds up g · 0, which is NaN for what isn't finite, so that one number is read in the end. */
static int unscale_all(const cr_grad_scaler *s, cr_optimizer *optimizer, bool *found_inf)
{
    float inverse = (float)(1 / (double)s->scale);
    cr_tensor *total = NULL;
    size_t count = 0;
    for (size_t g = 0; g < optimizer->count; g++)
        for (size_t i = 0; i < optimizer->groups[g].count; i++) {
            cr_tensor *grad = cr_grad(optimizer->groups[g].params[i]);
            if (!grad)
                continue;
            if (cr_tensor_dtype(grad) == CR_F16)
                return CR_FAIL_INT("Attempting to unscale FP16 gradients.");
            grad = cr_mul_scalar_(grad, (double)inverse);
            cr_tensor *sum = cr_to_dtype(cr_sum(cr_mul_scalar(grad, 0.0)), CR_F32);
            total = total ? cr_add(total, cr_tensor_to(sum, cr_tensor_device(total))) : sum;
            if (!total)
                return -1;
            count++;
        }
    if (!count)
        return CR_FAIL_INT("No inf checks were recorded for this optimizer.");
    *found_inf = !isfinite(cr_item(total));
    return cr_error() ? -1 : 0;
}

static int unscale(cr_grad_scaler *scaler, cr_optimizer *optimizer, seen *at)
{
    int failed = -1;
    bool was = cr_set_grad_enabled(false);
    CR_SCOPE
        failed = unscale_all(scaler, optimizer, &at->found_inf);
    cr_set_grad_enabled(was);
    if (!failed)
        at->stage = UNSCALED;
    return failed;
}

int cr_scaler_unscale_(cr_grad_scaler *scaler, cr_optimizer *optimizer)
{
    if (!is_there(scaler, optimizer, "cr_scaler_unscale_"))
        return -1;
    if (!scaler->enabled)
        return 0;
    seen *at = entry_of(scaler, optimizer);
    if (!at)
        return -1;
    if (at->stage == UNSCALED)
        return CR_FAIL_INT("unscale_() has already been called on this optimizer since the last "
                           "update().");
    if (at->stage == STEPPED)
        return CR_FAIL_INT("unscale_() is being called after step().");
    return unscale(scaler, optimizer, at);
}

int cr_scaler_step(cr_grad_scaler *scaler, cr_optimizer *optimizer)
{
    if (!is_there(scaler, optimizer, "cr_scaler_step"))
        return -1;
    if (!scaler->enabled)
        return cr_optimizer_step(optimizer);
    seen *at = entry_of(scaler, optimizer);
    if (!at)
        return -1;
    if (at->stage == STEPPED)
        return CR_FAIL_INT("step() has already been called since the last update().");
    if (at->stage == READY && unscale(scaler, optimizer, at))
        return -1;
    if (!at->found_inf && cr_optimizer_step(optimizer))
        return -1;
    at->stage = STEPPED;
    return 0;
}

int cr_scaler_update(cr_grad_scaler *scaler)
{
    if (!is_there(scaler, scaler, "cr_scaler_update"))
        return -1;
    if (!scaler->enabled)
        return 0;
    bool checked = false, found_inf = false;
    for (size_t i = 0; i < scaler->count; i++) {
        checked |= scaler->seen[i].stage != READY;
        found_inf |= scaler->seen[i].found_inf;
    }
    if (!checked)
        return CR_FAIL_INT("No inf checks were recorded prior to update.");
    if (found_inf) {
        scaler->scale = (float)((double)scaler->scale * scaler->backoff_factor);
        scaler->growth_tracker = 0;
    } else if (++scaler->growth_tracker == scaler->growth_interval) {
        float grown = (float)((double)scaler->scale * scaler->growth_factor);
        scaler->scale = isfinite(grown) ? grown : scaler->scale;
        scaler->growth_tracker = 0;
    }
    forget(scaler);
    return 0;
}

int cr_scaler_set_scale(cr_grad_scaler *scaler, double scale)
{
    if (!is_there(scaler, scaler, "cr_scaler_set_scale"))
        return -1;
    scaler->scale = (float)scale;
    forget(scaler);
    return 0;
}

double cr_scaler_get_scale(const cr_grad_scaler *scaler)
{
    return scaler && scaler->enabled ? (double)scaler->scale : 1;
}

bool cr_scaler_skipped(const cr_grad_scaler *scaler, const cr_optimizer *optimizer)
{
    for (size_t i = 0; scaler && i < scaler->count; i++)
        if (scaler->seen[i].optimizer == optimizer)
            return scaler->seen[i].stage == STEPPED && scaler->seen[i].found_inf;
    return false;
}

/* ---- state ---- */

cr_state_dict *cr_scaler_state_dict(const cr_grad_scaler *s)
{
    if (!is_there(s, s, "cr_scaler_state_dict"))
        return NULL;
    cr_state_dict *dict = cr_state_dict_new();
    if (!dict || !s->enabled)
        return dict;
    cr_value f = {.tag = CR_FLOAT}, i = {.tag = CR_INT};
    f.as.f = (double)s->scale;
    int failed = cr_state_dict_set_value(dict, "scale", f);
    f.as.f = s->growth_factor;
    failed = failed || cr_state_dict_set_value(dict, "growth_factor", f);
    f.as.f = s->backoff_factor;
    failed = failed || cr_state_dict_set_value(dict, "backoff_factor", f);
    i.as.i = s->growth_interval;
    failed = failed || cr_state_dict_set_value(dict, "growth_interval", i);
    i.as.i = s->growth_tracker;
    failed = failed || cr_state_dict_set_value(dict, "_growth_tracker", i);
    return failed ? NULL : dict;
}

static bool read_number(const cr_state_dict *dict, const char *name, double *to)
{
    const cr_value *v = cr_state_dict_value(dict, name);
    if (!v || (v->tag != CR_FLOAT && v->tag != CR_INT))
        return cr_fail("cr_scaler_load_state_dict: there is no number \"%s\"", name), false;
    *to = v->tag == CR_FLOAT ? v->as.f : (double)v->as.i;
    return true;
}

int cr_scaler_load_state_dict(cr_grad_scaler *s, const cr_state_dict *dict)
{
    if (!is_there(s, dict, "cr_scaler_load_state_dict"))
        return -1;
    if (!s->enabled)
        return 0;
    if (!cr_state_dict_count(dict))
        return CR_FAIL_INT("The source state dict is empty, possibly because it was saved from a "
                           "disabled instance of GradScaler.");
    double scale, growth, backoff, interval, tracker;
    if (!read_number(dict, "scale", &scale) || !read_number(dict, "growth_factor", &growth) ||
        !read_number(dict, "backoff_factor", &backoff) ||
        !read_number(dict, "growth_interval", &interval) ||
        !read_number(dict, "_growth_tracker", &tracker))
        return -1;
    s->scale = (float)scale;
    s->growth_factor = growth;
    s->backoff_factor = backoff;
    s->growth_interval = (int64_t)interval;
    s->growth_tracker = (int64_t)tracker;
    return 0;
}
