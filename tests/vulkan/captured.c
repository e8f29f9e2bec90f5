/* See captured.h. */
#include "captured.h"

#include "first_device.h"
#include "loader.h"

#include <math.h>
#include <unistd.h>

const char *device;
static char folder[] = "/tmp/cresset-captured-XXXXXX";
int texels_bound, texels_replayed;
static int modules, dispatches;

INSTEAD VkResult vkCreateShaderModule(VkDevice handle, const VkShaderModuleCreateInfo *info,
                                      const VkAllocationCallbacks *callbacks,
                                      VkShaderModule *module)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%d.spv", folder, modules++);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(info->pCode, 1, info->codeSize, file) != info->codeSize || fclose(file))
        fprintf(stderr, "%s can't be written\n", path);
    return CALL_REAL(vkCreateShaderModule, handle, info, callbacks, module);
}

INSTEAD void vkCmdDispatch(VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z)
{
    dispatches++;
    CALL_REAL(vkCmdDispatch, commands, x, y, z);
}

/* Set 1 is the texels' where there are any. */
INSTEAD void vkCmdBindDescriptorSets(VkCommandBuffer commands, VkPipelineBindPoint point,
                                     VkPipelineLayout layout, uint32_t first, uint32_t count,
                                     const VkDescriptorSet *sets, uint32_t noffsets,
                                     const uint32_t *offsets)
{
    texels_bound += first == 1;
    CALL_REAL(vkCmdBindDescriptorSets, commands, point, layout, first, count, sets, noffsets,
              offsets);
}

void no_error(const char *what)
{
    ck_assert_msg(!cr_error(), "%s: %s", what, cr_error());
}

/* ---- comparing ---- */

static bool is_nan(const char *at, cr_dtype dtype)
{
    uint16_t h;
    float f;
    double d;
    switch (dtype) {
    case CR_F16: return memcpy(&h, at, 2), (h & 0x7fff) > 0x7c00;
    case CR_BF16: return memcpy(&h, at, 2), (h & 0x7fff) > 0x7f80;
    case CR_F32: return memcpy(&f, at, 4), isnan(f);
    case CR_F64: return memcpy(&d, at, 8), isnan(d);
    default: return false;
    }
}

void assert_same(const char *what, cr_tensor *a, cr_tensor *b)
{
    ck_assert_msg(a && b, "%s: %s", what, cr_error());
    cr_dtype dtype = cr_tensor_dtype(a);
    ck_assert_int_eq(dtype, cr_tensor_dtype(b));
    ck_assert_int_eq(cr_tensor_numel(a), cr_tensor_numel(b));
    size_t n = (size_t)cr_tensor_numel(a), size = cr_dtype_size(dtype);
    char *x = malloc(n * size + 1), *y = malloc(n * size + 1);
    ck_assert(x && y && !cr_tensor_read(a, x, n * size) && !cr_tensor_read(b, y, n * size));
    for (size_t i = 0; i < n; i++)
        if (memcmp(x + i * size, y + i * size, size) &&
            !(is_nan(x + i * size, dtype) && is_nan(y + i * size, dtype))) {
            double u =
                cr_item(cr_to_dtype(cr_select(cr_reshape(a, CR_INTS(-1)), 0, (int64_t)i), CR_F64));
            double v =
                cr_item(cr_to_dtype(cr_select(cr_reshape(b, CR_INTS(-1)), 0, (int64_t)i), CR_F64));
            ck_abort_msg("%s: element %zu of %zu (%s) is %.17g, eagerly %.17g", what, i, n,
                         cr_dtype_name(dtype), u, v);
        }
    free(x);
    free(y);
}

cr_compile_stats agree(const char *what, cr_compiled_function f, void *context,
                       cr_tensor *const *in, size_t nin, int *replayed)
{
    cr_compile_stats s = {0};
    CR_NO_GRAD
        CR_SCOPE {
            cr_compiled *c = cr_compile_function(f, context, NULL);
            cr_tensor *out[8], *right[8];
            size_t n = f(context, in, nin, right);
            ck_assert_msg(n, "%s: %s", what, cr_error());
            for (int k = 0; k < 4; k++) {
                int before = dispatches, bound = texels_bound;
                ck_assert_msg(!cr_compiled_call_many(c, in, nin, out, n), "%s: %s", what,
                              cr_error());
                *replayed = dispatches - before;
                texels_replayed = texels_bound - bound;
                for (size_t i = 0; i < n; i++)
                    assert_same(what, out[i], right[i]);
            }
            ck_assert_msg(!cr_compile_reason(c), "%s: %s", what, cr_compile_reason(c));
            ck_assert(!cr_compile_get_stats(c, &s));
        }
    no_error(what);
    return s;
}

/* ---- operations by name ---- */

