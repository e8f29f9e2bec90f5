/* The smallest program: adds two tensors, looks at the result, and says in KiB what it has resident then. launch.c times it from
 * its start to that line. */
#include <cresset/cresset.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    double sum = cr_item(cr_sum(cr_add(cr_ones(CR_INTS(2, 2)), cr_ones(CR_INTS(2, 2)))));
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2 || sum != 8)
        return 1;
    fclose(f);
    printf("%ld\n", resident * (sysconf(_SC_PAGESIZE) / 1024));
    fflush(stdout);
    return cr_exit();
}
