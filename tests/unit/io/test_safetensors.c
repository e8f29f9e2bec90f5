/* safetensors: what is saved comes back bit for bit, and hostile files are refused. */
#include "files.h"

static const cr_dtype dtypes[] = {CR_F64, CR_F32, CR_F16, CR_BF16, CR_I64,
                                  CR_I32, CR_I16, CR_I8,  CR_U8,   CR_B8};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };
static const int64_t two_by_three[] = {2, 3};

/* A tensor of the scope with six elements of unlike bits, NaNs among them. */
static cr_tensor *unlike(cr_dtype dtype)
{
    unsigned char bytes[48];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = dtype == CR_B8 ? i & 1 : (unsigned char)(0xff - 37 * i);
    return cr_tensor_copy_from(bytes, dtype, 2, two_by_three, "cpu");
}

static cr_state_dict *every_dtype(void)
{
    cr_state_dict *dict = cr_state_dict_new();
    for (int i = DTYPES; i-- > 0;) /* narrow ones first, which is not how they lie in the file */
        ck_assert_int_eq(cr_state_dict_set(dict, cr_dtype_name(dtypes[i]), unlike(dtypes[i])), 0);
    return dict;
}

static void assert_same_bits(cr_tensor *a, cr_tensor *b)
{
    unsigned char x[256], y[256];
    size_t bytes = (size_t)cr_tensor_numel(a) * cr_dtype_size(cr_tensor_dtype(a));
    ck_assert_int_eq(cr_tensor_dtype(a), cr_tensor_dtype(b));
    ck_assert_int_eq(cr_tensor_numel(a), cr_tensor_numel(b));
    ck_assert_int_eq(cr_tensor_read(a, x, bytes), 0);
    ck_assert_int_eq(cr_tensor_read(b, y, bytes), 0);
    ck_assert_mem_eq(x, y, bytes);
}

START_TEST(every_dtype_comes_back_bit_for_bit_and_in_order)
{
    cr_state_dict *dict = every_dtype();
    ck_assert_int_eq(cr_save(at("all.safetensors"), dict), 0);
    cr_state_dict *loaded = cr_load(at("all.safetensors"));
    assert_no_error();
    ck_assert_uint_eq(cr_state_dict_count(loaded), DTYPES);
    for (size_t i = 0; i < DTYPES; i++) {
        ck_assert_str_eq(cr_state_dict_name(loaded, i), cr_state_dict_name(dict, i));
        assert_same_bits(cr_state_dict_tensor(loaded, i), cr_state_dict_tensor(dict, i));
        ck_assert_int_eq(cr_tensor_size(cr_state_dict_tensor(loaded, i), 1), 3);
    }
}
END_TEST

START_TEST(a_file_of_the_safetensors_package_is_read)
{
    cr_state_dict *dict = cr_load(golden("all.safetensors"));
    assert_no_error();
    for (int i = 0; i < DTYPES; i++)
        if (dtypes[i] != CR_BF16) /* NumPy has none */
            assert_counts(cr_state_dict_get(dict, cr_dtype_name(dtypes[i])), dtypes[i], 2,
                          two_by_three);
    assert_counts(cr_state_dict_get(dict, "scalar"), CR_F32, 0, NULL);
    assert_counts(cr_state_dict_get(dict, "empty"), CR_F32, 2, (int64_t[]){0, 4});
    ck_assert_uint_eq(cr_state_dict_count(cr_load(golden("none.safetensors"))), 0);
}
END_TEST

START_TEST(a_loaded_file_is_saved_to_the_same_bytes)
{
    char **metadata;
    cr_state_dict *dict = cr_load_safetensors(golden("all.safetensors"), .metadata = &metadata);
    ck_assert_ptr_nonnull(metadata);
    ck_assert_str_eq(metadata[0], "made by");
    ck_assert_str_eq(metadata[1], "safetensors \"\xc3\xa9\n\"");
    ck_assert_ptr_null(metadata[2]);
    ck_assert_int_eq(
        cr_save_safetensors(at("again"), dict, .metadata = (const char *const *)metadata), 0);
    assert_same_files(at("again"), golden("all.safetensors"));
    cr_free(metadata);
    ck_assert_int_eq(cr_save(at("ours"), every_dtype()), 0);
    ck_assert_int_eq(cr_save(at("ours again"), cr_load(at("ours"))), 0);
    assert_same_files(at("ours"), at("ours again"));
}
END_TEST

