/* What an operation that isn't there may have been meant to be: the names nearest to it. */
#include <string.h>

#include "core/ops/table.h"

/* Levenshtein's distance, or something from limit on where it is that far. */
static int distance(const char *a, size_t na, const char *b, size_t nb, int limit)
{
    int row[80], la = (int)na, lb = (int)nb;
    if (na > 70 || nb > 70 || la - lb >= limit || lb - la >= limit)
        return 100;
    for (int j = 0; j <= lb; j++)
        row[j] = j;
    for (int i = 1; i <= la; i++) {
        int diagonal = row[0], least = i;
        row[0] = i;
        for (int j = 1; j <= lb; j++) {
            int up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            best = up + 1 < best ? up + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            least = best < least ? best : least;
            diagonal = up;
            row[j] = best;
        }
        if (least >= limit)
            return least;
    }
    return row[lb];
}

int cr_op_unknown(const char *name)
{
    const char *close[3] = {NULL};
    int far[3] = {100, 100, 100};
    const cr_op *ops = cr_ops();
    size_t length = strlen(name);
    bool dotted = strchr(name, '.');
    for (size_t i = 0; i < cr_op_count(); i++) {
        size_t theirs = dotted ? strlen(ops[i].name) : (size_t)ops[i].schema->bare;
        int d = distance(name, length, ops[i].name, theirs, far[2]);
        for (int k = 0; k < 3; k++) {
            bool known = false;
            for (int j = 0; j < k; j++)
                known = known || (close[j] && far[j] == d &&
                                  !strncmp(close[j], ops[i].name, ops[i].schema->bare));
            if (known)
                break;
            if (d < far[k]) {
                for (int j = 2; j > k; j--) {
                    far[j] = far[j - 1];
                    close[j] = close[j - 1];
                }
                far[k] = d;
                close[k] = ops[i].name;
                break;
            }
        }
    }
    return CR_FAIL_INT("there is no operation '%s'; the closest names are %s, %s and %s", name,
                       close[0] ? close[0] : "-", close[1] ? close[1] : "-",
                       close[2] ? close[2] : "-");
}
