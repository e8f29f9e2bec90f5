/* Reading samples, running them, and comparing what comes out. */
#include "conform.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ARGS = 20, MOST_OUTS = 64, MOST_LIST = 32 };

bool sample_file_open(sample_file *file, const char *path)
{
    char **metadata = NULL;
    const char *base = strrchr(path, '/');
    snprintf(file->name, sizeof file->name, "%s", base ? base + 1 : path);
    file->cases = NULL;
    file->tensors = cr_load_safetensors(path, .metadata = &metadata);
    for (char **m = metadata; m && *m; m += 2)
        if (!strcmp(m[0], "cases"))
            file->cases = cJSON_Parse(m[1]);
    cr_free(metadata);
    if (file->tensors && !cJSON_IsArray(file->cases))
        cr_fail("%s holds no samples", path);
    return file->tensors && file->cases;
}

void sample_file_close(sample_file *file)
{
    cJSON_Delete(file->cases);
}

/* ---- tolerances: torch.testing.assert_close's, by dtype; integers are exact, and casts, which round once ---- */

typedef struct tolerance {
    double relative, absolute;
    int digits; /* of the significand, for ulps */
} tolerance;

static tolerance tolerance_of(cr_dtype dtype, bool exact)
{
    switch (exact ? CR_DTYPE_NONE : dtype) {
    case CR_F64: return (tolerance){1e-7, 1e-7, 53};
    case CR_F32: return (tolerance){1.3e-6, 1e-5, 24};
    case CR_F16: return (tolerance){1e-3, 1e-5, 11};
    case CR_BF16: return (tolerance){1.6e-2, 1e-5, 8};
    default: return (tolerance){0, 0, 0};
    }
}

/* ---- comparing ---- */

/* On the cpu backend, whichever device's memory it is in: a device does not judge itself. */
static cr_tensor *on_cpu(const cr_tensor *t)
{
    return cr_tensor_to(cr_detach((cr_tensor *)(uintptr_t)t), "cpu");
}

static double *values_of(const cr_tensor *t)
{
    double *values = NULL;
    CR_NO_GRAD
        CR_SCOPE {
            cr_tensor *wide = cr_to_dtype(on_cpu(t), CR_F64);
            size_t bytes = (size_t)(wide ? cr_tensor_numel(wide) : 0) * sizeof(double);
            if (wide && (values = malloc(bytes + 1)) && cr_tensor_read(wide, values, bytes)) {
                free(values);
                values = NULL;
            }
        }
    return values;
}

static bool fail(verdict *v, const char *what, int i, const char *problem)
{
    v->passed = false;
    snprintf(v->why, sizeof v->why, "%s %d: %s", what, i, problem);
    return false;
}

static char *describe(const cr_tensor *t, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "%s[", cr_dtype_name(cr_tensor_dtype(t)));
    for (int d = 0; d < cr_tensor_dim(t) && at < size; d++)
        at += (size_t)snprintf(text + at, size - at, "%s%" PRId64, d ? ", " : "",
                               cr_tensor_sizes(t)[d]);
    if (at < size)
        snprintf(text + at, size - at, "]");
    return text;
}

/* Integers beyond 2^53 differ in ways that doubles don't show: they are compared exactly first. */
static bool same_bits(const cr_tensor *a, const cr_tensor *b)
{
    bool same = false;
    CR_NO_GRAD
        CR_SCOPE
            same = cr_equal(on_cpu(a), on_cpu(b));
    return same;
}

static bool compare(verdict *v, const char *what, int i, const cr_tensor *got,
                    const cr_tensor *wanted, bool exact)
{
    char problem[400], a[128], b[128];
    if (!got)
        return fail(v, what, i, "missing");
    cr_dtype dtype = cr_tensor_dtype(wanted);
    int64_t numel = cr_tensor_numel(wanted);
    if (cr_tensor_dtype(got) != dtype || cr_tensor_dim(got) != cr_tensor_dim(wanted) ||
        memcmp(cr_tensor_sizes(got), cr_tensor_sizes(wanted),
               (size_t)cr_tensor_dim(wanted) * sizeof(int64_t))) {
        snprintf(problem, sizeof problem, "is %s, PyTorch's is %s", describe(got, a, sizeof a),
                 describe(wanted, b, sizeof b));
        return fail(v, what, i, problem);
    }
    if (!numel || (!cr_is_floating_point(wanted) && same_bits(got, wanted)))
        return true;
    double *x = values_of(got), *y = values_of(wanted);
    tolerance t = tolerance_of(dtype, exact);
    bool well = x && y;
    if (!well)
        fail(v, what, i, cr_error() ? cr_error() : "can't be read");
    for (int64_t k = 0; k < numel && well; k++) {
        if (x[k] == y[k] || (isnan(x[k]) && isnan(y[k])))
            continue;
        int exponent = 0;
        frexp(y[k], &exponent);
        double ulps = t.digits ? fabs(x[k] - y[k]) / ldexp(1, exponent - t.digits) : INFINITY;
        if (fabs(x[k] - y[k]) <= t.absolute + t.relative * fabs(y[k])) {
            v->ulps = ulps > v->ulps && fabs(y[k]) > t.absolute ? ulps : v->ulps;
            continue;
        }
        snprintf(problem, sizeof problem, "element %" PRId64 " of %s is %.17g, PyTorch's is %.17g",
                 k, describe(wanted, a, sizeof a), x[k], y[k]);
        well = fail(v, what, i, problem);
    }
    free(x);
    free(y);
    return well;
}

