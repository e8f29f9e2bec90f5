/* The command line program: subcommands, and how they read options. Exit codes: 0 well, 1 it failed (one sentence on stderr
 * says why), 2 the command line was wrong, 130 interrupted. */
#ifndef CRESSET_TOOLS_CLI_H
#define CRESSET_TOOLS_CLI_H

#include <cresset/cresset.h>

enum { CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

typedef struct command {
    const char *name;
    const char *arguments;             /* "lenet [options]" */
    const char *summary;               /* one line */
    const char *help;                  /* the options, a line each */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
} command;

extern const command train_command, summary_command, backends_command, ops_command, version_command,
    bench_command, conform_command, eval_command, predict_command, convert_command;

/* One option: --name VALUE into a string, an integer, a number, or a flag. Ended by a null name. */
typedef enum option_kind { OPTION_TEXT, OPTION_INT, OPTION_NUMBER, OPTION_FLAG } option_kind;
typedef struct option {
    const char *name;
    option_kind kind;
    void *value; /* const char **, int64_t *, double *, bool * */
} option;

/* Reads options and leaves the other arguments in rest (of rest_cap). Returns how many there are; -1 after a sentence on
 * stderr; -2 when --help was asked and printed. */
int read_options(const command *command, const option *options, int argc, char **argv,
                 const char **rest, int rest_cap);
void print_help(const command *command);

/* Prints the library's error as "cresset: …" to stderr, and clears it. Returns CLI_FAILED. */
int report_error(void);

/* The path of a folder of the program's data, as installed and in the build tree: <prefix>/share/cresset/NAME. False, after a
 * sentence on stderr, if it can't be told. */
bool share_folder(const char *name, char *path, size_t size);

/* LeNet-5 for 28×28 grey images and ten classes. */
cr_module *make_lenet(void);

#endif
