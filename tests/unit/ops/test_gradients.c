/* The derivative, and the derivative's derivative, of operations of the table against finite differences. A case is written as
 * the operation's name and its arguments:
 *
 *   3x4      a float64 tensor of those sizes that requires grad, numbers around 0 that are far from each other
 *   +3x4     the same with numbers from 0.5 to 1.5;  s and +s: 0-d
 *   !3x4     a float64 tensor that does not require grad
 *   j3x4:5   an int64 tensor of numbers from 0 to 4;  m3x4: a mask
 *   spd3     a symmetric positive definite matrix that requires grad;  2spd3: two of them
 *   (..)     a list of tensors
 *   i2 f0.5 b1 n [1,2] 'text'   an int, a float, a bool, none, a list, a string
 *   dim=i1   by keyword
 *
 * "name/1" looks at the first derivative alone. */
#include <check.h>
#include <cresset/cresset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16 };

typedef struct call {
    char name[64];
    bool once; /* only the first derivative */
    cr_value args[MOST];
    cr_keyword kw[MOST];
    size_t nargs, nkw;
    cr_tensor *inputs[MOST]; /* those that require grad */
    size_t ninputs;
    unsigned outputs; /* bits: those that have a gradient; known after the first run */
    int64_t ints[MOST][8];
    cr_tensor *lists[MOST][8];
    char texts[MOST][32];
} call;

/* Numbers that look random, differ by at least 1/50 from each other and from 0, and are the same each time. */
static cr_tensor *numbers(cr_ints sizes, uint64_t seed, double low, double high)
{
    int64_t n = 1;
    for (int64_t i = 0; i < sizes.count; i++)
        n *= sizes.data[i];
    cr_manual_seed(seed);
    cr_tensor *order = cr_randperm(n, .dtype = CR_F64);
    cr_tensor *x = cr_add_scalar(
        cr_mul_scalar(cr_add_scalar(order, 0.5), (high - low) / (double)(n ? n : 1)), low);
    return cr_view(x, sizes);
}

static cr_ints read_sizes(const char **at, int64_t *into)
{
    int n = 0;
    char *end = (char *)(uintptr_t)*at;
    if (*end == 's')
        end++;
    else
        do {
            into[n] = strtoll(end + (n > 0), &end, 10);
            n++;
        } while (*end == 'x');
    *at = end;
    return cr_make_ints(into, (size_t)n);
}

static cr_tensor *differentiable(call *c, cr_tensor *t)
{
    c->inputs[c->ninputs++] = cr_requires_grad_(t, true);
    return t;
}

static cr_tensor *read_tensor(call *c, const char **at)
{
    int64_t sizes[9];
    uint64_t seed = 17 + c->ninputs + c->nargs * 5;
    char kind = **at;
    if (strstr(*at, "spd") && strstr(*at, "spd") - *at <= 1) {
        int64_t batch = kind == 's' ? 0 : kind - '0';
        *at = strstr(*at, "spd") + 3;
        int64_t n = strtoll(*at, (char **)(uintptr_t)at, 10);
        cr_tensor *a = numbers(batch ? CR_INTS(batch, n, n) : CR_INTS(n, n), seed, -1, 1);
        return differentiable(c, cr_detach(cr_add(cr_matmul(a, cr_transpose(a, -1, -2)),
                                                  cr_eye(n, .dtype = CR_F64))));
    }
    *at += kind == '+' || kind == '!' || kind == 'j' || kind == 'm';
    cr_ints list = read_sizes(at, sizes);
    if (kind == 'j') {
        int64_t top = strtoll(*at + 1, (char **)(uintptr_t)at, 10);
        cr_manual_seed(seed);
        return cr_randint(top, list);
    }
    if (kind == 'm')
        return cr_gt_scalar(numbers(list, seed, -1, 1), 0);
    cr_tensor *t = kind == '+' ? numbers(list, seed, 0.5, 1.5) : numbers(list, seed, -1.03, 1.17);
    return kind == '!' ? t : differentiable(c, t);
}

