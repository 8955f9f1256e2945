/* A module's signatures, slower by a known part: what a verdict has to find.
 *
 * `slowed(list)` gives a copy of a function list whose C_SignInit and C_Sign answer as before. With `slow_by(part,
 * count)` C_Sign then counts to `count` (a known amount of work for a module that has none of its own), and spins
 * for `part` of the time since C_SignInit was called; of a call that was interrupted, which took more than twice as
 * long as the shortest, for that part of the shortest. One thread at a time. */

#include <time.h>

#include "cryptoki.h"

static CK_FUNCTION_LIST real, list;
static double slow_part;
static unsigned long slow_count;
static unsigned long long begun, shortest = ~0ull;

static unsigned long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec;
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    begun = now();
    return real.C_SignInit(session, mechanism, key);
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG length, CK_BYTE *out, CK_ULONG *room)
{
    CK_RV rv = real.C_Sign(session, data, length, out, room);
    unsigned long long taken, until;

    for (volatile unsigned long i = 0; i < slow_count; i++)
        ;
    until = now();
    taken = until - begun;
    if (taken < shortest)
        shortest = taken;
    until += (unsigned long long)((double)(taken > 2 * shortest ? shortest : taken) * slow_part);
    while (slow_part > 0 && now() < until)
        ;
    return rv;
}

void *slowed(void *of)
{
    real = list = *(CK_FUNCTION_LIST *)of;
    list.C_SignInit = sign_init;
    list.C_Sign = sign;
    return &list;
}

void slow_by(double part, unsigned long count)
{
    slow_part = part;
    slow_count = count;
}
