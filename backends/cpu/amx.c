#include "amx.h"

#include "cpu.h"

#include <pthread.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

static pthread_once_t asked = PTHREAD_ONCE_INIT;
static bool works;

/* Tiles are a state that Linux gives only to processes that ask. */
static void ask_for_tiles(void)
{
#if defined __linux__ && defined SYS_arch_prctl
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    works = cpu_may_use_amx && !syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA);
#endif
}

bool cpu_amx_works(void)
{
    pthread_once(&asked, ask_for_tiles);
    return works;
}