/* ---- from JSON to values ---- */

typedef struct call {
    const sample_file *file;
    const char *device;
    cr_tensor *wants[MOST_LIST]; /* those that require grad, in order */
    int nwants;
    cr_tensor *const *given; /* stand for those, if not null */
    /* If set, what the first tensor's dtype becomes, and all others' of that dtype. */
    cr_dtype cast, first;
    int64_t elements;
    int64_t ints[MOST_ARGS][MOST_LIST];
    double floats[MOST_ARGS][MOST_LIST];
    uint8_t bools[MOST_ARGS][MOST_LIST];
    cr_tensor *tensors[MOST_ARGS][MOST_LIST];
    int lists;
} call;

static cr_tensor *stored(const sample_file *file, const cJSON *number)
{
    char name[24];
    if (!cJSON_IsNumber(number) || number->valuedouble < 0)
        return NULL;
    snprintf(name, sizeof name, "%d", number->valueint);
    return cr_state_dict_get(file->tensors, name);
}

static cr_ints ints_of(const cJSON *list, int64_t *to)
{
    size_t n = 0;
    const cJSON *e;
    cJSON_ArrayForEach(e, list) if (n < MOST_LIST) to[n++] = (int64_t)e->valuedouble;
    return cr_make_ints(to, n);
}

static cr_tensor *tensor_of(call *c, const cJSON *form)
{
    int64_t sizes[MOST_LIST], strides[MOST_LIST];
    cr_tensor *t = stored(c->file, cJSON_GetObjectItem(form, "t"));
    if (!t)
        return NULL;
    if (c->given && cJSON_IsTrue(cJSON_GetObjectItem(form, "grad")) && c->nwants < MOST_LIST)
        return c->given[c->nwants++];
    /* A copy, since the stored one may be mapped memory that nobody may write. */
    t = cr_clone(cr_tensor_to(t, c->device));
    const cJSON *size = cJSON_GetObjectItem(form, "size");
    if (size)
        t = cr_as_strided(
            t, ints_of(size, sizes), ints_of(cJSON_GetObjectItem(form, "stride"), strides),
            .storage_offset =
                CR_SOME((int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(form, "offset"))));
    if (t)
        c->elements += cr_tensor_numel(t);
    if (c->cast && t) {
        c->first = c->first ? c->first : cr_tensor_dtype(t);
        return cr_tensor_dtype(t) == c->first ? cr_to_dtype(t, c->cast) : t;
    }
    if (cJSON_IsTrue(cJSON_GetObjectItem(form, "grad")) && c->nwants < MOST_LIST)
        c->wants[c->nwants++] = t = cr_requires_grad_(size ? cr_detach(t) : t, true);
    return t;
}

static double number_of(const cJSON *number)
{
    return cJSON_IsString(number) ? strtod(number->valuestring, NULL)
                                  : cJSON_GetNumberValue(number);
}

