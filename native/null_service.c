/* The null module as a slow token: what a program does while a call lasts can then be seen.
 *
 * Two variables of the environment, read when a program asks for the function list:
 *   WORKBENCH_NULL_SERVICE_US  every call that would use cryptography (sign, encrypt, digest, random numbers,
 *                              key generation) sleeps at least so many microseconds; a length query does not
 *   WORKBENCH_NULL_EVENT_MS    a blocking C_WaitForSlotEvent returns slot 0 after so many milliseconds; without
 *                              it, it returns only when C_Finalize is called meanwhile (5.5.4)
 * A slow token has a function list of its own, so the calls that a floor is measured with pay nothing. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static unsigned long null_service_us;
static unsigned long null_event_ms; /* 0: no event ever comes */

/* How often C_Finalize was called: whoever waits across a change of it must go. */
static unsigned long null_endings;
static pthread_mutex_t null_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t null_ended = PTHREAD_COND_INITIALIZER;

static unsigned long null_setting(const char *name)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : 0;
}

static void null_serve(void)
{
    struct timespec left = {(time_t)(null_service_us / 1000000), (long)(null_service_us % 1000000) * 1000};

    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}

/* C_Sign and C_Digest */
static CK_RV slow_fixed(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *output,
                        CK_ULONG *length)
{
    if (output)
        null_serve();
    return null_fixed(session, data, data_length, output, length);
}

static CK_RV slow_encrypt(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *output,
                          CK_ULONG *length)
{
    if (output)
        null_serve();
    return null_encrypt(session, data, data_length, output, length);
}

static CK_RV slow_random(CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG length)
{
    null_serve();
    return null_random(session, output, length);
}

static CK_RV slow_generate_key(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *attributes,
                               CK_ULONG count, CK_OBJECT_HANDLE *key)
{
    null_serve();
    return null_generate_key(session, mechanism, attributes, count, key);
}

static CK_RV slow_generate_pair(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *publics,
                                CK_ULONG public_count, CK_ATTRIBUTE *privates, CK_ULONG private_count,
                                CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
    null_serve();
    return null_generate_pair(session, mechanism, publics, public_count, privates, private_count, public_key,
                              private_key);
}

static CK_RV null_wait(CK_FLAGS flags, CK_SLOT_ID *slot, CK_VOID_PTR reserved)
{
    struct timespec due;
    unsigned long before;
    int waited = 0;
    CK_RV rv;

    if (!slot || reserved)
        return NULL_ARGUMENTS_BAD;
    if (flags & NULL_DONT_BLOCK)
        return NULL_NO_EVENT;
    clock_gettime(CLOCK_REALTIME, &due);
    due.tv_nsec += (long)(null_event_ms % 1000) * 1000000;
    due.tv_sec += (time_t)(null_event_ms / 1000) + due.tv_nsec / 1000000000;
    due.tv_nsec %= 1000000000;
    pthread_mutex_lock(&null_lock);
    before = null_endings;
    while (before == null_endings && waited != ETIMEDOUT)
        waited = null_event_ms ? pthread_cond_timedwait(&null_ended, &null_lock, &due)
                               : pthread_cond_wait(&null_ended, &null_lock);
    rv = before == null_endings ? 0 : NULL_NOT_INITIALIZED;
    pthread_mutex_unlock(&null_lock);
    *slot = 0;
    return rv;
}

static void null_end_waiting(void)
{
    pthread_mutex_lock(&null_lock);
    null_endings++;
    pthread_cond_broadcast(&null_ended);
    pthread_mutex_unlock(&null_lock);
}
