/* Wrappers in front of backends. A stack is a candidate that no file stands for: its table is what
 * the wrapper made of the inner candidate's. The registry's lock is held in all of these. */
#include "core/dispatch/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/thread.h"
#include "core/dispatch/host.h"
#include "core/dispatch/validate_account.h"

static cr_candidate **stacks;
static size_t nstacks;

static void stack_free(cr_candidate *c)
{
    if (c && c->backend)
        c->outer->backend->unwrap(c->backend);
    if (c) {
        free(c->name);
        free(c->reason);
        free(c);
    }
}

/* Asks the wrapper, and looks at what it gives as the loader looks at a plugin's table. */
static bool fill(cr_candidate *c, const char **why)
{
    static const char *const no_table = "its wrap gave no table and no reason";
    const cr_backend *made = NULL, *wrapper = c->outer->backend;
    int count = -1;
    cr_backend_words();
    const cr_backend *inner = cr_account_table(c->inner->backend, c->outer->shown.name);
    if (!inner)
        return false;
    cr_status status = wrapper->wrap(wrapper, inner, &made);
    const char *words = cr_backend_words();
    if (status != CR_OK || !made) {
        *why = *words ? words : no_table;
        return false;
    }
    c->backend = made; /* stack_free gives it back from here on */
    cr_loader_check(c, made);
    if (!c->reason &&
        (made->device_count(made, &count) != CR_OK || count != c->inner->shown.device_count)) {
        char *text = cr_thread_text();
        snprintf(text, CR_TEXT_SIZE, "it shows %d of the %d devices of %s", count,
                 c->inner->shown.device_count, c->inner->shown.name);
        *why = text;
        return false;
    }
    if (c->reason) {
        char *text = cr_thread_text();
        snprintf(text, CR_TEXT_SIZE, "%s", c->reason);
        *why = text;
        return false;
    }
    return true;
}

cr_candidate *cr_stack_wrap(cr_candidate *wrapper, cr_candidate *inner, const char **why)
{
    for (size_t i = 0; i < nstacks; i++)
        if (stacks[i]->outer == wrapper && stacks[i]->inner == inner)
            return stacks[i];
    *why = "out of memory";
    cr_candidate **grown = realloc(stacks, (nstacks + 1) * sizeof(cr_candidate *));
    if (!grown)
        return NULL;
    stacks = grown;
    cr_candidate *c = calloc(1, sizeof *c);
    size_t length = strlen(wrapper->shown.name) + strlen(inner->shown.name) + 2;
    if (!c || !(c->name = malloc(length))) {
        free(c);
        return NULL;
    }
    snprintf(c->name, length, "%s:%s", wrapper->shown.name, inner->shown.name);
    c->outer = wrapper;
    c->inner = inner;
    c->shown = inner->shown;
    c->shown.name = c->name;
    if (!fill(c, why)) {
        stack_free(c);
        return NULL;
    }
    stacks[nstacks++] = c;
    return c;
}

cr_candidate *cr_stack_like(cr_candidate *like, cr_candidate *base, const char **why)
{
    if (!like->inner)
        return base;
    cr_candidate *inner = cr_stack_like(like->inner, base, why);
    return inner ? cr_stack_wrap(like->outer, inner, why) : NULL;
}

const cr_candidate *cr_stack_base(const cr_candidate *c)
{
    while (c->inner)
        c = c->inner;
    return c;
}

void cr_stack_close(void)
{
    while (nstacks)
        stack_free(stacks[--nstacks]);
    free(stacks);
    stacks = NULL;
    cr_account_close();
}
