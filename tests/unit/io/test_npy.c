/* .npy and .npz: NumPy's files are read, ours are NumPy's, and hostile ones are refused. */
#include "files.h"

static const cr_dtype dtypes[] = {CR_F64, CR_F32, CR_F16, CR_I64, CR_I32,
                                  CR_I16, CR_I8,  CR_U8,  CR_B8};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };
static const int64_t two_by_three[] = {2, 3};

START_TEST(every_dtype_is_read_and_written_as_numpy_does)
{
    for (int i = 0; i < DTYPES; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.npy", cr_dtype_name(dtypes[i]));
        cr_tensor *tensor = cr_load_npy(golden(name));
        assert_counts(tensor, dtypes[i], 2, two_by_three);
        ck_assert_int_eq(cr_save_npy(at(name), tensor), 0);
        assert_same_files(at(name), golden(name));
    }
}
END_TEST

START_TEST(every_shape_is_read_and_written_as_numpy_does)
{
    static const struct {
        const char *name;
        int dim;
        int64_t sizes[2];
    } cases[] = {{"scalar.npy", 0, {0}}, {"vector.npy", 1, {5}}, {"empty.npy", 2, {0, 4}}};
    for (int i = 0; i < 3; i++) {
        cr_tensor *tensor = cr_load_npy(golden(cases[i].name));
        assert_counts(tensor, CR_F32, cases[i].dim, cases[i].sizes);
        ck_assert_int_eq(cr_save_npy(at(cases[i].name), tensor), 0);
        assert_same_files(at(cases[i].name), golden(cases[i].name));
    }
}
END_TEST

START_TEST(fortran_order_becomes_strides)
{
    cr_tensor *tensor = cr_load_npy(golden("fortran.npy"));
    assert_counts(tensor, CR_F32, 3, (int64_t[]){2, 3, 4});
    ck_assert_int_eq(cr_tensor_stride(tensor, 0), 1);
    ck_assert_int_eq(cr_tensor_stride(tensor, 1), 2);
    ck_assert_int_eq(cr_tensor_stride(tensor, 2), 6);
}
END_TEST

START_TEST(other_byte_orders_and_versions_are_read)
{
    assert_counts(cr_load_npy(golden("big_endian.npy")), CR_F32, 2, two_by_three);
    assert_counts(cr_load_npy(golden("version2.npy")), CR_I32, 2, two_by_three);
}
END_TEST

START_TEST(objects_are_never_loaded)
{
    ck_assert_ptr_null(cr_load_npy(golden("object.npy")));
    assert_error("is of the dtype '|O'");
}
END_TEST

START_TEST(bfloat16_is_no_dtype_of_numpy)
{
    static const uint16_t bits = 0;
    cr_tensor *tensor = cr_tensor_copy_from(&bits, CR_BF16, 0, NULL, "cpu");
    ck_assert_int_ne(cr_save_npy(at("x.npy"), tensor), 0);
    assert_error("NumPy has no bfloat16");
}
END_TEST

/* ---- hostile headers ---- */

