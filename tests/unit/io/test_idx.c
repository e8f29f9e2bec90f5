/* idx files: what they give, and what is refused. */
#include "files.h"

static const int64_t two_by_three[] = {2, 3};

START_TEST(every_dtype_is_read)
{
    static const cr_dtype dtypes[] = {CR_U8, CR_I8, CR_I16, CR_I32, CR_F32, CR_F64};
    for (size_t i = 0; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.idx", cr_dtype_name(dtypes[i]));
        assert_counts(cr_load_idx(golden(name)), dtypes[i], 2, two_by_three);
    }
}
END_TEST

START_TEST(gzipped_files_are_read)
{
    assert_counts(cr_load_idx(golden("uint8.idx.gz")), CR_U8, 2, two_by_three);
    assert_counts(cr_load_idx(golden("float32.idx.gz")), CR_F32, 2, two_by_three);
}
END_TEST

START_TEST(two_gzip_members_are_one_file)
{
    /* as cat makes of two files */
    size_t first, second;
    unsigned char *bytes = read_bytes(golden("uint8.idx.gz"), &first);
    unsigned char *again = read_bytes(golden("uint8.idx.gz"), &second);
    bytes = realloc(bytes, first + second);
    memcpy(bytes + first, again, second);
    write_bytes(at("twice.gz"), bytes, first + second);
    ck_assert_ptr_null(cr_load_idx(at("twice.gz")));
    assert_error("goes on too long"); /* so the second member was inflated */
    free(bytes);
    free(again);
}
END_TEST

static bool load(const char *path)
{
    return cr_load_idx(path) != NULL;
}

START_TEST(a_damaged_file_is_refused)
{
    try_damaged(golden("int16.idx"), at("damaged.idx"), load);
    try_damaged(golden("uint8.idx"), at("damaged.idx"), load);
    try_damaged(golden("float32.idx.gz"), at("damaged.idx"), load);
}
END_TEST

typedef struct hostile {
    const char *bytes;
    size_t count;
    const char *words;
} hostile;

#define BYTES(literal) literal, sizeof literal - 1

START_TEST(a_hostile_header_is_refused)
{
    static const hostile cases[] = {
        {"", 0, "4 bytes of magic number, here are 0"},
        {BYTES("\0\0\7\1\0\0\0\1\1"), "magic number is 00000701"},
        {BYTES("\1\0\10\1\0\0\0\1\1"), "magic number is 01000801"},
        {BYTES("\0\0\10\11"), "has 9 dimensions, at most 8"},
        {BYTES("\0\0\10\2\0\0\0\1"), "its header of 2 dimensions has 12 bytes, here are 8"},
        {BYTES("\0\0\16\4\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
         "more than memory can hold"},
        {BYTES("\0\0\10\5\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"),
         "more than memory can hold"},
        {BYTES("\0\0\10\1\xff\xff\xff\xff\1"),
         "is cut short: uint8[4294967295] needs 4294967295 bytes of elements, found 1"},
        {BYTES("\0\0\10\1\0\0\0\1\1\2"), "goes on too long"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_bytes(at("hostile.idx"), cases[i].bytes, cases[i].count);
        ck_assert_ptr_null(cr_load_idx(at("hostile.idx")));
        assert_error(cases[i].words);
    }
}
END_TEST

START_TEST(a_small_gzip_that_claims_much_is_refused_before_allocating)
{
    /* gzip of the header of uint8[4294967295], made by Python's gzip */
    static const char bytes[] =
        "\037\213\010\000\000\000\000\000\002\003\143\140\340\140\374\017\004\000\127\124\252"
        "\152\010\000\000\000";
    write_bytes(at("claims.gz"), bytes, sizeof bytes - 1);
    ck_assert_ptr_null(cr_load_idx(at("claims.gz")));
    ck_assert_ptr_nonnull(cr_error());
    ck_assert_msg(strstr(cr_error(), "can hold"), "%s", cr_error());
    cr_clear_error();
}
END_TEST

START_TEST(no_dimension_is_one_element_and_a_zero_size_none)
{
    write_bytes(at("scalar.idx"), "\0\0\10\0\x2a", 5);
    cr_tensor *scalar = cr_load_idx(at("scalar.idx"));
    ck_assert_int_eq(cr_tensor_dim(scalar), 0);
    ck_assert_int_eq(*(unsigned char *)cr_data_ptr(scalar), 42);
    write_bytes(at("none.idx"), "\0\0\15\2\0\0\0\0\0\0\0\3", 12);
    ck_assert_int_eq(cr_tensor_numel(cr_load_idx(at("none.idx"))), 0);
    assert_no_error();
}
END_TEST

START_TEST(what_is_no_file_is_said_so)
{
    ck_assert_ptr_null(cr_load_idx(at("missing")));
    assert_error("missing: can't be opened: No such file or directory");
    ck_assert_ptr_null(cr_load_idx("/dev/zero"));
    assert_error("/dev/zero: is not a regular file");
    ck_assert_ptr_null(cr_load_idx(folder));
    assert_error("is not a regular file");
    ck_assert_ptr_null(cr_load_idx(NULL));
    assert_error("null");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idx");
    TCase *all = tcase_create("idx");
    tcase_add_checked_fixture(all, make_folder, remove_folder);
    tcase_add_test(all, every_dtype_is_read);
    tcase_add_test(all, gzipped_files_are_read);
    tcase_add_test(all, two_gzip_members_are_one_file);
    tcase_add_test(all, a_damaged_file_is_refused);
    tcase_add_test(all, a_hostile_header_is_refused);
    tcase_add_test(all, a_small_gzip_that_claims_much_is_refused_before_allocating);
    tcase_add_test(all, no_dimension_is_one_element_and_a_zero_size_none);
    tcase_add_test(all, what_is_no_file_is_said_so);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
