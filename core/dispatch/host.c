/* The host's services: a backend's words about a failure wait in one of the thread's text buffers
 * until the core asks for them. */
#include "core/dispatch/host.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/team.h"
#include "core/base/thread.h"

static cr_status fail(const cr_host *host, cr_status status, const char *format, ...)
{
    (void)host;
    va_list args;
    va_start(args, format);
    char *words = cr_this_thread.backend_words = cr_thread_text();
    vsnprintf(words, CR_TEXT_SIZE, format ? format : "", args);
    va_end(args);
    return status;
}

static void say(const cr_host *host, int level, const char *format, ...)
{
    (void)host;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format ? format : "", args);
    va_end(args);
    cr_log_message(level < 0   ? CR_LOG_DEBUG
                   : level > 2 ? CR_LOG_WARNING
                               : (cr_log_level)level,
                   "%s", line);
}

static int threads(const cr_host *host)
{
    (void)host;
    return cr_team_inside() ? 1 : cr_num_threads();
}

static void parallel(const cr_host *host, int64_t n, int64_t unit, double cost,
                     void (*body)(void *context, int64_t begin, int64_t end), void *context)
{
    (void)host;
    cr_team_run(cr_num_threads(), n, unit, cost, body, context);
}

const cr_host cr_host_services = {
    sizeof cr_host_services, CR_ABI_MAJOR, CR_ABI_MINOR, fail, say, threads, parallel};

const char *cr_backend_words(void)
{
    const char *said = cr_this_thread.backend_words ? cr_this_thread.backend_words : "";
    cr_this_thread.backend_words = NULL;
    return said;
}
