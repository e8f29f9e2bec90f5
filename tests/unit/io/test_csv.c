/* CSV: types, missing values, categories, quotes, and files that lie. */
#include "files.h"

#include <math.h>

#include <cresset/csv.h>
#include <cresset/ops.h>

static cr_table *parse(const char *text)
{
    write_bytes(at("t.csv"), text, strlen(text));
    return cr_load_csv(at("t.csv"));
}

START_TEST(types_are_found)
{
    cr_table *t = parse("id,price,name,on\n1,2.5,ann,1\n-2,1e3,bob,0\n 30 ,-.5,ann,1\n");
    ck_assert_msg(t != NULL, "%s", cr_error());
    ck_assert_int_eq(cr_table_rows(t), 3);
    ck_assert_int_eq(cr_table_columns(t), 4);
    ck_assert_int_eq(cr_table_kind(t, 0), CR_COLUMN_INT);
    ck_assert_int_eq(cr_table_kind(t, 1), CR_COLUMN_FLOAT);
    ck_assert_int_eq(cr_table_kind(t, 2), CR_COLUMN_CATEGORY);
    ck_assert(cr_equal(cr_table_column(t, 0), cr_tensor_i64(CR_INTS(3), 1, -2, 30)));
    ck_assert(cr_equal(cr_table_column(t, 1), cr_tensor_f64(CR_INTS(3), 2.5, 1000, -0.5)));
    ck_assert(cr_equal(cr_table_column(t, 2), cr_tensor_i64(CR_INTS(3), 0, 1, 0)));
    ck_assert_str_eq(cr_table_category(t, 2, 1), "bob");
    ck_assert_int_eq(cr_table_categories(t, 2), 2);
    ck_assert_int_eq(cr_table_find(t, "name"), 2);
    ck_assert_int_eq(cr_table_find(t, "nobody"), -1);
    ck_assert(cr_equal(cr_table_tensor(t, CR_F32, CR_INTS(1, 0)),
                       cr_tensor_f32(CR_INTS(3, 2), 2.5, 1, 1000, -2, -0.5, 30)));
    ck_assert_int_eq(cr_tensor_size(cr_table_tensor(t, CR_F32, CR_EMPTY), 1), 4);
}
END_TEST

START_TEST(missing_cells_are_counted)
{
    cr_table *t = parse("a,b,c\n1,,NA\n2,x,\nNaN,null,\n4,y,nan");
    ck_assert_msg(t != NULL, "%s", cr_error());
    ck_assert_int_eq(cr_table_kind(t, 0), CR_COLUMN_FLOAT);
    ck_assert_int_eq(cr_table_missing(t, 0), 1);
    ck_assert(isnan(cr_item(cr_select(cr_table_column(t, 0), 0, 2))));
    ck_assert(cr_item(cr_select(cr_table_column(t, 0), 0, 3)) == 4);
    ck_assert(cr_equal(cr_table_column(t, 1), cr_tensor_i64(CR_INTS(4), -1, 0, -1, 1)));
    ck_assert_int_eq(cr_table_missing(t, 1), 2);
    ck_assert_int_eq(cr_table_kind(t, 2), CR_COLUMN_FLOAT);
    ck_assert_int_eq(cr_table_missing(t, 2), 4);
}
END_TEST

START_TEST(texts_may_come_late)
{
    cr_table *t = parse("a,b,c\n1,NA,1\n1,,2.5\nx,x,NA\n,1,\n1,x,01\n2,1,2.5x\n");
    ck_assert_msg(t != NULL, "%s", cr_error());
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(cr_table_kind(t, i), CR_COLUMN_CATEGORY);
    ck_assert(cr_equal(cr_table_column(t, 0), cr_tensor_i64(CR_INTS(6), 0, 0, 1, -1, 0, 2)));
    ck_assert(cr_equal(cr_table_column(t, 1), cr_tensor_i64(CR_INTS(6), -1, -1, 0, 1, 0, 1)));
    ck_assert(cr_equal(cr_table_column(t, 2), cr_tensor_i64(CR_INTS(6), 0, 1, -1, -1, 2, 3)));
    ck_assert_str_eq(cr_table_category(t, 0, 0), "1");
    ck_assert_str_eq(cr_table_category(t, 2, 2), "01");
    ck_assert_int_eq(cr_table_missing(t, 0), 1);
    ck_assert_int_eq(cr_table_missing(t, 1), 2);
    ck_assert_int_eq(cr_table_missing(t, 2), 2);
}
END_TEST

