/* Saving survives being killed at any moment: the path holds the old file or the new one, whole. */
#include "files.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include <cresset/ops.h>

enum { COUNT = 1 << 18, ROUNDS = 40 };

typedef int (*saver)(const char *path, const cr_state_dict *dict);

static int save_npz(const char *path, const cr_state_dict *dict)
{
    return cr_save_npz(path, dict);
}

static int save_npy(const char *path, const cr_state_dict *dict)
{
    return cr_save_npy(path, cr_state_dict_get(dict, "x"));
}

static const struct {
    const char *name;
    saver save;
} formats[] = {{"k.safetensors", cr_save}, {"k.npz", save_npz}, {"k.npy", save_npy}};

static cr_tensor *load(const char *path)
{
    if (strstr(path, ".npy"))
        return cr_load_npy(path);
    cr_state_dict *dict = strstr(path, ".npz") ? cr_load_npz(path) : cr_load(path);
    return dict ? cr_state_dict_get(dict, "x") : NULL;
}

static cr_state_dict *filled_with(double value)
{
    cr_state_dict *dict = cr_state_dict_new();
    cr_state_dict_set(dict, "x", cr_full(COUNT, value, .dtype = CR_F32, .device = "cpu"));
    return dict;
}

/* Saves ever new values until it is killed. */
static void save_forever(const char *path, saver save, int from)
{
    for (int value = from;; value++)
        CR_SCOPE {
            if (save(path, filled_with(value)))
                _exit(1);
        }
}

START_TEST(a_killed_save_leaves_a_whole_file)
{
    const char *path = at(formats[_i].name);
    double last = 1;
    int grown = 0;
    ck_assert_int_eq(formats[_i].save(path, filled_with(1)), 0);
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child = fork();
        if (!child)
            save_forever(path, formats[_i].save, (int)last + 1);
        struct timespec wait = {0, 200000 + rand() % 15000000};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFSIGNALED(status), "saving failed");
        CR_SCOPE {
            cr_tensor *x = load(path);
            ck_assert_msg(x != NULL, "after round %d: %s", round, cr_error());
            ck_assert_int_eq(cr_tensor_numel(x), COUNT);
            double low = cr_item(cr_min(x)), high = cr_item(cr_max(x));
            ck_assert_msg(low == high && low >= last, "from %g to %g, last was %g", low, high,
                          last);
            grown += low > last;
            last = low;
        }
    }
    ck_assert_msg(grown > 0, "no save ever came through");
    /* what was being written when the kill came is left over under its temporary name */
    char command[256];
    snprintf(command, sizeof command, "rm -f '%s'/*.tmp '%s'/.*.tmp", folder, folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kill");
    TCase *c = tcase_create("kill");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_loop_test(c, a_killed_save_leaves_a_whole_file, 0, sizeof formats / sizeof *formats);
    suite_add_tcase(s, c);
    return run_suite(s);
}
