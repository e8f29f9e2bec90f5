/* The registry: which devices are open, which one is the default, and what a preference list means.
 * One lock guards it; devices stay open until cr_exit. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/team.h"
#include "core/base/text.h"
#include "core/dispatch/device.h"
#include "core/dispatch/stack.h"
#include "core/dispatch/validate.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cr_dev *devices;
static _Atomic(cr_dev *) default_dev, fallback_dev;

size_t (*cr_count_names)(void);
const char *(*cr_count_name)(size_t op);

/* ---- opening and closing ---- */

static void close_all(void)
{
    pthread_mutex_lock(&lock);
    atomic_store(&default_dev, NULL);
    atomic_store(&fallback_dev, NULL);
    for (cr_dev *dev = devices; dev; dev = dev->next)
        cr_plan_cache_clear(dev); /* all before the first device is gone: plans may be another's */
    while (devices) {
        cr_dev *dev = devices;
        devices = dev->next;
        cr_allocator_empty(dev);
        dev->backend->device_close(dev->handle);
        free(dev->counts);
        free(dev);
    }
    cr_team_stop();
    cr_validate_close();
    cr_stack_close();
    cr_loader_close();
    cr_validate_report();
    pthread_mutex_unlock(&lock);
}

int cr_dev_failed(cr_dev *dev, const char *what, cr_status status)
{
    static const char *const meanings[] = {
        "no error",      "unsupported",        "an invalid argument",
        "out of memory", "the device is lost", "failed"};
    const char *words = cr_backend_words();
    if (!*words)
        words = (size_t)status < sizeof meanings / sizeof *meanings ? meanings[status]
                                                                    : "an unknown status";
    if (status == CR_DEVICE_LOST)
        return CR_FAIL_INT("%s on %s: the device is lost: %s", what, dev->name, words);
    /* A refused argument is the user's: their operation's name and the backend's sentence say it
     * all. */
    if (status == CR_INVALID)
        return CR_FAIL_INT("%s: %s", what, words);
    return CR_FAIL_INT("%s on %s: %s", what, dev->name, words);
}

/* The device if it is open, under this name or behind wrappers: nothing is open twice. */
static cr_dev *find_open(const cr_candidate *c, int index)
{
    for (cr_dev *dev = devices; dev; dev = dev->next)
        if (dev->index == index &&
            (dev->candidate == c || cr_stack_base(dev->candidate) == cr_stack_base(c)))
            return dev;
    return NULL;
}

/* The lock is held. */
static cr_dev *open_device(cr_candidate *c, int index)
{
    cr_dev *open = find_open(c, index);
    if (open && open->candidate != c && c->inner)
        return cr_fail("device %s: it is open already as %s; name the one with its wrappers first, "
                       "as CRESSET_BACKEND does",
                       c->shown.name, open->name);
    if (open)
        return open;
    if (index < 0 || index >= c->shown.device_count)
        return cr_fail("device %s:%d: the backend has %d device%s", c->shown.name, index,
                       c->shown.device_count, c->shown.device_count == 1 ? "" : "s");
    cr_dev *dev = calloc(1, sizeof *dev);
    if (!dev)
        return cr_fail_memory("a device", sizeof *dev);
    if (!(dev->backend = cr_validate_table(c->backend, c->inner))) {
        free(dev);
        return NULL;
    }
    dev->candidate = c;
    dev->index = index;
    if (c->shown.device_count > 1)
        snprintf(dev->name, sizeof dev->name, "%s:%d", c->shown.name, index);
    else
        snprintf(dev->name, sizeof dev->name, "%s", c->shown.name);
    dev->info.struct_size = sizeof dev->info;
    cr_backend_words();
    cr_status status = c->backend->device_info(c->backend, index, &dev->info);
    dev->info.name[sizeof dev->info.name - 1] = 0;
    dev->alignment = dev->info.alignment ? dev->info.alignment : 64;
    if (status == CR_OK)
        status = dev->backend->device_open(dev->backend, index, &dev->handle);
    if (status != CR_OK) {
        cr_dev_failed(dev, "opening the device", status);
        free(dev);
        return NULL;
    }
    static bool registered;
    if (!devices && !registered) {
        registered = true;
        cr_at_exit(close_all);
    } else if (!devices) {
        cr_at_exit(close_all);
    }
    dev->next = devices;
    devices = dev;
    return dev;
}

