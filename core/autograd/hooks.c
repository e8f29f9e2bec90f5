/* Hooks on tensors and nodes. A tensor's hook hangs on the node that made it, or on the leaf
 * itself, and goes with it; handles find them again through one list. */
#include <stdlib.h>

#include "core/autograd/autograd.h"
#include "core/base/lock.h"

typedef struct known {
    int64_t handle;
    cr_hook **list;
    struct known *next;
} known;

static known *all;
static int64_t last;
static cr_lock lock;

/* The entry of a handle, taken out of the list; null if there is none. */
static known *take(int64_t handle)
{
    known *found = NULL;
    cr_lock_acquire(&lock);
    for (known **link = &all; *link; link = &(*link)->next) {
        if ((*link)->handle == handle) {
            found = *link;
            *link = found->next;
            break;
        }
    }
    cr_lock_release(&lock);
    return found;
}

void cr_free_hooks(cr_hook *hooks)
{
    while (hooks) {
        cr_hook *next = hooks->next;
        free(take(hooks->handle));
        free(hooks);
        hooks = next;
    }
}

/* Appends a hook, in the order they were registered. */
static int64_t add(cr_hook **list, cr_hook like)
{
    cr_hook *hook = malloc(sizeof *hook);
    known *k = malloc(sizeof *k);
    if (!hook || !k) {
        free(hook);
        free(k);
        cr_fail_memory("a hook", sizeof *hook);
        return 0;
    }
    *hook = like;
    cr_lock_acquire(&lock);
    hook->handle = ++last;
    *k = (known){hook->handle, list, all};
    all = k;
    cr_lock_release(&lock);
    while (*list)
        list = &(*list)->next;
    *list = hook;
    return hook->handle;
}

int64_t cr_register_hook(cr_tensor *tensor, cr_tensor_hook hook, void *context)
{
    if (!tensor || !hook)
        return cr_error()
                   ? 0
                   : (cr_fail("cr_register_hook: %s is null", tensor ? "hook" : "tensor"), 0);
    if (!cr_requires_grad_flag(tensor)) {
        cr_fail(
            "cr_register_hook: cannot register a hook on a tensor that doesn't require gradient");
        return 0;
    }
    cr_autograd *meta = cr_autograd_of(tensor);
    cr_grad_node *node = meta ? cr_current_grad_fn(tensor) : NULL;
    if (!meta)
        return 0;
    cr_hook like = {.tensor_hook = hook, .context = context, .nr = meta->nr};
    return node ? add(&node->hooks, like) : add(&meta->hooks, like);
}

int64_t cr_node_register_hook(cr_grad_node *node, cr_node_hook hook, void *context)
{
    if (!node || !hook || cr_edge_is_leaf((uintptr_t)node))
        return cr_error() ? 0 : (cr_fail("cr_node_register_hook: a node and a hook are needed"), 0);
    cr_hook like = {.node_hook = hook, .context = context, .on_node = true};
    return add(&node->hooks, like);
}

int cr_remove_hook(int64_t handle)
{
    known *found = take(handle);
    if (!found)
        return CR_FAIL_INT("cr_remove_hook: there is no hook %lld", (long long)handle);
    for (cr_hook **link = found->list; *link; link = &(*link)->next) {
        if ((*link)->handle == handle) {
            cr_hook *hook = *link;
            *link = hook->next;
            free(hook);
            break;
        }
    }
    free(found);
    return 0;
}
