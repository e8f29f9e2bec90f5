/* For the tests of recurrent layers and Transformers: cases of tests/golden/nn/sequences.safetensors, with several inputs, some
 * of them absent, and several outputs. */
#ifndef CRESSET_TESTS_UNIT_NN_SEQUENCES_H
#define CRESSET_TESTS_UNIT_NN_SEQUENCES_H

#include "golden.h"

enum { MOST = 8 };

static cr_state_dict *values;
static const char *current_case;

static inline cr_tensor *value(const char *layer, const char *part)
{
    char name[256];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    return on_device(cr_state_dict_get(values, name));
}

static inline cr_tensor *numbered(const char *part, size_t i)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%zu", part, i);
    return value(current_case, name);
}

static inline cr_state_dict *state_of(const char *layer)
{
    char prefix[128];
    snprintf(prefix, sizeof prefix, "%s.state.", layer);
    cr_state_dict *state = cr_state_dict_new();
    CR_FOREACH_STATE(s, values)
    if (!strncmp(s.name, prefix, strlen(prefix)))
        cr_state_dict_set(state, s.name + strlen(prefix), s.tensor);
    return state;
}

typedef size_t (*run_case)(cr_module *module, cr_tensor *const *in, size_t n, cr_tensor **out);

static inline size_t run_plainly(cr_module *module, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    size_t count = 0;
    while (numbered("output", count))
        count++;
    return cr_forward_many_with(module, in, n, out, count) ? 0 : count;
}

/* Loads the state, calls the module and compares its outputs, and the gradients of everything. */
static inline void check_case(const char *layer, cr_module *module, size_t n, run_case run)
{
    cr_tensor *in[MOST] = {NULL}, *out[MOST] = {NULL}, *outs[MOST], *given[MOST];
    size_t nouts = 0;
    current_case = layer;
    ck_assert_msg(module != NULL, "%s: %s", layer, cr_error());
    ck_assert_msg(!cr_module_load_state_dict(module, state_of(layer)), "%s: %s", layer, cr_error());
    for (size_t i = 0; i < n; i++) {
        cr_tensor *x = numbered("input", i);
        in[i] = x ? cr_clone(x) : NULL;
        if (numbered("grad.input", i))
            cr_requires_grad_(in[i], 1);
    }
    size_t count = run(module, in, n, out);
    ck_assert_msg(count > 0, "%s: %s", layer, cr_error());
    for (size_t i = 0; i < count; i++) {
        assert_close(layer, out[i], numbered("output", i), 3e-5);
        if (numbered("cotangent", i)) {
            outs[nouts] = out[i];
            given[nouts++] = numbered("cotangent", i);
        }
    }
    ck_assert_msg(!numbered("output", count), "%s: %zu outputs are too few", layer, count);
    cr_tensor *loss = NULL;
    for (size_t i = 0; i < nouts; i++) {
        cr_tensor *part = cr_sum(cr_mul(outs[i], given[i]));
        loss = loss ? cr_add(loss, part) : part;
    }
    ck_assert_msg(!loss || !cr_backward(loss), "%s: %s", layer, cr_error());
    for (size_t i = 0; i < n; i++)
        if (numbered("grad.input", i))
            assert_close(layer, cr_grad(in[i]), numbered("grad.input", i), 5e-5);
    CR_FOREACH_PARAMETER (p, module) {
        char name[160];
        snprintf(name, sizeof name, "grad.state.%s", p.name);
        if (value(layer, name))
            assert_close(name, cr_grad(p.tensor), value(layer, name), 1e-4);
    }
    assert_no_error();
}

#define CHECK(name, module, inputs)         check_case(#name, module, inputs, run_plainly)
#define CHECK_BY(name, module, inputs, run) check_case(#name, module, inputs, run)

static inline void load(void)
{
    values = cr_load("tests/golden/nn/sequences.safetensors");
    ck_assert_msg(values != NULL, "%s", cr_error());
}

/* The same with every optional plan refused. */
static inline void load_decomposed(void)
{
    setenv("CRESSET_ONLY_PRIMITIVES", "1", 1);
    load();
}

/* The same on another backend, where there is one. */
static inline void load_onednn(void)
{
    if (cr_device_is_available("onednn"))
        cr_set_default_device("onednn");
    load();
}

static inline void check_text(cr_module *module, const char *expected)
{
    char *text = cr_module_to_string(module);
    ck_assert_msg(text != NULL, "%s: %s", expected, cr_error());
    ck_assert_str_eq(text, expected);
    cr_free(text);
}

/* The test case for one of three ways to compute: with the default device's own kernels, without, and on "onednn". */
enum { WAYS = 3 };
static inline TCase *case_of_way(int way)
{
    static const char *const names[WAYS] = {"planned", "decomposed", "onednn"};
    static const SFun fixtures[WAYS] = {load, load_decomposed, load_onednn};
    TCase *tests = tcase_create(names[way]);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, fixtures[way], finish);
    return tests;
}

#endif