START_TEST(a_hostile_header_is_refused)
{
#define S(shape) "{'descr': '|u1', 'fortran_order': False, 'shape': " shape "}"
    static const struct {
        const char *header;
        size_t data;
        const char *words; /* null: loads */
    } cases[] = {
        {S("(2,)"), 2, NULL},
        {S("( 1 , 2 , )"), 2, NULL},
        {S("(2L,)"), 2, NULL},
        {"{\"shape\":(),\"fortran_order\":True,\"descr\":\"|u1\",} \n", 1, NULL},
        {S("(2,)"), 1, "is cut short: its shape and dtype ask for 2 bytes, here are 1"},
        {S("(2,)"), 3, "goes on too long"},
        {S("(2)"), 2, "expected a comma"},
        {S("(,)"), 1, "expected a size"},
        {S("(-2,)"), 2, "expected a size"},
        {S("(2 2)"), 4, "expected a size"},
        {S("(2"), 2, "expected a size"},
        {S("[2]"), 2, "expected the shape"},
        {S("(9223372036854775807,)"), 2, "overflows"},
        {S("(4294967296,4294967296)"), 2, "more than memory can hold"},
        {S("(0,4294967296,4294967296)"), 0, "more than memory can hold"},
        {S("(1,1,1,1,1,1,1,1,1)"), 1, "more than 8 dimensions"},
        {S("(2,)") " x", 2, "expected the end of the header"},
        {"", 0, "expected '{'"},
        {"{", 0, "expected a string"},
        {"{}", 0, "has no key 'descr'"},
        {"{'descr': '|u1', 'descr': '|u1'}", 0, "the repeated key 'descr'"},
        {"{'other': 1}", 0, "the unknown key 'other'"},
        {"{'a key that is far too long': 1}", 0, "expected a short string"},
        {"{'descr' '|u1'}", 0, "expected ':'"},
        {"{'descr': '|u1' 'shape': ()}", 0, "expected a comma"},
        {"{'descr': [('a', '|u1')]}", 0, "structured dtype"},
        {"{'descr': '<u2'}", 0, "is of the dtype '<u2'"},
        {"{'descr': '?f4'}", 0, "is of the dtype '?f4'"},
        {"{'descr': '|f4'}", 0, "is of the dtype '|f4'"},
        {"{'descr': ''}", 0, "is of the dtype ''"},
        {"{'descr': '|u1', 'fortran_order': 0}", 0, "expected True or False"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[1024] = "\x93NUMPY\1\0";
        size_t length = strlen(cases[i].header);
        bytes[8] = (unsigned char)length;
        memcpy(bytes + 10, cases[i].header, length);
        write_bytes(at("hostile.npy"), bytes, 10 + length + cases[i].data);
        cr_tensor *tensor = cr_load_npy(at("hostile.npy"));
        ck_assert_msg(!tensor == !!cases[i].words, "%s: %s", cases[i].header, cr_error());
        if (cases[i].words)
            assert_error(cases[i].words);
    }
}
END_TEST

static bool load_npy(const char *path)
{
    return cr_load_npy(path) != NULL;
}

static bool load_npz(const char *path)
{
    return cr_load_npz(path) != NULL;
}

START_TEST(a_damaged_file_is_refused)
{
    try_damaged(golden("int16.npy"), at("damaged"), load_npy);
    try_damaged(golden("fortran.npy"), at("damaged"), load_npy);
    try_damaged(golden("version2.npy"), at("damaged"), load_npy);
    try_damaged(golden("stored.npz"), at("damaged"), load_npz);
    try_damaged(golden("deflated.npz"), at("damaged"), load_npz);
}
END_TEST

/* ---- npz ---- */

static void assert_all(cr_state_dict *dict)
{
    assert_no_error();
    ck_assert_uint_eq(cr_state_dict_count(dict), DTYPES);
    for (int i = 0; i < DTYPES; i++)
        assert_counts(cr_state_dict_get(dict, cr_dtype_name(dtypes[i])), dtypes[i], 2,
                      two_by_three);
}

START_TEST(npz_files_of_numpy_are_read)
{
    assert_all(cr_load_npz(golden("stored.npz")));
    assert_all(cr_load_npz(golden("deflated.npz")));
}
END_TEST

START_TEST(npz_files_come_back)
{
    cr_state_dict *dict = cr_load_npz(golden("stored.npz"));
    ck_assert_int_eq(cr_save_npz(at("stored.npz"), dict), 0);
    ck_assert_int_eq(cr_save_npz(at("deflated.npz"), dict, .compressed = true), 0);
    assert_all(cr_load_npz(at("stored.npz")));
    assert_all(cr_load_npz(at("deflated.npz")));
    ck_assert_int_eq(cr_save_npz(at("none.npz"), cr_state_dict_new()), 0);
    ck_assert_uint_eq(cr_state_dict_count(cr_load_npz(at("none.npz"))), 0);
    assert_no_error();
}
END_TEST

START_TEST(stored_members_are_aligned_for_mapping)
{
    cr_save_npz(at("stored.npz"), cr_load_npz(golden("deflated.npz")));
    cr_state_dict *dict = cr_load_npz(at("stored.npz"));
    for (size_t i = 0; i < cr_state_dict_count(dict); i++)
        ck_assert_uint_eq((uintptr_t)cr_data_ptr(cr_state_dict_tensor(dict, i)) % 64, 0);
}
END_TEST

START_TEST(a_large_array_deflates_and_comes_back)
{
    enum { COUNT = 1 << 20 };
    static int32_t numbers[COUNT];
    static const int64_t sizes[] = {COUNT};
    for (int i = 0; i < COUNT; i++)
        numbers[i] = (int32_t)((uint32_t)i * ((uint32_t)i >> 7) ^ (uint32_t)i << 11);
    cr_state_dict *dict = cr_state_dict_new();
    cr_tensor *tensor = cr_tensor_from_memory(numbers, sizeof numbers, CR_I32, 1, sizes, NULL, 0);
    cr_state_dict_set(dict, "a", tensor);
    ck_assert_int_eq(cr_save_npz(at("large.npz"), dict, .compressed = true), 0);
    cr_tensor *loaded = cr_state_dict_get(cr_load_npz(at("large.npz")), "a");
    assert_no_error();
    ck_assert_mem_eq(cr_data_ptr(loaded), numbers, sizeof numbers);
}
END_TEST

START_TEST(npz_holds_tensors_only)
{
    cr_state_dict *dict = cr_state_dict_new();
    cr_state_dict_set_value(dict, "lr", (cr_value){.tag = CR_FLOAT, .as.f = 1});
    ck_assert_int_ne(cr_save_npz(at("x.npz"), dict), 0);
    assert_error("'lr' is no tensor");
    dict = cr_state_dict_new();
    static const float zero = 0;
    cr_state_dict_set(dict, "", cr_tensor_copy_from(&zero, CR_F32, 0, NULL, "cpu"));
    ck_assert_int_ne(cr_save_npz(at("x.npz"), dict), 0);
    assert_error("too short");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("npy");
    TCase *all = tcase_create("npy");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, make_folder, remove_folder);
    tcase_add_test(all, every_dtype_is_read_and_written_as_numpy_does);
    tcase_add_test(all, every_shape_is_read_and_written_as_numpy_does);
    tcase_add_test(all, fortran_order_becomes_strides);
    tcase_add_test(all, other_byte_orders_and_versions_are_read);
    tcase_add_test(all, objects_are_never_loaded);
    tcase_add_test(all, bfloat16_is_no_dtype_of_numpy);
    tcase_add_test(all, a_hostile_header_is_refused);
    tcase_add_test(all, a_damaged_file_is_refused);
    tcase_add_test(all, npz_files_of_numpy_are_read);
    tcase_add_test(all, npz_files_come_back);
    tcase_add_test(all, stored_members_are_aligned_for_mapping);
    tcase_add_test(all, a_large_array_deflates_and_comes_back);
    tcase_add_test(all, npz_holds_tensors_only);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