/* ---- names ---- */

/* Whether text holds the word, in letters of either case. */
static bool mentions(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (; *text; text++)
        if (!strncasecmp(text, word, length))
            return true;
    return false;
}

/* The device that what follows the colon means: a number, or a part of the first such device's
 * name; -1 after adding the reason to why. */
static int index_of_device(const cr_candidate *c, const char *entry, const char *which,
                           cr_text *why)
{
    const char *comma = why->length ? "; " : "";
    int count = c->shown.device_count;
    char *end;
    long value = strtol(which, &end, 10);
    if (end != which && !*end && value >= 0 && value < count)
        return (int)value;
    if (!*which || (end != which && !*end)) {
        cr_text_add(why, "%s%s: it has %d device%s", comma, entry, count, count == 1 ? "" : "s");
        return -1;
    }
    for (int i = 0; i < count; i++) {
        cr_device_info info = {.struct_size = sizeof info};
        if (c->backend->device_info(c->backend, i, &info) == CR_OK && mentions(info.name, which))
            return i;
    }
    cr_text_add(why,
                "%s%s: the part after ':' is neither the number of a device nor in a device's name",
                comma, entry);
    return -1;
}

enum { MOST_WRAPPERS = 8, LONGEST_NAME = 72 };

static cr_candidate *resolve(const char *entry, int *index, int depth, cr_text *why);

/* "wrapper:inner" */
static cr_candidate *resolve_wrapped(cr_candidate *wrapper, const char *entry, const char *inner,
                                     int *index, int depth, cr_text *why)
{
    const char *reason = NULL, *comma = why->length ? "; " : "";
    if (!inner || !*inner)
        reason = "it wraps another backend: name that one after a colon";
    else if (depth == MOST_WRAPPERS)
        reason = "too many wrappers in front of each other";
    cr_candidate *c = reason ? NULL : resolve(inner, index, depth + 1, why);
    if (c && strlen(c->shown.name) + strlen(wrapper->shown.name) + 1 > LONGEST_NAME) {
        reason = "the name is too long";
        c = NULL;
    }
    c = c ? cr_stack_wrap(wrapper, c, &reason) : NULL;
    if (!c && reason)
        cr_text_add(why, "%s%s: %s", comma, entry, reason);
    return c;
}

/* One entry of a preference list: "name", "name:index", "name:part of a device's name", an absolute
 * path, or one of these behind "wrapper:". Null where nothing of that name was found; the reason
 * goes to why. */