START_TEST(quotes_hold_anything)
{
    cr_table *t =
        parse("\xef\xbb\xbf\"a,1\",b\r\n\"x\ny\",\"1\"\r\n\r\n\"say \"\"hi\"\"\",2\r\n\"\",3");
    ck_assert_msg(t != NULL, "%s", cr_error());
    ck_assert_str_eq(cr_table_name(t, 0), "a,1");
    ck_assert_int_eq(cr_table_rows(t), 3);
    ck_assert_str_eq(cr_table_category(t, 0, 0), "x\ny");
    ck_assert_str_eq(cr_table_category(t, 0, 1), "say \"hi\"");
    ck_assert(cr_equal(cr_table_column(t, 1), cr_tensor_i64(CR_INTS(3), 1, 2, 3)));
}
END_TEST

START_TEST(numbers_are_read_as_strtod_reads_them)
{
    static const char *const words[] = {"0.1",
                                        "123456789.123456789",
                                        "1e-300",
                                        "9007199254740993.0",
                                        "3.14159265358979323846",
                                        "inf",
                                        "-inf",
                                        "-0.0",
                                        "1E5",
                                        ".5",
                                        "5.",
                                        "0.000001",
                                        "1e400",
                                        "99999999999999999999",
                                        "0.30000000000000004",
                                        "4.9e-324",
                                        "12345678901234567890.5"};
    enum { COUNT = sizeof words / sizeof *words };
    char text[1000] = "x\n";
    for (int i = 0; i < COUNT; i++)
        sprintf(text + strlen(text), "%s\n", words[i]);
    cr_table *t = parse(text);
    double values[COUNT];
    ck_assert_int_eq(cr_table_kind(t, 0), CR_COLUMN_FLOAT);
    ck_assert_int_eq(cr_tensor_read(cr_table_column(t, 0), values, sizeof values), 0);
    for (int i = 0; i < COUNT; i++) {
        double expected = strtod(words[i], NULL);
        ck_assert_msg(!memcmp(&values[i], &expected, sizeof expected), "%s: %.17g", words[i],
                      values[i]);
    }
    static const char *const texts[] = {"0x10", "1e", "1 2",   "--1", "1e5x",
                                        ".",    "-",  "1.2.3", "nano"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sprintf(text, "x\n%s\n", texts[i]);
        ck_assert_msg(cr_table_kind(parse(text), 0) == CR_COLUMN_CATEGORY, "%s", texts[i]);
    }
}
END_TEST