START_TEST(numbers_strings_and_lists_come_back)
{
    static const int64_t ints[] = {-1, INT64_MAX, INT64_MIN};
    static const double floats[] = {0.9, 0.999, 1e-300, -0.0};
    static const uint8_t bools[] = {1, 0};
    const cr_keyword values[] = {
        {"lr", {.tag = CR_FLOAT, .as.f = 0.1}},
        {"step", {.tag = CR_INT, .as.i = INT64_MIN}},
        {"nesterov", {.tag = CR_BOOL, .as.i = 1}},
        {"none", {.tag = CR_NONE}},
        {"name", {.tag = CR_STRING, .count = 9, .as.s = "a \"b\", \xc3\xa9"}},
        {"empty", {.tag = CR_STRING, .count = 0, .as.s = ""}},
        {"dtype", {.tag = CR_DTYPE, .as.i = CR_BF16}},
        {"params", {.tag = CR_INT_LIST, .count = 3, .as.ints = ints}},
        {"betas", {.tag = CR_FLOAT_LIST, .count = 4, .as.floats = floats}},
        {"flags", {.tag = CR_BOOL_LIST, .count = 2, .as.bools = bools}},
        {"no params", {.tag = CR_INT_LIST, .count = 0, .as.ints = ints}},
    };
    enum { COUNT = sizeof values / sizeof *values };
    cr_state_dict *dict = cr_state_dict_new();
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(cr_state_dict_set_value(dict, values[i].name, values[i].value), 0);
    cr_state_dict_set(dict, "weight", unlike(CR_F32));
    ck_assert_int_eq(cr_save(at("values"), dict), 0);
    cr_state_dict *loaded = cr_load(at("values"));
    assert_no_error();
    ck_assert_uint_eq(cr_state_dict_count(loaded), COUNT + 1);
    for (int i = 0; i < COUNT; i++) {
        const cr_value *v = cr_state_dict_value(loaded, values[i].name), *w = &values[i].value;
        ck_assert_msg(v && v->tag == w->tag, "%s", values[i].name);
        ck_assert_int_eq(v->count, w->count);
        if (w->tag == CR_STRING)
            ck_assert_mem_eq(v->as.s, w->as.s, (size_t)w->count);
        else if (w->count)
            ck_assert_mem_eq(v->as.ints, w->as.ints,
                             (size_t)w->count * (w->tag == CR_BOOL_LIST ? 1 : 8));
        else if (w->tag != CR_INT_LIST)
            ck_assert_int_eq(v->as.i, w->as.i);
    }
}
END_TEST

START_TEST(names_may_hold_anything_but_nulls)
{
    static const char *const names[] = {"", "a.b", "\"\\/\b\f\n\r\t\x01\x1f\x7f",
                                        "\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\xa5", "dtype"};
    cr_state_dict *dict = cr_state_dict_new();
    for (int i = 0; i < 5; i++)
        cr_state_dict_set(dict, names[i], unlike(CR_U8));
    ck_assert_int_eq(cr_save(at("names"), dict), 0);
    cr_state_dict *loaded = cr_load(at("names"));
    assert_no_error();
    for (size_t i = 0; i < 5; i++)
        ck_assert_str_eq(cr_state_dict_name(loaded, i), names[i]);
    cr_state_dict_set(dict, "\xff", unlike(CR_U8));
    ck_assert_int_ne(cr_save(at("names"), dict), 0);
    assert_error("not UTF-8");
    ck_assert_uint_eq(cr_state_dict_count(cr_load(at("names"))), 5);
}
END_TEST

START_TEST(a_strided_tensor_is_saved_dense)
{
    static int32_t numbers[] = {0, 1, 2, 3, 4, 5};
    static const int64_t sizes[] = {3, 2}, strides[] = {1, 3};
    cr_state_dict *dict = cr_state_dict_new();
    cr_state_dict_set(dict, "t", cr_tensor_from_memory(numbers, 24, CR_I32, 2, sizes, strides, 0));
    ck_assert_int_eq(cr_save(at("strided"), dict), 0);
    int32_t read[6];
    cr_tensor *loaded = cr_state_dict_get(cr_load(at("strided")), "t");
    ck_assert_int_eq(cr_tensor_read(loaded, read, 24), 0);
    static const int32_t expected[] = {0, 3, 1, 4, 2, 5};
    ck_assert_mem_eq(read, expected, 24);
}
END_TEST

START_TEST(writing_to_a_loaded_tensor_leaves_the_file)
{
    cr_save(at("private"), every_dtype());
    cr_tensor *tensor = cr_state_dict_get(cr_load(at("private")), "float64");
    memset(cr_data_ptr(tensor), 0, 48);
    cr_tensor *again = cr_state_dict_get(cr_load(at("private")), "float64");
    assert_same_bits(again, unlike(CR_F64));
}
END_TEST

