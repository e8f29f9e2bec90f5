/* What the loader refuses, and in which words. The plugins are bad_plugin.c with one mistake each. */
#define _GNU_SOURCE
#include <check.h>
#include <cresset/cresset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[256];

static void make_folder(void)
{
    strcpy(folder, "/tmp/cresset-loader-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    cr_clear_error();
}

/* The path of a name in the test's folder. */
static const char *at(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char block[4096];
    size_t n;
    ck_assert_msg(in && out, "%s to %s", from, to);
    while ((n = fread(block, 1, sizeof block, in)) > 0)
        ck_assert_uint_eq(fwrite(block, 1, n, out), n);
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
}

static void write_text(const char *name, const void *bytes, size_t size)
{
    FILE *out = fopen(at(name), "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, size, out), size);
    ck_assert_int_eq(fclose(out), 0);
}

static void refused(const char *file, const char *words)
{
    ck_assert_ptr_null(cr_backend_load(file));
    ck_assert_msg(cr_error() && strstr(cr_error(), words), "%s is refused with \"%s\", not \"%s\"",
                  file, cr_error(), words);
    cr_clear_error();
}

static const char *plugin(const char *mistake)
{
    static char name[256];
    snprintf(name, sizeof name, "%s/bad_%s.so", getenv("CRESSET_BAD_PLUGINS"), mistake);
    return name;
}

START_TEST(plugins_with_a_mistake_are_refused_by_name)
{
    refused(plugin("entry_null"), "its entry returned null without a reason");
    refused(plugin("entry_reason"), "this machine has no such accelerator");
    refused(plugin("other_major"), "ABI 2.");
    refused(plugin("small_table"), "its table has 64 bytes");
    refused(plugin("no_run"), "lacks the function run");
    refused(plugin("odd_name"), "its name is not made of");
    refused(plugin("no_count"), "the bus is on fire");
    refused(plugin("negative_count"), "it says that it has -3 devices");
    refused(plugin("huge_count"), "it says that it has 1025 devices");
    refused(plugin("no_table_entry"), "does not export cresset_backend_entry");
}
END_TEST

START_TEST(every_required_function_is_missed_by_its_name)
{
    static const char *const functions[] = {
        "device_count", "device_info", "device_open", "device_close", "alloc",    "free",
        "copy_in",      "copy_out",    "plan",        "run",          "plan_free"};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        char name[64], words[64];
        snprintf(name, sizeof name, "libcresset_%s.so", functions[i]);
        snprintf(words, sizeof words, "its table lacks the function %s", functions[i]);
        copy_file(plugin("good"), at(name));
        setenv("BAD_PLUGIN_LACKS", functions[i], 1);
        refused(at(name), words);
    }
}
END_TEST

START_TEST(paths_in_the_environment_are_absolute)
{
    setenv("CRESSET_BACKEND", "./libcresset_cpu.so,../cpu,..,a/b", 1);
    ck_assert_ptr_null(cr_default_device());
    ck_assert_msg(strstr(cr_error(), "./libcresset_cpu.so: a path has to be absolute") &&
                      strstr(cr_error(), "../cpu: a path has to be absolute") &&
                      strstr(cr_error(), "a/b: a path has to be absolute"),
                  "%s", cr_error());
}
END_TEST

START_TEST(odd_folders_are_passed_over)
{
    char list[300];
    ck_assert_int_eq(symlink("round", at("round")), 0);
    snprintf(list, sizeof list, "relative:%s/round:%s/none:%s", folder, folder,
             getenv("CRESSET_BACKEND_PATH"));
    setenv("CRESSET_BACKEND_PATH", list, 1);
    ck_assert_ptr_nonnull(cr_default_device());
    ck_assert(cr_device_is_available("cpu"));
}
END_TEST

START_TEST(a_device_that_does_not_open_leaves_the_place_to_the_next)
{
    char list[300];
    snprintf(list, sizeof list, "%s,cpu", plugin("open_fails"));
    setenv("CRESSET_BACKEND", list, 1);
    ck_assert_ptr_nonnull(cr_default_device());
    ck_assert_str_eq(cr_default_device(), "cpu");
    ck_assert_ptr_null(cr_error());
}
END_TEST

START_TEST(a_name_that_is_taken_is_refused)
{
    ck_assert_ptr_nonnull(cr_default_device());
    refused(plugin("named_cpu"), "a backend named \"cpu\" was loaded before");
}
END_TEST

START_TEST(files_that_are_no_plugins_are_refused)
{
    write_text("libcresset_text.so", "not a library", 13);
    refused(at("libcresset_text.so"), "libcresset_text.so");
    refused(at("libcresset_gone.so"), "No such file");
    ck_assert_int_eq(mkdir(at("libcresset_folder.so"), 0755), 0);
    refused(at("libcresset_folder.so"), "not a regular file");
    ck_assert_int_eq(symlink("libcresset_loop.so", at("libcresset_loop.so")), 0);
    refused(at("libcresset_loop.so"), "levels of symbolic links");
    refused("libcresset_relative.so", "not absolute");

    /* The header of a library for another processor. */
    unsigned char header[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    header[16] = 3;
    header[18] = 0xf3;
    header[20] = 1;
    header[52] = 64;
    write_text("libcresset_riscv.so", header, sizeof header);
    refused(at("libcresset_riscv.so"),
            "it was built for another processor (64 bits, ELF machine 243;");
    header[4] = 1;
    write_text("libcresset_narrow.so", header, sizeof header);
    refused(at("libcresset_narrow.so"), "it was built for another processor (32 bits, ");
}
END_TEST

START_TEST(a_missing_dependency_is_told_in_the_linkers_words)
{
    refused(plugin("unresolved"), "no_such_function_anywhere");
}
END_TEST

START_TEST(what_everyone_can_write_is_not_loaded)
{
    copy_file(plugin("good"), at("libcresset_open.so"));
    ck_assert_int_eq(chmod(at("libcresset_open.so"), 0777), 0);
    refused(at("libcresset_open.so"), "the file can be written by everyone");
    ck_assert_int_eq(mkdir(at("open"), 0777), 0);
    ck_assert_int_eq(chmod(at("open"), 0777), 0);
    copy_file(plugin("good"), at("open/libcresset_inside.so"));
    ck_assert_int_eq(chmod(at("open/libcresset_inside.so"), 0755), 0);
    refused(at("open/libcresset_inside.so"), "the folder can be written by everyone");
}
END_TEST

START_TEST(a_device_that_does_not_open_is_an_error)
{
    ck_assert_str_eq(cr_backend_load(plugin("open_fails")), "sample");
    ck_assert_ptr_null(cr_zeros(3, .device = "sample"));
    ck_assert_ptr_nonnull(strstr(cr_error(), "no power at socket 0"));
    cr_clear_error();
    ck_assert_ptr_nonnull(cr_zeros(3, .device = "cpu"));
}
END_TEST

/* The plugin in a folder that is searched before the installed one. */
static void offer(const char *mistake)
{
    copy_file(plugin(mistake), at("libcresset_sample.so"));
    setenv("CRESSET_BACKEND_PATH", folder, 1);
}

START_TEST(auto_asks_no_backend_that_is_taken_by_name_only)
{
    offer("only_by_name");
    ck_assert_str_eq(cr_default_device(), "cpu");
    ck_assert_ptr_null(getenv("BAD_PLUGIN_WAS_ASKED"));
    ck_assert(cr_device_is_available("sample"));
    ck_assert_ptr_nonnull(getenv("BAD_PLUGIN_WAS_ASKED"));
}
END_TEST

START_TEST(auto_asks_those_that_offer_themselves)
{
    offer("good");
    ck_assert_str_eq(cr_default_device(), "cpu"); /* the sample's device has a negative rank */
    ck_assert_ptr_nonnull(getenv("BAD_PLUGIN_WAS_ASKED"));
}
END_TEST

START_TEST(of_named_backends_no_other_is_opened)
{
    offer("good");
    setenv("CRESSET_BACKEND", "cpu", 1);
    ck_assert_str_eq(cr_default_device(), "cpu");
    ck_assert_ptr_nonnull(cr_add(cr_ones(3), cr_ones(3)));
    cr_device_info info;
    ck_assert_int_eq(cr_device_get_info(NULL, &info), 0);
    ck_assert(info.host_memory && info.name[0]);
    ck_assert_ptr_null(getenv("BAD_PLUGIN_WAS_ASKED"));
    bool listed = false; /* and whoever lists them all has it asked */
    for (size_t i = 0; i < cr_backend_count(); i++)
        listed = listed || (!strcmp(cr_backend_get(i)->name, "sample") &&
                            cr_backend_get(i)->device_count == 1);
    ck_assert(listed);
    ck_assert_ptr_nonnull(getenv("BAD_PLUGIN_WAS_ASKED"));
}
END_TEST

START_TEST(a_device_without_memory_is_an_error)
{
    ck_assert_str_eq(cr_backend_load(plugin("good")), "sample");
    ck_assert_ptr_null(cr_zeros(3, .device = "sample"));
    ck_assert_ptr_nonnull(strstr(cr_error(), "out of memory on sample"));
    cr_clear_error();
    ck_assert_ptr_null(cr_zeros(3, .device = "sample:1"));
    cr_clear_error();
    ck_assert_ptr_nonnull(cr_zeros(3));
}
END_TEST

START_TEST(odd_names_of_devices_are_refused)
{
    static const char *const names[] = {
        "",    "../cpu", "cpu:",   "cpu:-1", "cpu:1", "cpu:0x", "cpu:99999999999999999999",
        "a/b", "CPU",    "cpu:0:0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_msg(!cr_device_is_available(names[i]), "\"%s\" is taken for a device", names[i]);
        cr_clear_error();
    }
    ck_assert(cr_device_is_available("cpu"));
    ck_assert(cr_device_is_available("cpu:0"));
}
END_TEST

START_TEST(a_device_that_was_counted_and_is_not_there_is_an_error)
{
    ck_assert_str_eq(cr_backend_load(plugin("fewer_open")), "sample");
    ck_assert(cr_device_is_available("sample:0"));
    ck_assert_ptr_null(cr_zeros(3, .device = "sample:1"));
    ck_assert_msg(strstr(cr_error(), "there is no accelerator 1") != NULL, "%s", cr_error());
    cr_clear_error();
    ck_assert_ptr_nonnull(cr_zeros(3));
}
END_TEST

START_TEST(candidates_tell_what_became_of_them)
{
    cr_backend_load(plugin("other_major"));
    cr_clear_error();
    bool good = false, bad = false;
    for (size_t i = 0; i < cr_backend_count(); i++) {
        const cr_backend_candidate *c = cr_backend_get(i);
        good = good || (!strcmp(c->name, "cpu") && !c->refused && c->device_count == 1);
        bad = bad || (strstr(c->path, "bad_other_major") && c->refused);
    }
    ck_assert(good && bad);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *tests = tcase_create("loader");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_test(tests, plugins_with_a_mistake_are_refused_by_name);
    tcase_add_test(tests, every_required_function_is_missed_by_its_name);
    tcase_add_test(tests, paths_in_the_environment_are_absolute);
    tcase_add_test(tests, odd_folders_are_passed_over);
    tcase_add_test(tests, a_device_that_does_not_open_leaves_the_place_to_the_next);
    tcase_add_test(tests, a_name_that_is_taken_is_refused);
    tcase_add_test(tests, files_that_are_no_plugins_are_refused);
    tcase_add_test(tests, a_missing_dependency_is_told_in_the_linkers_words);
    tcase_add_test(tests, what_everyone_can_write_is_not_loaded);
    tcase_add_test(tests, a_device_that_does_not_open_is_an_error);
    tcase_add_test(tests, auto_asks_no_backend_that_is_taken_by_name_only);
    tcase_add_test(tests, auto_asks_those_that_offer_themselves);
    tcase_add_test(tests, of_named_backends_no_other_is_opened);
    tcase_add_test(tests, a_device_without_memory_is_an_error);
    tcase_add_test(tests, odd_names_of_devices_are_refused);
    tcase_add_test(tests, a_device_that_was_counted_and_is_not_there_is_an_error);
    tcase_add_test(tests, candidates_tell_what_became_of_them);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