static cr_candidate *resolve(const char *entry, int *index, int depth, cr_text *why)
{
    char name[64] = "";
    const char *which = NULL;
    cr_candidate *c;
    *index = 0;
    if (entry[0] == '/') {
        c = cr_loader_try(entry);
        if (!c)
            return NULL;
        if (!c->backend) {
            cr_text_add(why, "%s%s: %s", why->length ? "; " : "", entry, c->shown.refused);
            return NULL;
        }
    } else {
        const char *colon = strchr(entry, ':');
        which = colon ? colon + 1 : NULL;
        size_t length = colon ? (size_t)(colon - entry) : strlen(entry);
        if (memchr(entry, '/', length)) {
            cr_text_add(why, "%s%s: a path has to be absolute", why->length ? "; " : "", entry);
            return NULL;
        }
        if (length >= sizeof name) {
            cr_text_add(why, "%s\"%.40s…\" is no backend's name", why->length ? "; " : "", entry);
            return NULL;
        }
        memcpy(name, entry, length);
        c = cr_loader_find(name);
        if (!c) {
            const char *reason = "no such backend was found";
            for (size_t i = 0; i < cr_loader_count(); i++)
                if (!strcmp(cr_loader_get(i)->shown.name, name) && cr_loader_get(i)->shown.refused)
                    reason = cr_loader_get(i)->shown.refused;
            cr_text_add(why, "%s%s: %s", why->length ? "; " : "", name, reason);
            return NULL;
        }
    }
    if (c->shown.wraps)
        return resolve_wrapped(c, entry, which, index, depth, why);
    if (!cr_loader_ask(c)) {
        cr_text_add(why, "%s%s: %s", why->length ? "; " : "", entry, c->shown.refused);
        return NULL;
    }
    if (which && (*index = index_of_device(c, entry, which, why)) < 0)
        return NULL;
    if (!c->shown.device_count) {
        cr_text_add(why, "%s%s: it has 0 devices", why->length ? "; " : "", entry);
        return NULL;
    }
    return c;
}

static cr_dev *open_named(const char *entry, cr_text *why)
{
    int index;
    cr_candidate *c = resolve(entry, &index, 0, why);
    return c ? open_device(c, index) : NULL;
}

/* The device of the highest rank among all that can be loaded. Ranks below 0 are only taken when
 * asked for by name, and backends that say so of all their devices are not asked for any. */
static cr_dev *open_best(cr_text *why)
{
    cr_loader_scan();
    cr_candidate *best = NULL;
    int best_index = 0, best_rank = -1;
    for (size_t i = 0; i < cr_loader_count(); i++) {
        cr_candidate *c = cr_loader_get(i);
        const char *passed_over = c->backend && cr_is_only_by_name(c->backend)
                                      ? "it is taken when it is named only"
                                  : cr_loader_ask(c) ? NULL
                                                     : c->shown.refused;
        if (passed_over)
            cr_text_add(why, "%s%s: %s", why->length ? "; " : "", c->shown.path, passed_over);
        for (int d = 0; !passed_over && d < c->shown.device_count; d++) {
            cr_device_info info = {.struct_size = sizeof info};
            if (c->backend->device_info(c->backend, d, &info) == CR_OK && info.rank > best_rank) {
                best = c;
                best_index = d;
                best_rank = info.rank;
            }
        }
    }
    return best ? open_device(best, best_index) : NULL;
}

static cr_dev *open_preferred(const char *list)
{
    cr_text why = {0};
    cr_dev *dev = NULL;
    bool had_error = cr_error(); /* an older one must not stop the search */
    while (!dev && (had_error || !cr_error()) && list && *list) {
        char entry[512];
        size_t length = strcspn(list, ",");
        if (length < sizeof entry) {
            memcpy(entry, list, length);
            entry[length] = 0;
            if (length)
                dev = strcmp(entry, "auto") ? open_named(entry, &why) : open_best(&why);
            if (!dev && cr_error() && !had_error) { /* it did not open: the next one's turn */
                cr_text_add(&why, "%s%s", why.length ? "; " : "", cr_error());
                cr_clear_error();
            }
        }
        list += length + (list[length] == ',');
    }
    if (!dev && !cr_error()) {
        char *folders = cr_loader_folders();
        cr_fail("no compute backend could be loaded. Looked for libcresset_*.so in %s%s%s. Set "
                "CRESSET_BACKEND_PATH to "
                "the folder of the backends, or CRESSET_BACKEND to one file",
                folders ? folders : "no folder", why.length ? "; refused: " : "",
                why.length ? why.data : "");
        cr_free(folders);
    }
    cr_text_free(&why);
    return dev;
}

