/* Rules: what is to go wrong, where, and at which call. */
#ifndef CRESSET_PLUGINS_CHAOS_H
#define CRESSET_PLUGINS_CHAOS_H

#include "../wrapper/wrapper.h"

typedef enum chaos_fault {
    CHAOS_FAIL,        /* CR_FAILED, with words */
    CHAOS_OOM,         /* CR_OUT_OF_MEMORY */
    CHAOS_LOST,        /* CR_DEVICE_LOST, from then on for every call */
    CHAOS_UNSUPPORTED, /* of a plan: CR_UNSUPPORTED */
    CHAOS_DELAY,       /* late */
    CHAOS_CORRUPT, /* other bits: of new memory, of what is copied, of a run's or a plan's results */
    CHAOS_CRASH,   /* a write to address 0 */
    CHAOS_FAULTS
} chaos_fault;

typedef struct chaos_rule {
    chaos_fault fault;
    wrap_kind point;
    uint64_t number; /* the call, counted from 1; or the chance is 1 to this many */
    bool onwards, chance;
    const char *text; /* as it was written; ends at a comma or the end */
    int length;
} chaos_rule;

enum { CHAOS_RULES = 16 };

/* Reads "fail:run:12,delay:copy:3+,corrupt:plan:1/100". Returns how many, or -1 after host->fail. */
int chaos_read_rules(const char *text, chaos_rule rules[CHAOS_RULES]);

/* Has signals that end a process say first which call of which backend was going on. */
void chaos_watch_crashes(void);
/* What is going on in this thread: null afterwards. The words are kept by reference. */
void chaos_going_on(const char *call, const char *op, const char *backend);

#endif
