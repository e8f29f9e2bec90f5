/* Reading CRESSET_CHAOS. */
#include "chaos.h"

#include <stdlib.h>
#include <string.h>

static const char *const faults[CHAOS_FAULTS] = {"fail",  "oom",     "lost", "unsupported",
                                                 "delay", "corrupt", "crash"};
static const char *const points[] = {"alloc", "copy", "plan", "run"};

/* The number of the word that text begins with and a colon ends; -1 for none. Moves text past it. */
static int word_of(const char **text, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        size_t length = strlen(words[i]);
        if (!strncmp(*text, words[i], length) && (*text)[length] == ':') {
            *text += length + 1;
            return i;
        }
    }
    return -1;
}

static bool read_rule(const char *text, chaos_rule *rule)
{
    const char *at = text;
    int fault = word_of(&at, faults, CHAOS_FAULTS);
    int point = fault < 0 ? -1 : word_of(&at, points, 4);
    if (point < 0 || *at < '0' || *at > '9')
        return false;
    *rule = (chaos_rule){.fault = (chaos_fault)fault, .point = (wrap_kind)point, .text = text};
    rule->length = (int)strcspn(text, ",");
    char *end;
    rule->number = strtoull(at, &end, 10);
    if (*end == '+') {
        rule->onwards = true;
        end++;
    } else if (*end == '/' && rule->number == 1) {
        rule->chance = true;
        rule->number = strtoull(end + 1, &end, 10);
    }
    return rule->number && (!*end || *end == ',') &&
           (rule->fault != CHAOS_UNSUPPORTED || rule->point == WRAP_PLAN);
}

int chaos_read_rules(const char *text, chaos_rule rules[CHAOS_RULES])
{
    int count = 0;
    while (text && *text) {
        int length = (int)strcspn(text, ",");
        if (count == CHAOS_RULES)
            return (int)wrap_host->fail(wrap_host, CR_INVALID,
                                        "CRESSET_CHAOS has more than %d rules", CHAOS_RULES),
                   -1;
        if (!read_rule(text, &rules[count]))
            return (int)wrap_host->fail(wrap_host, CR_INVALID,
                                        "CRESSET_CHAOS: \"%.*s\" is no rule. One is "
                                        "FAULT:CALL:WHICH, with fail, oom, "
                                        "lost, unsupported (of a plan), delay, corrupt or crash; "
                                        "alloc, copy, plan or "
                                        "run; and 12, 12+ (and all later) or 1/100 (by chance)",
                                        length, text),
                   -1;
        count++;
        text += length + (text[length] == ',');
    }
    return count;
}