cr_dev *cr_dev_default(void)
{
    cr_dev *dev = atomic_load_explicit(&default_dev, memory_order_acquire);
    if (CR_LIKELY(dev != NULL))
        return dev;
    pthread_mutex_lock(&lock);
    dev = atomic_load(&default_dev);
    if (!dev) {
        const char *list = cr_env("CRESSET_BACKEND");
        dev = open_preferred(list ? list : "auto");
        atomic_store_explicit(&default_dev, dev, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return dev;
}

cr_dev *cr_dev_find(const char *name)
{
    if (!name)
        return cr_dev_default();
    pthread_mutex_lock(&lock);
    cr_dev *dev = devices;
    while (dev && strcmp(dev->name, name))
        dev = dev->next;
    if (!dev) {
        cr_text why = {0};
        dev = open_named(name, &why);
        if (!dev && !cr_error())
            cr_fail("device \"%s\" is not available: %s", name,
                    why.length ? why.data : "no such backend");
        cr_text_free(&why);
    }
    pthread_mutex_unlock(&lock);
    return dev;
}

/* "cpu", quietly: null if it is not there. Behind wrappers where the default device is, so that what
 * runs there is seen, too. */
static cr_dev *find_cpu(void)
{
    const char *list = cr_env("CRESSET_BACKEND"), *why = NULL;
    cr_this_thread.quiet_errors++;
    cr_dev *like = atomic_load(&default_dev);
    if (!like && list && strchr(list, ':'))
        like = cr_dev_default();
    cr_dev *dev = NULL;
    pthread_mutex_lock(&lock);
    cr_candidate *cpu = cr_loader_find("cpu");
    if (cpu && cr_loader_ask(cpu) && cpu->shown.device_count && !(dev = find_open(cpu, 0))) {
        cr_candidate *stack = like ? cr_stack_like(like->candidate, cpu, &why) : NULL;
        dev = open_device(stack ? stack : cpu, 0);
    }
    pthread_mutex_unlock(&lock);
    cr_this_thread.quiet_errors--;
    return dev;
}

cr_dev *cr_dev_chosen(void)
{
    return atomic_load_explicit(&default_dev, memory_order_acquire);
}

cr_dev *cr_dev_host(void)
{
    cr_dev *dev = cr_dev_default();
    if (dev && !cr_dev_is_host(dev)) {
        cr_dev *cpu = cr_dev_fallback();
        if (!cpu || !cr_dev_is_host(cpu))
            return cr_fail("memory of the program cannot be shared: neither %s nor the cpu backend "
                           "shows that it uses host memory",
                           dev->name);
        dev = cpu;
    }
    return dev;
}

cr_dev *cr_dev_fallback(void)
{
    cr_dev *dev = atomic_load_explicit(&fallback_dev, memory_order_acquire);
    if (!dev) {
        dev = find_cpu();
        atomic_store_explicit(&fallback_dev, dev, memory_order_release);
    }
    return dev;
}

/* ---- what programs ask ---- */

const char *cr_default_device(void)
{
    cr_dev *dev = cr_dev_default();
    return dev ? dev->name : NULL;
}

int cr_set_default_device(const char *device)
{
    if (!device)
        return CR_FAIL_INT("cr_set_default_device: device is null");
    cr_dev *dev = cr_dev_find(device);
    if (!dev)
        return -1;
    atomic_store(&default_dev, dev);
    return 0;
}

bool cr_device_is_available(const char *device)
{
    cr_this_thread.quiet_errors++;
    bool found = device && cr_dev_find(device);
    cr_this_thread.quiet_errors--;
    return found;
}

const char *cr_tensor_device(const cr_tensor *tensor)
{
    return tensor ? tensor->storage->dev->name : NULL;
}

size_t cr_backend_count(void)
{
    pthread_mutex_lock(&lock);
    cr_loader_scan();
    size_t count = cr_loader_count();
    pthread_mutex_unlock(&lock);
    return count;
}

const cr_backend_candidate *cr_backend_get(size_t i)
{
    pthread_mutex_lock(&lock);
    cr_candidate *c = cr_loader_get(i);
    if (c)
        cr_loader_ask(c);
    pthread_mutex_unlock(&lock);
    return c ? &c->shown : cr_fail("cr_backend_get: there is no candidate %zu", i);
}

int cr_backend_device_info(size_t i, int index, cr_device_info *info)
{
    pthread_mutex_lock(&lock);
    cr_candidate *c = cr_loader_get(i);
    bool loaded = c && cr_loader_ask(c);
    pthread_mutex_unlock(&lock);
    if (!loaded || index < 0 || index >= c->shown.device_count || !info)
        return CR_FAIL_INT("cr_backend_device_info: there is no device %d of candidate %zu", index,
                           i);
    *info = (cr_device_info){.struct_size = sizeof *info};
    if (c->backend->device_info(c->backend, index, info) != CR_OK)
        return CR_FAIL_INT("%s:%d: %s", c->backend->name, index, cr_backend_words());
    info->name[sizeof info->name - 1] = 0;
    return 0;
}

int cr_device_get_info(const char *device, cr_device_info *info)
{
    cr_dev *dev = cr_dev_find(device);
    if (!dev || !info)
        return dev ? CR_FAIL_INT("cr_device_get_info: info is null") : -1;
    *info = dev->info;
    return 0;
}

const char *cr_backend_load(const char *path)
{
    if (!path)
        return cr_fail("cr_backend_load: path is null");
    pthread_mutex_lock(&lock);
    cr_candidate *c = cr_loader_try(path);
    bool loaded = c && cr_loader_ask(c);
    pthread_mutex_unlock(&lock);
    if (c && !loaded)
        return cr_fail("%s: %s", path, c->shown.refused);
    return c ? c->shown.name : NULL;
}

int cr_synchronize(const char *device)
{
    pthread_mutex_lock(&lock);
    cr_dev *all = devices;
    pthread_mutex_unlock(&lock);
    cr_dev *one = device ? cr_dev_find(device) : NULL;
    if (device && !one)
        return -1;
    for (cr_dev *dev = one ? one : all; dev; dev = one ? NULL : dev->next) {
        cr_biased_lock_acquire(&dev->lock);
        cr_status status = dev->backend->sync ? dev->backend->sync(dev->handle) : CR_OK;
        cr_biased_lock_release(&dev->lock);
        if (status != CR_OK)
            return cr_dev_failed(dev, "waiting", status);
    }
    return 0;
}

/* ---- counts ---- */

/* The general case: no counts yet, or not a plan of the device's own. */
void cr_dev_count_slowly(cr_dev *dev, size_t op, cr_plan_mode mode)
{
    if (!dev->counts && cr_count_names) {
        size_t n = cr_count_names();
        dev->counts = calloc(n, sizeof *dev->counts);
        dev->ncounts = dev->counts ? n : 0;
    }
    if (op >= dev->ncounts)
        return;
    cr_dev_counts *counts = &dev->counts[op];
    *(mode == CR_PLAN_NATIVE     ? &counts->native
      : mode == CR_PLAN_FALLBACK ? &counts->fallback
                                 : &counts->decomposed) += 1;
}

size_t cr_device_op_counts(const char *device, cr_op_counts *counts, size_t cap)
{
    cr_dev *dev = cr_dev_find(device);
    if (!dev)
        return SIZE_MAX;
    size_t n = 0;
    cr_biased_lock_acquire(&dev->lock);
    for (size_t i = 0; dev->counts && i < dev->ncounts; i++) {
        cr_dev_counts *c = &dev->counts[i];
        if (!(c->native | c->decomposed | c->fallback))
            continue;
        if (n < cap)
            counts[n] = (cr_op_counts){cr_count_name(i), c->native, c->decomposed, c->fallback};
        n++;
    }
    cr_biased_lock_release(&dev->lock);
    return n;
}