static cr_value value_of(call *c, const cJSON *form)
{
    cr_value v = {0};
    const cJSON *item, *e;
    int list = c->lists < MOST_ARGS - 1 ? c->lists++ : c->lists;
    if (cJSON_IsNull(form))
        return v;
    if (cJSON_IsBool(form)) {
        v.tag = CR_BOOL;
        v.as.i = cJSON_IsTrue(form);
    } else if (cJSON_IsNumber(form)) {
        v.tag = CR_INT;
        v.as.i = (int64_t)form->valuedouble;
    } else if (cJSON_IsString(form)) {
        v.tag = CR_STRING;
        v.as.s = form->valuestring;
        v.count = (int64_t)strlen(form->valuestring);
    } else if (cJSON_IsArray(form)) {
        cr_ints ints = ints_of(form, c->ints[list]);
        v.tag = CR_INT_LIST;
        v.as.ints = ints.data;
        v.count = (int64_t)ints.count;
    } else if ((item = cJSON_GetObjectItem(form, "f"))) {
        v.tag = CR_FLOAT;
        v.as.f = number_of(item);
    } else if ((item = cJSON_GetObjectItem(form, "dtype"))) {
        v.tag = CR_DTYPE;
        v.as.i = cr_dtype_by_name(item->valuestring);
    } else if ((item = cJSON_GetObjectItem(form, "b"))) {
        v.tag = CR_BOOL_LIST;
        v.as.bools = c->bools[list];
        cJSON_ArrayForEach(e, item) if (v.count < MOST_LIST) c->bools[list][v.count++] =
            cJSON_IsTrue(e);
    } else if ((item = cJSON_GetObjectItem(form, "fs"))) {
        v.tag = CR_FLOAT_LIST;
        v.as.floats = c->floats[list];
        cJSON_ArrayForEach(e, item) if (v.count < MOST_LIST) c->floats[list][v.count++] =
            number_of(e);
    } else if ((item = cJSON_GetObjectItem(form, "ts"))) {
        v.tag = CR_TENSOR_LIST;
        v.as.tensors = c->tensors[list];
        cJSON_ArrayForEach(e, item) if (v.count < MOST_LIST) c->tensors[list][v.count++] =
            cJSON_IsNull(e) ? NULL : tensor_of(c, e);
    } else {
        v.tag = CR_TENSOR;
        v.as.tensor = tensor_of(c, form);
    }
    return v;
}

/* ---- running ---- */

/* Calls the operation; the results, lists spread out. Returns how many, or -1. */
static int forward(call *c, const cJSON *sample, cr_tensor **outs)
{
    cr_value args[MOST_ARGS], results[8];
    cr_keyword kw[MOST_ARGS];
    size_t nargs = 0, nkw = 0, nresults = 0;
    const cJSON *e;
    int count = 0;
    c->nwants = c->lists = 0;
    c->elements = 0;
    cJSON_ArrayForEach(e, cJSON_GetObjectItem(sample, "args")) if (nargs < MOST_ARGS)
        args[nargs++] = value_of(c, e);
    cJSON_ArrayForEach(e, cJSON_GetObjectItem(sample, "kw")) if (nkw < MOST_ARGS) kw[nkw++] =
        (cr_keyword){e->string, value_of(c, e)};
    const char *op = cJSON_GetStringValue(cJSON_GetObjectItem(sample, "op"));
    if (cr_error() || cr_call(op, args, nargs, kw, nkw, results, 8, &nresults) ||
        cr_synchronize(
            c->device)) /* a device may find an index out of bounds later than the call */
        return -1;
    for (size_t i = 0; i < nresults && i < 8; i++) {
        if (results[i].tag == CR_TENSOR && count < MOST_OUTS)
            outs[count++] = results[i].as.tensor;
        for (int64_t k = 0;
             results[i].tag == CR_TENSOR_LIST && k < results[i].count && count < MOST_OUTS; k++)
            outs[count++] = results[i].as.tensors[k];
    }
    return count;
}

static bool backward(verdict *v, call *c, const cJSON *sample, cr_tensor **outs, int nouts)
{
    const cJSON *weights = cJSON_GetObjectItem(sample, "cotangent"),
                *wanted = cJSON_GetObjectItem(sample, "grad"), *e;
    cr_tensor *tracked[MOST_OUTS], *cotangents[MOST_OUTS], *grads[MOST_LIST] = {NULL};
    size_t n = 0;
    int i = 0;
    cJSON_ArrayForEach(e, weights)
    {
        cr_tensor *weight = stored(c->file, e);
        if (weight && i < nouts) {
            tracked[n] = outs[i];
            cotangents[n++] = cr_tensor_to(weight, c->device);
        }
        i++;
    }
    if (cr_autograd_grad(tracked, cotangents, n, c->wants, (size_t)c->nwants, 1, grads))
        return fail(v, "backward", 0, cr_error());
    i = 0;
    cJSON_ArrayForEach(e, wanted)
    {
        cr_tensor *g = stored(c->file, e);
        if (g && !grads[i]) { /* none at all stands for zeros */
            double *values = values_of(g);
            bool zero = values != NULL;
            for (int64_t k = 0; zero && k < cr_tensor_numel(g); k++)
                zero = values[k] == 0;
            free(values);
            if (!zero)
                return fail(v, "gradient", i, "missing");
        } else if (g && !compare(v, "gradient", i, grads[i], g, false)) {
            return false;
        }
        i++;
    }
    return true;
}