cr_tensor *apply(const operation *o, cr_tensor *const *tensors, const double *numbers, bool whole)
{
    char name[48];
    cr_value args[4], out = {0};
    cr_keyword keyword = {"approximate", {.tag = CR_STRING}};
    size_t n = 0, t = 0, m = 0;
    snprintf(name, sizeof name, "%s", o->name);
    char *colon = strchr(name, ':');
    if (colon) {
        *colon = 0;
        keyword.value.as.s = colon + 1;
        keyword.value.count = (int64_t)strlen(colon + 1);
        keyword.name = strstr(name, "mode") ? "rounding_mode" : "approximate";
    }
    for (const char *a = o->args; *a; a++, n++) {
        if (*a != 'n')
            args[n] = (cr_value){.tag = CR_TENSOR, .as.tensor = tensors[t++]};
        else if (whole)
            args[n] = (cr_value){.tag = CR_INT, .as.i = (int64_t)(4 * numbers[m++])};
        else
            args[n] = (cr_value){.tag = CR_FLOAT, .as.f = numbers[m++]};
    }
    size_t nouts = 0;
    return cr_call(name, args, n, &keyword, colon != NULL, &out, 1, &nouts) ? NULL : out.as.tensor;
}

/* ---- values ---- */

static uint64_t state;

void seed_with(uint64_t seed)
{
    state = seed;
}

uint32_t draw(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

int kind_of(cr_dtype dtype)
{
    return dtype == CR_B8 ? BOOLS : dtype >= CR_I64 ? WHOLES : FLOATS;
}

cr_tensor *values(cr_dtype dtype, int64_t n)
{
    static const float special[] = {0,      -0.0f,    1,         -1,  0.5f, 3e38f, -1e-30f,
                                    1e-41f, INFINITY, -INFINITY, NAN, 7,    -3};
    float *x = malloc((size_t)n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    bool real = kind_of(dtype) == FLOATS;
    for (int64_t i = 0; i < n; i++)
        x[i] = !real          ? (float)((int)draw(300) - 150) * (draw(4) ? 1 : 0.02f)
               : draw(5) == 0 ? special[draw(sizeof special / sizeof *special)]
                              : ((float)draw(20000) - 10000) / (draw(3) ? 3000.0f : 100.0f);
    const int64_t step = 1;
    cr_tensor *borrowed = cr_tensor_from_memory(x, (size_t)n * sizeof *x, CR_F32, 1, &n, &step, 0);
    cr_tensor *t = cr_to_dtype(cr_tensor_to(cr_clone(borrowed), device), dtype);
    cr_synchronize(NULL);
    free(x);
    return t;
}

cr_tensor *operand(cr_dtype dtype, const int64_t *sizes, bool whole)
{
    int64_t own[3], n = 1;
    for (int d = 0; d < 3; d++)
        n *= own[d] = !whole && draw(3) == 0 ? 1 : sizes[d];
    switch (draw(4)) {
    case 0: /* transposed */
        return cr_transpose(cr_reshape(values(dtype, n), CR_INTS(own[2], own[1], own[0])), 0, 2);
    case 1: /* rows with something between */
        return cr_narrow(cr_reshape(values(dtype, own[0] * own[1] * (own[2] + 3)),
                                    CR_INTS(own[0], own[1], own[2] + 3)),
                         2, 2, own[2]);
    case 2:
        if (!whole) /* one row */
            return values(dtype, own[2]);
        /* fall through */
    default: return cr_reshape(values(dtype, n), CR_INTS(own[0], own[1], own[2]));
    }
}

/* ---- the shaders ---- */

START_TEST(every_shader_is_valid)
{
    char command[256];
    ck_assert_int_ge(modules, captured_modules);
    for (int i = 0; *SPIRV_VAL && i < modules; i++) {
        snprintf(command, sizeof command,
                 "'%s' --target-env vulkan1.2 --uniform-buffer-standard-layout %s/%d.spv",
                 SPIRV_VAL, folder, i);
        ck_assert_msg(!system(command), "%s", command);
    }
    if (!*SPIRV_VAL)
        fprintf(
            stderr,
            "no spirv-val on this machine (Debian: spirv-tools): the shaders were not validated\n");
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert(!system(command));
}
END_TEST

int main(void)
{
    int status;
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    if (!(device = first_device(&status)))
        return status;
    Suite *suite = suite_create(captured_name);
    TCase *tests = tcase_create(captured_name);
    tcase_set_timeout(tests, 280);
    captured_tests(tests);
    tcase_add_test(tests, every_shader_is_valid);
    suite_add_tcase(suite, tests);
    int failed = run_here(suite);
    cr_clear_error();
    return cr_exit() || failed ? EXIT_FAILURE : EXIT_SUCCESS;
}