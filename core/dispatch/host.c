/* The host's services: a backend's words about a failure wait here, per thread, until the core asks for them. */
#include "core/dispatch/host.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/thread.h"

static CR_TLS char words[1024];
static CR_TLS char asked[1024];

static cr_status fail(const cr_host *host, cr_status status, const char *format, ...)
{
    (void)host;
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format ? format : "", args);
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
    cr_log_message(level < 0 ? CR_LOG_DEBUG : level > 2 ? CR_LOG_WARNING : (cr_log_level)level, "%s", line);
}

static int threads(const cr_host *host)
{
    (void)host;
    return cr_num_threads();
}

const cr_host cr_host_services = {sizeof cr_host_services, CR_ABI_MAJOR, CR_ABI_MINOR, fail, say, threads};

const char *cr_backend_words(void)
{
    snprintf(asked, sizeof asked, "%s", words);
    words[0] = 0;
    return asked;
}
