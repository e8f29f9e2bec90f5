/* Patterns that were parsed before: a table that all threads share. */
#include <string.h>

#include "core/base/lock.h"
#include "core/base/thread.h"
#include "core/einops/pattern.h"

/* Two places for each pattern; the one used last stays when a third comes. */
enum { SETS = CR_EIN_CACHE / 2 };
static cr_ein_pattern *table[SETS][2];
static cr_lock lock;
static bool registered;

static void forget_all(void)
{
    cr_lock_acquire(&lock);
    for (int i = 0; i < SETS; i++) {
        for (int k = 0; k < 2; k++) {
            cr_ein_release(table[i][k]);
            table[i][k] = NULL;
        }
    }
    registered = false;
    cr_lock_release(&lock);
}

/* Eight bytes at a time: patterns are hashed at every call. */
static uint64_t hash_of(const char *text, size_t length, cr_ein_kind kind)
{
    uint64_t hash = 14695981039346656037u + (uint64_t)kind + length;
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = 0;
        memcpy(&word, text + at, length - at < 8 ? length - at : 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash ^ hash >> 32;
}

static bool is_same(const cr_ein_pattern *p, uint64_t hash, cr_ein_kind kind, const char *text)
{
    return p && p->hash == hash && p->kind == kind && !strcmp(p->text, text);
}

cr_ein_pattern *cr_ein_find(const cr_ein_call *call, cr_ein_kind kind)
{
    uint64_t hash = hash_of(call->pattern, strlen(call->pattern), kind);
    cr_ein_pattern **set = table[hash % SETS], *found = NULL;
    cr_lock_acquire(&lock);
    for (int k = 0; k < 2 && !found; k++) {
        if (!is_same(set[k], hash, kind, call->pattern))
            continue;
        found = set[k];
        set[k] = set[0];
        set[0] = found;
        atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
    }
    cr_lock_release(&lock);
    if (found || !(found = cr_ein_parse(call, kind)))
        return found;
    found->hash = hash;
    atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
    cr_lock_acquire(&lock);
    bool first = !registered;
    registered = true;
    cr_ein_pattern *old = set[1];
    set[1] = set[0];
    set[0] = found;
    cr_lock_release(&lock);
    cr_ein_release(old);
    if (first)
        cr_at_exit(forget_all);
    return found;
}