static cr_value read_value(call *c, const char **at, size_t slot)
{
    cr_value v = {.tag = CR_NONE};
    const char *text = *at;
    char *end = NULL;
    switch (*text) {
    case 'n': *at = text + 1; return v;
    case 'i':
        v.tag = CR_INT;
        v.as.i = strtoll(text + 1, &end, 10);
        break;
    case 'b':
        v.tag = CR_BOOL;
        v.as.i = strtoll(text + 1, &end, 10);
        break;
    case 'f':
        v.tag = CR_FLOAT;
        v.as.f = strtod(text + 1, &end);
        break;
    case '[':
        v.tag = CR_INT_LIST;
        v.as.ints = c->ints[slot];
        for (end = (char *)(uintptr_t)text + 1; *end != ']'; end += *end == ',')
            c->ints[slot][v.count++] = strtoll(end, &end, 10);
        end++;
        break;
    case '\'':
        v.tag = CR_STRING;
        v.count = (int64_t)strcspn(text + 1, "'");
        memcpy(c->texts[slot], text + 1, (size_t)v.count);
        v.as.s = c->texts[slot];
        end = (char *)(uintptr_t)text + v.count + 2;
        break;
    case '(':
        v.tag = CR_TENSOR_LIST;
        v.as.tensors = c->lists[slot];
        for (text++; *text != ')'; text += *text == ' ') {
            bool none = *text == 'n';
            c->lists[slot][v.count++] = none ? NULL : read_tensor(c, &text);
            text += none;
        }
        *at = text + 1;
        return v;
    default:
        v.tag = CR_TENSOR;
        v.as.tensor = read_tensor(c, at);
        return v;
    }
    *at = end;
    return v;
}

static void read_case(call *c, const char *text)
{
    memset(c, 0, sizeof *c);
    size_t length = strcspn(text, " ");
    memcpy(c->name, text, length);
    c->once = length > 2 && !strcmp(c->name + length - 2, "/1");
    if (c->once)
        c->name[length - 2] = 0;
    text += length;
    while (*text == ' ') {
        text++;
        size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz_");
        if (text[word] == '=') {
            char *name = c->texts[MOST - 1 - c->nkw];
            memcpy(name, text, word);
            text += word + 1;
            c->kw[c->nkw].name = name;
            c->kw[c->nkw].value = read_value(c, &text, c->nargs + c->nkw);
            c->nkw++;
        } else {
            c->args[c->nargs] = read_value(c, &text, c->nargs + c->nkw);
            c->nargs++;
        }
    }
}

/* The given tensor in place of one of the case's inputs. */
static cr_tensor *exchanged(const call *c, cr_tensor *t, cr_tensor *const *inputs)
{
    for (size_t i = 0; i < c->ninputs; i++)
        if (t && t == c->inputs[i])
            return inputs[i];
    return t;
}

/* All outputs that have a gradient, flattened into one. */
static cr_tensor *run(void *context, cr_tensor *const *inputs, size_t ninputs)
{
    (void)ninputs;
    call now = *(call *)context, *c = &now;
    cr_value outs[6];
    for (size_t i = 0; i < c->nargs; i++) {
        if (c->args[i].tag == CR_TENSOR)
            c->args[i].as.tensor = exchanged(context, c->args[i].as.tensor, inputs);
        if (c->args[i].tag != CR_TENSOR_LIST)
            continue;
        for (int64_t k = 0; k < c->args[i].count; k++)
            c->lists[i][k] = exchanged(context, c->lists[i][k], inputs);
        c->args[i].as.tensors = c->lists[i];
    }
    size_t nouts;
    if (cr_call(c->name, c->args, c->nargs, c->kw, c->nkw, outs, 6, &nouts))
        return NULL;
    cr_tensor *all = NULL;
    unsigned at = 0, *wanted = &((call *)context)->outputs;
    for (size_t i = 0; i < nouts; i++) {
        int64_t count = outs[i].tag == CR_TENSOR_LIST ? outs[i].count : outs[i].tag == CR_TENSOR;
        for (int64_t k = 0; k < count; k++) {
            cr_tensor *t = outs[i].tag == CR_TENSOR ? outs[i].as.tensor : outs[i].as.tensors[k];
            *wanted |= (unsigned)cr_requires_grad(t) << at;
            if (!(*wanted >> at++ & 1))
                continue;
            t = cr_reshape(t, CR_INTS(-1));
            all = all ? cr_cat(CR_TENSORS(all, t)) : t;
        }
    }
    return all ? all : cr_error() ? NULL : cr_zeros(1, .dtype = CR_F64);
}

static const char *const cases[] = {
#include "gradients.inc"
};

START_TEST(derivatives_agree_with_differences)
{
    cr_clear_error();
    CR_SCOPE {
        call c;
        read_case(&c, cases[_i]);
        cr_tensor *out = run(&c, c.inputs, c.ninputs);
        ck_assert_msg(out != NULL, "%s: %s", cases[_i], cr_error());
        ck_assert_msg(cr_requires_grad(out), "%s: the result has no gradient", cases[_i]);
        ck_assert_msg(cr_gradcheck(run, &c, c.inputs, c.ninputs, NULL), "%s: %s", cases[_i],
                      cr_error());
        ck_assert_msg(c.once || cr_gradgradcheck(run, &c, c.inputs, c.ninputs, NULL),
                      "second: %s: %s", cases[_i], cr_error());
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gradients");
    TCase *t = tcase_create("gradients");
    tcase_set_timeout(t, 0);
    tcase_add_loop_test(t, derivatives_agree_with_differences, 0,
                        (int)(sizeof cases / sizeof *cases));
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    cr_exit();
    return failed != 0;
}