START_TEST(a_loaded_tensor_outlives_its_dict_and_its_file)
{
    cr_save(at("gone"), every_dtype());
    cr_tensor *tensor;
    CR_SCOPE
        tensor = cr_retain(cr_state_dict_get(cr_load(at("gone")), "int64"));
    unlink(at("gone"));
    assert_same_bits(tensor, unlike(CR_I64));
    cr_release(tensor);
}
END_TEST

static bool load(const char *path)
{
    return cr_load(path) != NULL;
}

START_TEST(a_damaged_file_is_refused)
{
    try_damaged(golden("all.safetensors"), at("damaged"), load);
    try_damaged(golden("none.safetensors"), at("damaged"), load);
}
END_TEST

/* ---- hostile headers ---- */

static void write_header(const char *json, size_t data)
{
    unsigned char bytes[4096] = {0};
    size_t length = strlen(json);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(bytes + 8, json, length);
    write_bytes(at("hostile"), bytes, 8 + length + data);
}

#define T(dtype, shape, begin, end) \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

START_TEST(a_hostile_header_is_refused)
{
    static const struct {
        const char *json;
        size_t data;
        const char *words;
    } cases[] = {
        {"", 0, "does not begin with '{'"},
        {" {}", 0, "does not begin with '{'"},
        {"[]", 0, "does not begin with '{'"},
        {"{", 0, "no valid JSON"},
        {"{} {}", 0, "goes on behind its JSON"},
        {"{}", 1, "its tensors end at byte 0 of the data, the file has 1"},
        {"{\"a\":1}", 0, "'a' is not described by an object"},
        {"{\"a\":{}}", 0, "'a' has no member 'dtype'"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0, "'a' has twice the member 'dtype'"},
        {"{\"a\":{\"x\":1}}", 0, "unknown member 'x'"},
        {"{\"a\":" T("F8", "[1]", "0", "1") "}", 1, "'a' is of the dtype 'F8'"},
        {"{\"a\":" T("U8", "3", "0", "3") "}", 3, "the shape of 'a' is no array"},
        {"{\"a\":" T("U8", "[-1]", "0", "1") "}", 1, "something else than whole numbers"},
        {"{\"a\":" T("U8", "[1.5]", "0", "1") "}", 1, "something else than whole numbers"},
        {"{\"a\":" T("U8", "[1e30]", "0", "1") "}", 1, "something else than whole numbers"},
        {"{\"a\":" T("U8", "[\"1\"]", "0", "1") "}", 1, "something else than whole numbers"},
        {"{\"a\":" T("U8", "[1,1,1,1,1,1,1,1,1]", "0", "1") "}", 1, "more than 8 dimensions"},
        {"{\"a\":" T("F32", "[4294967296,4294967296]", "0", "0") "}", 0, "overflows"},
        {"{\"a\":" T("F32", "[0,9007199254740992,9007199254740992]", "0", "0") "}", 0, "overflows"},
        {"{\"a\":" T("U8", "[2]", "0", "1") "}", 1, "needs 2 bytes for its dtype and shape"},
        {"{\"a\":" T("U8", "[2]", "0", "2") "}", 1, "lies at bytes 0 to 2, but the data has 1"},
        {"{\"a\":" T("U8", "[2]", "2", "0") "}", 2, "lies at bytes 2 to 0"},
        {"{\"a\":" T("U8", "[2]", "-2", "0") "}", 2, "not two whole numbers"},
        {"{\"a\":" T("U8", "[1]", "18446744073709551615", "0") "}", 1, "not two whole numbers"},
        {"{\"a\":" T("U8", "[2]", "1", "3") "}", 3, "no tensor holds the bytes from 0 to 1"},
        {"{\"a\":" T("U8", "[2]", "0", "2") ",\"b\":" T("U8", "[2]", "1", "3") "}", 3, "overlap"},
        {"{\"a\":" T("U8", "[1]", "0", "1") ",\"b\":" T("U8", "[1]", "2", "3") "}", 3,
         "no tensor holds the bytes from 1 to 2"},
        {"{\"a\":" T("U8", "[1]", "0", "1") ",\"a\":" T("U8", "[1]", "1", "2") "}", 2,
         "has 'a' twice"},
        {"{\"a\":" T("U8", "[1]", "0", "1") ",\"\\u0061\":" T("U8", "[1]", "1", "2") "}", 2,
         "has 'a' twice"},
        {"{\"a\\u0000b\":" T("U8", "[1]", "0", "1") "}", 1, "null character"},
        {"{\"a\xff\":" T("U8", "[1]", "0", "1") "}", 1, "not UTF-8"},
        {"{\"__metadata__\":1}", 0, "__metadata__ is no object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "metadata 'a' is no string"},
        {"{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "metadata has 'a' twice"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "has '__metadata__' twice"},
        {"{\"__metadata__\":{\"cresset/a\":\"int x\"}}", 0, "'int x' is no value"},
        {"{\"__metadata__\":{\"cresset/a\":\"ints 1,,2\"}}", 0, "is no value"},
        {"{\"__metadata__\":{\"cresset/a\":\"int 99999999999999999999\"}}", 0, "is no value"},
        {"{\"__metadata__\":{\"cresset/a\":\"tensor 1\"}}", 0, "is no value"},
        {"{\"__metadata__\":{\"cresset/a\":\"int 1\"},\"a\":" T("U8", "[1]", "0", "1") "}", 1,
         "'a' is both a tensor and a value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_header(cases[i].json, cases[i].data);
        ck_assert_msg(!cr_load(at("hostile")), "loads: %s", cases[i].json);
        assert_error(cases[i].words);
    }
}
END_TEST

START_TEST(a_length_beyond_the_file_is_refused)
{
    write_bytes(at("hostile"), "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    ck_assert_ptr_null(cr_load(at("hostile")));
    assert_error("its header should have 18446744073709551615 bytes, but the file ends before");
    write_bytes(at("hostile"), "\0\0\0", 3);
    ck_assert_ptr_null(cr_load(at("hostile")));
    assert_error("begins with the 8 bytes of its header's length, here are 3");
}
END_TEST

START_TEST(json_nested_too_deep_is_refused)
{
    enum { DEEP = 100000 };
    unsigned char *bytes = malloc(8 + DEEP);
    memset(bytes, '[', 8 + DEEP);
    memcpy(bytes, "\xa0\x86\x01\0\0\0\0\0{\"a\":", 13);
    write_bytes(at("deep"), bytes, 8 + DEEP);
    free(bytes);
    ck_assert_ptr_null(cr_load(at("deep")));
    assert_error("no valid JSON");
}
END_TEST

START_TEST(a_bool_that_is_neither_is_refused)
{
    cr_state_dict *dict = cr_state_dict_new();
    static unsigned char two = 2;
    static const int64_t one[] = {1};
    cr_state_dict_set(dict, "b", cr_tensor_from_memory(&two, 1, CR_B8, 1, one, NULL, 0));
    ck_assert_int_eq(cr_save(at("bool"), dict), 0);
    ck_assert_ptr_null(cr_load(at("bool")));
    assert_error("'b' is of dtype BOOL but has bytes other than 0 and 1");
}
END_TEST

START_TEST(what_cannot_be_saved_is_refused)
{
    cr_state_dict *dict = cr_state_dict_new();
    cr_state_dict_set(dict, "__metadata__", unlike(CR_U8));
    ck_assert_int_ne(cr_save(at("x"), dict), 0);
    assert_error("can't be named '__metadata__'");
    dict = cr_state_dict_new();
    ck_assert_int_ne(
        cr_save_safetensors(at("x"), dict, .metadata = (const char *const[]){"a", NULL}), 0);
    assert_error("'a' has no value");
    static const char *const twice[] = {"a", "1", "a", "2", NULL};
    ck_assert_int_ne(cr_save_safetensors(at("x"), dict, .metadata = twice), 0);
    assert_error("'a' is there twice");
    static const char *const taken[] = {"cresset/a", "1", NULL};
    ck_assert_int_ne(cr_save_safetensors(at("x"), dict, .metadata = taken), 0);
    assert_error("are taken");
    ck_assert_int_ne(cr_save(at("x"), NULL), 0);
    assert_error("the dict is null");
    ck_assert_int_ne(access(at("x"), F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *all = tcase_create("safetensors");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, make_folder, remove_folder);
    tcase_add_test(all, every_dtype_comes_back_bit_for_bit_and_in_order);
    tcase_add_test(all, a_file_of_the_safetensors_package_is_read);
    tcase_add_test(all, a_loaded_file_is_saved_to_the_same_bytes);
    tcase_add_test(all, numbers_strings_and_lists_come_back);
    tcase_add_test(all, names_may_hold_anything_but_nulls);
    tcase_add_test(all, a_strided_tensor_is_saved_dense);
    tcase_add_test(all, writing_to_a_loaded_tensor_leaves_the_file);
    tcase_add_test(all, a_loaded_tensor_outlives_its_dict_and_its_file);
    tcase_add_test(all, a_damaged_file_is_refused);
    tcase_add_test(all, a_hostile_header_is_refused);
    tcase_add_test(all, a_length_beyond_the_file_is_refused);
    tcase_add_test(all, json_nested_too_deep_is_refused);
    tcase_add_test(all, a_bool_that_is_neither_is_refused);
    tcase_add_test(all, what_cannot_be_saved_is_refused);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
