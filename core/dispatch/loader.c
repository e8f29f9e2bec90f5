/* The loader: which files may be backends, opening them, and remembering why one was refused. Only
 * regular files are loaded that nobody but root and this user can write, from folders of the same
 * kind, by absolute path. */
#define _GNU_SOURCE
#include "core/dispatch/loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/base/thread.h"
#include "core/dispatch/host.h"

#define PREFIX "libcresset_"
#define SUFFIX ".so"

static cr_candidate **candidates;
static size_t ncandidates;
static bool scanned;

static void refuse(cr_candidate *c, const char *format, ...) CR_PRINTF_(2, 3);
static void refuse(cr_candidate *c, const char *format, ...)
{
    if (c->reason)
        return;
    va_list args;
    va_start(args, format);
    if (vasprintf(&c->reason, format, args) < 0)
        c->reason = NULL;
    va_end(args);
    c->shown.refused = c->reason ? c->reason : "out of memory";
}

/* Whether nobody but root and this user can change what lies at path. */
static bool is_trusted(cr_candidate *c, const char *path, const char *what)
{
    struct stat s;
    if (stat(path, &s)) {
        refuse(c, "%s: %s", what, strerror(errno));
        return false;
    }
    if (s.st_uid != 0 && s.st_uid != geteuid()) {
        refuse(c, "the %s belongs to another user (uid %u)", what, (unsigned)s.st_uid);
        return false;
    }
    if (s.st_mode & S_IWOTH && !(s.st_mode & S_ISVTX && S_ISDIR(s.st_mode) && s.st_uid == 0)) {
        refuse(c, "the %s can be written by everyone", what);
        return false;
    }
    return true;
}

static bool is_name(const char *name)
{
    if (!name || !*name)
        return false;
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return !name[length] && length < 32;
}

/* "…/libcresset_foo.so" gives "foo"; another file its base name. */
static char *name_of_path(const char *path)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    size_t length = strlen(base);
    if (!strncmp(base, PREFIX, sizeof PREFIX - 1) && length > sizeof PREFIX + sizeof SUFFIX - 2 &&
        !strcmp(base + length - (sizeof SUFFIX - 1), SUFFIX))
        return strndup(base + sizeof PREFIX - 1, length - sizeof PREFIX - sizeof SUFFIX + 2);
    return strdup(base);
}

void cr_loader_check(cr_candidate *c, const cr_backend *b)
{
    if (b->abi_major != CR_ABI_MAJOR) {
        refuse(c, "it was built for backend ABI %u.%u; this library has %d.%d", b->abi_major,
               b->abi_minor, CR_ABI_MAJOR, CR_ABI_MINOR);
        return;
    }
    if (!CR_HAS(b, cr_backend, plan_free)) {
        refuse(c, "its table has %zu bytes, where ABI 1.0 needs %zu", b->struct_size,
               offsetof(cr_backend, plan_free) + sizeof b->plan_free);
        return;
    }
    const bool wraps = cr_is_wrapper(b);
    const struct {
        const char *name;
        bool missing;
    } required[] = {{"device_count", !b->device_count},
                    {"device_info", !b->device_info},
                    {"device_open", !b->device_open},
                    {"device_close", !b->device_close},
                    {"alloc", !b->alloc},
                    {"free", !b->free},
                    {"copy_in", !b->copy_in},
                    {"copy_out", !b->copy_out},
                    {"plan", !b->plan},
                    {"run", !b->run},
                    {"plan_free", !b->plan_free}};
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (required[i].missing && !wraps)
            refuse(c, "its table lacks the function %s", required[i].name);
    if (!is_name(b->name))
        refuse(c, "its name is not made of lower-case letters, digits, '-' and '_'");
    else if (!strcmp(b->name, "auto"))
        refuse(c, "its name \"auto\" means something else");
}

/* Whether the file is for this processor, as far as its first bytes tell: the linker itself says of
 * one that isn't that there is no such file. */
static bool is_for_this_processor(cr_candidate *c)
{
    Elf32_Half theirs, ours;
    Dl_info info;
    unsigned char header[20] = {0};
    FILE *file = fopen(c->path, "rb");
    size_t n = file ? fread(header, 1, sizeof header, file) : 0;
    if (file)
        fclose(file);
    if (n < sizeof header || memcmp(header, ELFMAG, SELFMAG) != 0 || !dladdr(&candidates, &info) ||
        !info.dli_fbase)
        return true; /* the linker has words for that */
    const unsigned char *own =
        info.dli_fbase; /* both have the class, byte order and machine here */
    memcpy(&theirs, header + offsetof(Elf32_Ehdr, e_machine), sizeof theirs);
    memcpy(&ours, own + offsetof(Elf32_Ehdr, e_machine), sizeof ours);
    if (header[EI_CLASS] == own[EI_CLASS] && header[EI_DATA] == own[EI_DATA] && theirs == ours)
        return true;
    refuse(c, "it was built for another processor (%s bits, ELF machine %d; this library: %s, %d)",
           header[EI_CLASS] == ELFCLASS32 ? "32" : "64", theirs,
           own[EI_CLASS] == ELFCLASS32 ? "32" : "64", ours);
    return false;
}