static bool run(verdict *v, call *c, const cJSON *sample)
{
    cr_tensor *outs[MOST_OUTS], *again[MOST_OUTS];
    bool refused = cJSON_IsTrue(cJSON_GetObjectItem(sample, "error"));
    int n = forward(c, sample, outs);
    v->size = c->elements;
    if (n < 0) {
        char words[400];
        snprintf(words, sizeof words, "%s", cr_error() ? cr_error() : "an error without words");
        cr_clear_error();
        return refused ? true : fail(v, "call", 0, words);
    }
    if (refused) { /* a device may say so only when its results are read */
        for (int i = 0; i < n; i++)
            free(values_of(outs[i]));
        bool said = cr_error() != NULL;
        cr_clear_error();
        return said ? true : fail(v, "call", 0, "PyTorch refuses this; here it went through");
    }
    const cJSON *wanted = cJSON_GetObjectItem(sample, "out");
    int count = cJSON_GetArraySize(wanted);
    if (n < count || (n > count && !cJSON_IsTrue(cJSON_GetObjectItem(sample, "some"))))
        return fail(v, "results", n, "are too many or too few");
    const char *op = cJSON_GetStringValue(cJSON_GetObjectItem(sample, "op"));
    bool casts = op && !strcmp(op, "_to_copy");
    for (int i = 0; i < count; i++)
        if (!compare(v, "result", i, outs[i], stored(c->file, cJSON_GetArrayItem(wanted, i)),
                     casts))
            return false;
    if (cJSON_GetObjectItem(sample, "grad") && !backward(v, c, sample, outs, n))
        return false;
    int m = forward(c, sample, again);
    for (int i = 0; i < n && i < m; i++) {
        double *a = values_of(outs[i]), *b = values_of(again[i]);
        bool same = a && b && !memcmp(a, b, (size_t)cr_tensor_numel(outs[i]) * sizeof *a);
        free(a);
        free(b);
        if (!same)
            return fail(v, "result", i, "has other bits the second time");
    }
    return m == n ? true : fail(v, "call", 1, "failed the second time");
}

verdict sample_run(const sample_file *file, const cJSON *sample, const char *device)
{
    verdict v = {.passed = true};
    static call c; /* large */
    c = (call){.file = file, .device = device};
    CR_SCOPE
        run(&v, &c, sample);
    if (cr_error()) {
        if (v.passed)
            fail(&v, "after the call", 0, cr_error());
        cr_clear_error();
    }
    return v;
}

/* ---- the second derivative ---- */

typedef struct differentiated {
    call c;
    const cJSON *sample;
} differentiated;

/* Σ output · cotangent of the sample's call with other inputs. */
static cr_tensor *weighted_sum(void *context, cr_tensor *const *inputs, size_t n)
{
    differentiated *d = context;
    cr_tensor *outs[MOST_OUTS], *sum = NULL;
    (void)n;
    d->c.given = inputs;
    int count = forward(&d->c, d->sample, outs), i = 0;
    const cJSON *e;
    cJSON_ArrayForEach(e, cJSON_GetObjectItem(d->sample, "cotangent"))
    {
        cr_tensor *weight = stored(d->c.file, e);
        if (weight && i < count) {
            cr_tensor *part = cr_sum(cr_mul(outs[i], cr_tensor_to(weight, d->c.device)));
            sum = sum ? cr_add(sum, part) : part;
        }
        i++;
    }
    return count < 0 ? NULL : sum;
}

verdict sample_run_second(const sample_file *file, const cJSON *sample, const char *device)
{
    verdict v = {.passed = true};
    static differentiated d; /* large */
    CR_SCOPE {
        cr_tensor *outs[MOST_OUTS], *inputs[MOST_LIST];
        d = (differentiated){.c = {.file = file, .device = device}, .sample = sample};
        if (forward(&d.c, sample, outs) >= 0) {
            const cJSON *g;
            int i = 0, tracked = 0;
            memcpy(inputs, d.c.wants, sizeof inputs);
            cJSON_ArrayForEach(g, cJSON_GetObjectItem(sample, "grad"))
            { /* those without a gradient in PyTorch are constants */
                tracked += g->valuedouble >= 0;
                if (g->valuedouble < 0)
                    cr_requires_grad_(inputs[i], false);
                i++;
            }
            v.size = d.c.elements;
            const cr_gradcheck_options options = {.atol = 1e-4};
            if (tracked)
                cr_gradgradcheck(weighted_sum, &d, inputs, (size_t)d.c.nwants, &options);
        }
        if (cr_error())
            fail(&v, "second derivative", 0, cr_error());
        cr_clear_error();
    }
    return v;
}

bool sample_takes(const sample_file *file, const cJSON *sample, const char *device, cr_dtype dtype)
{
    bool takes = false;
    static call c; /* large */
    c = (call){.file = file, .device = device, .cast = dtype};
    CR_SCOPE {
        cr_tensor *outs[MOST_OUTS];
        takes = forward(&c, sample, outs) >= 0 && !cr_error();
    }
    cr_clear_error();
    return takes;
}
