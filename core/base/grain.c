/* See grain.h. */
#include "core/base/grain.h"

enum { PERIODS = 16 };
static const double period = 4e6, shortest_hold = 5e7, longest_hold = 1e9;
/* Short jobs may do harm to somewhat longer ones after them, which count as well. A longer gap between two means that the program did
 * something else. */
static const double longest_counted = 200e3, longest_gap = 1e6;
/* By what the work of a nanosecond differs where the program does something else. */
static const double difference = 1.3;

static void forget_sums(cr_grain *grain)
{
    for (int i = 0; i < 2; i++)
        grain->work[i] = grain->time[i] = 0;
}

static void begin_trial(cr_grain *grain)
{
    grain->periods = PERIODS;
    grain->holding = false;
}

/* Whether the answers differ so much after two periods of each that the rest of the trial would only cost. */
static bool is_clear(const cr_grain *grain)
{
    double without = grain->work[0] * grain->time[1], with = grain->work[1] * grain->time[0];
    return grain->periods <= PERIODS - 4 && (with > 1.2 * without || without > 1.2 * with);
}

static void end_trial(cr_grain *grain)
{
    bool answer = grain->work[1] * grain->time[0] >= grain->work[0] * grain->time[1];
    double longer = grain->hold * 2 < longest_hold ? grain->hold * 2 : longest_hold;
    grain->hold = answer == grain->answer && grain->hold > 0 ? longer : shortest_hold;
    grain->shares = grain->answer = answer;
    grain->rate = grain->work[answer] / grain->time[answer];
    grain->held = 0;
    grain->periods = 0;
    grain->holding = true;
    forget_sums(grain);
}

/* Whether a part of the hold that has passed was its last one. */
static bool hold_ends(cr_grain *grain)
{
    const double rate = grain->work[grain->shares] / grain->time[grain->shares];
    const bool changed = rate > difference * grain->rate || grain->rate > difference * rate;
    grain->held += shortest_hold;
    if (changed)
        grain->hold = 0;
    forget_sums(grain);
    return grain->held >= grain->hold;
}

bool cr_grain_shares_short(cr_grain *grain, double work, int64_t now)
{
    double took = (double)(now - grain->last), did = grain->last_work;
    grain->last = now;
    grain->last_work = work;
    if (!grain->holding && !grain->periods) {
        begin_trial(grain);
        grain->shares = true;
    }
    if (did > longest_counted || took > longest_gap)
        return grain->shares;
    grain->work[grain->shares] += did;
    grain->time[grain->shares] += took;
    if (did < CR_GRAIN_LONG)
        grain->spent += took;
    if (grain->spent < (grain->holding ? shortest_hold : period))
        return grain->shares;
    grain->spent = 0;
    if (grain->holding) {
        if (!hold_ends(grain))
            return grain->shares;
        begin_trial(grain);
    } else if (--grain->periods == 0 || is_clear(grain)) {
        end_trial(grain);
    }
    if (!grain->holding)
        grain->shares = !grain->shares;
    return grain->shares;
}