/* Every count of digits before and behind the point, anywhere in a file. */
START_TEST(plain_numbers_of_any_length_are_read)
{
    enum { MOST = 21, COUNT = 2 * MOST * MOST };
    static char text[COUNT * 50] = "x\n", digits[2 * MOST + 4];
    static double expected[COUNT], values[COUNT];
    unsigned random = 1;
    char *end = text + 2;
    int n = 0;
    for (int before = 0; before < MOST; before++)
        for (int behind = 0; behind < MOST; behind++)
            for (int sign = 0; sign < 2; sign++) {
                char *at = digits;
                if (sign)
                    *at++ = '-';
                for (int i = 0; i < before + behind + 1; i++) {
                    random = random * 1664525U + 1013904223U;
                    *at++ = i == before ? '.' : (char)('0' + (random >> 24) % 10);
                }
                *at = 0;
                if (!before && !behind)
                    strcpy(digits, sign ? "-7" : "7"); /* an integer among them */
                expected[n++] = strtod(digits, NULL);
                end += sprintf(end, "%s%s", digits, n == COUNT ? "" : n % 3 ? "\n" : "\r\n");
            }
    cr_table *t = parse(text);
    ck_assert_int_eq(cr_table_rows(t), COUNT);
    ck_assert_int_eq(cr_table_kind(t, 0), CR_COLUMN_FLOAT);
    ck_assert_int_eq(cr_tensor_read(cr_table_column(t, 0), values, sizeof values), 0);
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg(!memcmp(&values[i], &expected[i], 8), "row %d: %.17g, expected %.17g", i,
                      values[i], expected[i]);
    /* integers up to 18 digits, as integers */
    int64_t whole[36], right[36];
    end = text + 2;
    for (int i = 0; i < 36; i++) {
        right[i] = (i % 2 ? -1 : 1) * (int64_t)(123456789012345678 / pow(10, i / 2));
        end += sprintf(end, "%lld\n", (long long)right[i]);
    }
    t = parse(text);
    ck_assert_int_eq(cr_table_kind(t, 0), CR_COLUMN_INT);
    ck_assert_int_eq(cr_tensor_read(cr_table_column(t, 0), whole, sizeof whole), 0);
    ck_assert_mem_eq(whole, right, sizeof whole);
    /* separators and quotes that might be part of a number */
    memset(text, '\n', 200);
    memcpy(text, "1.5\n", 4);
    text[200] = 0;
    write_bytes(at("p.csv"), text, 200);
    t = cr_load_csv(at("p.csv"), .separator = '.', .no_header = true);
    ck_assert_int_eq(cr_table_columns(t), 2);
    memcpy(text, "1-5\n", 4);
    write_bytes(at("p.csv"), text, 200);
    t = cr_load_csv(at("p.csv"), .separator = '-', .no_header = true);
    ck_assert_int_eq(cr_table_columns(t), 2);
}
END_TEST

START_TEST(options_are_kept)
{
    write_bytes(at("o.csv"), "# a note\n1;'2;5'\n3;4\n", 21);
    cr_table *t =
        cr_load_csv(at("o.csv"), .separator = ';', .quote = '\'', .no_header = true, .skip = 1);
    ck_assert_msg(t != NULL, "%s", cr_error());
    ck_assert_str_eq(cr_table_name(t, 1), "1");
    ck_assert_int_eq(cr_table_rows(t), 2);
    ck_assert_str_eq(cr_table_category(t, 1, 0), "2;5");
    ck_assert_ptr_null(cr_load_csv(at("o.csv"), .separator = '"'));
    assert_error("can't be these");
}
END_TEST

START_TEST(bad_files_are_refused_with_their_line)
{
    static const struct {
        const char *text, *words;
    } cases[] = {{"a,b\n1,2\n3\n", "line 3: it has 1 cells, expected are 2"},
                 {"a,b\n1,2,3\n", "line 2: it has 3 cells"},
                 {"a,b\n1,\"2\n\n", "line 2: a quote is not closed"},
                 {"a\n\"x\"y\n", "line 2: text behind a closing quote"},
                 {"a,a\n1,2\n", "two columns have the name 'a'"},
                 {"", "it has no lines"},
                 {"\n\r\n\n", "it has no lines"},
                 {"a\n\"1\n2\"\n3,4\n", "line 4: it has 2 cells"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_ptr_null(parse(cases[i].text));
        assert_error(cases[i].words);
    }
    write_bytes(at("n.csv"), "a\n1\0\n", 5);
    ck_assert_ptr_null(cr_load_csv(at("n.csv")));
    assert_error("null byte");
    ck_assert_ptr_null(cr_load_csv(at("none.csv")));
    assert_error("none.csv");
    ck_assert_int_eq(cr_table_rows(parse("a,b\n")), 0);
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("csv");
    TCase *c = tcase_create("csv");
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, types_are_found);
    tcase_add_test(c, missing_cells_are_counted);
    tcase_add_test(c, texts_may_come_late);
    tcase_add_test(c, quotes_hold_anything);
    tcase_add_test(c, numbers_are_read_as_strtod_reads_them);
    tcase_add_test(c, plain_numbers_of_any_length_are_read);
    tcase_add_test(c, options_are_kept);
    tcase_add_test(c, bad_files_are_refused_with_their_line);
    suite_add_tcase(s, c);
    return run_suite(s);
}