static void enter(cr_candidate *c, cr_backend_entry entry);

static void load(cr_candidate *c)
{
    if (cr_static_backends[0].name) {
        refuse(c, "this library has its backends built in and loads no others");
        return;
    }
    struct stat s;
    if (c->path[0] != '/') {
        refuse(c, "its path is not absolute");
        return;
    }
    if (stat(c->path, &s)) {
        refuse(c, "%s", strerror(errno));
        return;
    }
    if (!S_ISREG(s.st_mode)) {
        refuse(c, "it is not a regular file");
        return;
    }
    char *folder = strndup(c->path, (size_t)(strrchr(c->path, '/') - c->path) + 1);
    bool trusted = folder && is_trusted(c, c->path, "file") && is_trusted(c, folder, "folder");
    free(folder);
    if (!trusted) {
        refuse(c, "out of memory");
        return;
    }
    if (!is_for_this_processor(c))
        return;
    c->handle = dlopen(c->path, RTLD_NOW | RTLD_LOCAL);
    if (!c->handle) {
        const char *words = dlerror();
        refuse(c, "%s", words ? words : "it cannot be opened");
        return;
    }
    cr_backend_entry entry;
    *(void **)&entry = dlsym(c->handle, CR_BACKEND_ENTRY);
    if (!entry) {
        refuse(c, "it does not export %s", CR_BACKEND_ENTRY);
        return;
    }
    enter(c, entry);
}

/* Asks a backend for its table, and takes it if it keeps the contract. */
static void enter(cr_candidate *c, cr_backend_entry entry)
{
    cr_backend_words();
    const cr_backend *b = entry(&cr_host_services);
    const char *words = cr_backend_words();
    if (!b) {
        refuse(c, "%s", *words ? words : "its entry returned null without a reason");
        return;
    }
    cr_loader_check(c, b);
    if (c->reason)
        return;
    for (size_t i = 0; i < ncandidates; i++)
        if (candidates[i]->backend && !strcmp(candidates[i]->backend->name, b->name)) {
            refuse(c, "a backend named \"%s\" was loaded before, from %s", b->name,
                   candidates[i]->path);
            return;
        }
    char *name = strdup(b->name);
    if (!name) {
        refuse(c, "out of memory");
        return;
    }
    free(c->name);
    c->shown.name = c->name = name;
    c->shown.version = b->version ? b->version : "";
    c->shown.wraps = c->asked = cr_is_wrapper(b);
    c->backend = b;
}

/* Of what was refused after it had been opened, nothing stays. */
static void drop(cr_candidate *c)
{
    cr_log_message(CR_LOG_INFO, "backend %s refused: %s", c->path, c->reason);
    c->backend = NULL;
    c->shown.version = NULL;
    if (c->handle)
        dlclose(c->handle);
    c->handle = NULL;
}

bool cr_loader_ask(cr_candidate *c)
{
    if (!c->backend || c->asked)
        return c->backend;
    c->asked = true;
    int count = -1;
    cr_backend_words();
    cr_status status = c->backend->device_count(c->backend, &count);
    const char *words = cr_backend_words();
    if (status != CR_OK)
        refuse(c, "it cannot count its devices: %s", *words ? words : "no reason given");
    else if (count < 0 || count > 1024)
        refuse(c, "it says that it has %d devices", count);
    if (c->reason)
        drop(c);
    else
        c->shown.device_count = count;
    return c->backend;
}

/* A new candidate, taken over by the list after `load` or `enter` have looked at it. */
static cr_candidate *candidate_new(const char *path, const char *name)
{
    cr_candidate **grown = realloc(candidates, (ncandidates + 1) * sizeof *grown);
    cr_candidate *c = grown ? calloc(1, sizeof *c) : NULL;
    if (grown)
        candidates = grown;
    if (c) {
        c->path = strdup(path);
        c->name = name ? strdup(name) : name_of_path(path);
    }
    if (!c || !c->path || !c->name) {
        if (c) {
            free(c->path);
            free(c->name);
            free(c);
        }
        return cr_fail_memory("the list of backends", sizeof *c);
    }
    c->shown.path = c->path;
    c->shown.name = c->name;
    return c;
}

/* What the environment of a set-uid program asks for is listed, and not looked at. */
static void add_refused(void)
{
    static const char *const names[] = {"CRESSET_BACKEND", "CRESSET_BACKEND_PATH"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = cr_env_refused(names[i]);
        char *path;
        if (!value || asprintf(&path, "%s=%s", names[i], value) < 0)
            continue;
        cr_candidate *c = candidate_new(path, names[i]);
        free(path);
        if (!c)
            return;
        refuse(c, "the environment says nothing to a program that runs set-uid or set-gid");
        cr_log_message(CR_LOG_WARNING, "%s refused: %s", c->path, c->reason);
        candidates[ncandidates++] = c;
    }
}

