/* cresset: the command line program. The table of subcommands, their help, and reading options. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const command *const commands[] = {
    &train_command,    &eval_command, &predict_command, &convert_command, &summary_command,
    &backends_command, &ops_command,  &bench_command,   &conform_command, &version_command};
enum { NCOMMANDS = sizeof commands / sizeof *commands };

void print_help(const command *c)
{
    printf("usage: cresset %s %s\n\n%s\n%s%s", c->name, c->arguments, c->summary,
           *c->help ? "\n" : "", c->help);
}

static void usage(FILE *to)
{
    fprintf(to, "usage: cresset COMMAND [ARGUMENTS]\n\n");
    for (int i = 0; i < NCOMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\ncresset COMMAND --help tells more. Exit codes: 0 well, 1 it failed, 2 wrong "
                "usage, 130 interrupted.\n");
}

int report_error(void)
{
    fprintf(stderr, "cresset: %s\n", cr_error() ? cr_error() : "failed without a reason");
    cr_clear_error();
    return CLI_FAILED;
}

static bool set(const option *o, const char *text)
{
    char *end;
    errno = 0;
    switch (o->kind) {
    case OPTION_TEXT: *(const char **)o->value = text; return true;
    case OPTION_INT: *(int64_t *)o->value = strtoll(text, &end, 10); break;
    case OPTION_NUMBER: *(double *)o->value = strtod(text, &end); break;
    default: return false;
    }
    return end != text && !*end && !errno;
}

int read_options(const command *c, const option *options, int argc, char **argv, const char **rest,
                 int rest_cap)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            print_help(c);
            return -2;
        }
        if (strncmp(arg, "--", 2)) {
            if (count == rest_cap) {
                fprintf(stderr,
                        "cresset %s: \"%s\" is one argument too many; see cresset %s --help\n",
                        c->name, arg, c->name);
                return -1;
            }
            rest[count++] = arg;
            continue;
        }
        size_t length = strcspn(arg, "=");
        const option *o = options;
        while (o && o->name &&
               (strlen(o->name) != length - 2 || strncmp(o->name, arg + 2, length - 2)))
            o++;
        if (!o || !o->name) {
            fprintf(stderr, "cresset %s: there is no option %.*s; see cresset %s --help\n", c->name,
                    (int)length, arg, c->name);
            return -1;
        }
        if (o->kind == OPTION_FLAG) {
            *(bool *)o->value = true;
            continue;
        }
        const char *text = arg[length] ? arg + length + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!text || !set(o, text)) {
            fprintf(stderr, "cresset %s: --%s needs %s%s%s\n", c->name, o->name,
                    o->kind == OPTION_INT      ? "an integer"
                    : o->kind == OPTION_NUMBER ? "a number"
                                               : "a value",
                    text ? ", not " : "", text ? text : "");
            return -1;
        }
    }
    return count;
}

bool share_folder(const char *name, char *path, size_t size)
{
    char self[900];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n < 0 ? 0 : n] = 0;
    char *end = strrchr(self, '/');
    if (!end) {
        fprintf(stderr, "cresset: cannot tell where the program lies\n");
        return false;
    }
    *end = 0;
    return snprintf(path, size, "%s/../share/cresset/%s", self, name) < (int)size;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        usage(argc > 1 ? stdout : stderr);
        return argc > 1 ? 0 : CLI_USAGE;
    }
    if (!strcmp(name, "--version"))
        name = "version";
    for (int i = 0; i < NCOMMANDS; i++) {
        if (strcmp(commands[i]->name, name))
            continue;
        int status = commands[i]->run(argc - 1, argv + 1);
        int left = cr_exit();
        return status ? status : left;
    }
    fprintf(stderr, "cresset: there is no command \"%s\"; see cresset --help\n", name);
    return CLI_USAGE;
}