/* The backends that are part of the library come first. */
static void add_static(void)
{
    static const char path[] = "(built in)";
    if (ncandidates || !cr_static_backends[0].name)
        return;
    for (const cr_static_backend *b = cr_static_backends; b->name; b++) {
        cr_candidate *c = candidate_new(path, b->name);
        if (!c)
            return;
        enter(c, b->entry);
        candidates[ncandidates++] = c;
    }
}

cr_candidate *cr_loader_try(const char *path)
{
    add_static();
    char *real = realpath(path, NULL); /* one file found twice, through links, is one */
    const char *known = real ? real : path;
    for (size_t i = 0; i < ncandidates; i++)
        if (!strcmp(candidates[i]->path, known)) {
            free(real);
            return candidates[i];
        }
    cr_candidate *c = candidate_new(path[0] == '/' && real ? real : path, NULL);
    free(real);
    if (!c)
        return NULL;
    load(c);
    if (c->reason)
        drop(c);
    candidates[ncandidates++] = c;
    return c;
}

/* ---- folders ---- */

/* The installed backends' folder, which lies beside this library: <libdir>/cresset. Null if it can't
 * be told. Asked once: dladdr looks through every symbol. */
static const char *installed_folder(void)
{
    static char folder[4096];
    static bool known;
    Dl_info info;
    if (!known && dladdr(&candidates, &info) && info.dli_fname) {
        char *self = realpath(info.dli_fname, NULL);
        char *slash = self ? strrchr(self, '/') : NULL;
        if (slash && slash - self < (ptrdiff_t)(sizeof folder - sizeof "/cresset"))
            snprintf(folder, sizeof folder, "%.*s/cresset", (int)(slash - self), self);
        free(self);
    }
    known = true;
    return *folder ? folder : NULL;
}

/* Calls visit for every folder of the search path, in order, until it returns true. */
static bool each_folder(bool (*visit)(const char *folder, void *context), void *context)
{
    const char *list = cr_env("CRESSET_BACKEND_PATH");
    if (cr_static_backends[0].name)
        return false;
    while (list && *list) {
        size_t length = strcspn(list, ":");
        if (length) {
            char *folder = strndup(list, length);
            bool stop = folder && visit(folder, context);
            free(folder);
            if (stop)
                return true;
        }
        list += length + (list[length] == ':');
    }
    const char *installed = installed_folder();
    return installed && visit(installed, context);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_backend_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > sizeof PREFIX + sizeof SUFFIX - 2 &&
           !strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) &&
           !strcmp(entry->d_name + length - (sizeof SUFFIX - 1), SUFFIX);
}

static bool scan_folder(const char *folder, void *unused)
{
    (void)unused;
    struct dirent **entries;
    int count = folder[0] == '/' ? scandir(folder, &entries, is_backend_file, by_name) : -1;
    for (int i = 0; i < count; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) > 0) {
            cr_loader_try(path);
            free(path);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    if (folder[0] != '/')
        cr_log_message(CR_LOG_WARNING,
                       "CRESSET_BACKEND_PATH: \"%s\" is not absolute and was passed over", folder);
    return false;
}

void cr_loader_scan(void)
{
    add_static();
    if (!scanned) {
        add_refused();
        each_folder(scan_folder, NULL);
    }
    scanned = true;
}

static bool try_named(const char *folder, void *name)
{
    char *path;
    bool found = false;
    if (folder[0] == '/' &&
        asprintf(&path, "%s/" PREFIX "%s" SUFFIX, folder, (const char *)name) > 0) {
        if (!access(path, F_OK)) {
            cr_candidate *c = cr_loader_try(path);
            found = c && c->backend;
        }
        free(path);
    }
    return found;
}

cr_candidate *cr_loader_find(const char *name)
{
    if (!is_name(name))
        return NULL;
    add_static();
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < ncandidates; i++)
            if (candidates[i]->backend && !strcmp(candidates[i]->backend->name, name))
                return candidates[i];
        if (!pass)
            each_folder(try_named, (void *)(uintptr_t)name);
    }
    return NULL;
}

static bool add_folder(const char *folder, void *text)
{
    cr_text_add(text, ((cr_text *)text)->length ? ", %s" : "%s", folder);
    return false;
}

char *cr_loader_folders(void)
{
    cr_text text = {0};
    each_folder(add_folder, &text);
    return cr_text_take(&text);
}

size_t cr_loader_count(void)
{
    return ncandidates;
}

cr_candidate *cr_loader_get(size_t i)
{
    return i < ncandidates ? candidates[i] : NULL;
}

void cr_loader_close(void)
{
    while (ncandidates) {
        cr_candidate *c = candidates[--ncandidates];
        if (c->handle)
            dlclose(c->handle);
        free(c->path);
        free(c->name);
        free(c->reason);
        free(c);
    }
    free(candidates);
    candidates = NULL;
    scanned = false;
}
