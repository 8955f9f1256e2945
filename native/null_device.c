/* The null module as a device of known speed: what a measurement finds can be held against the truth.
 *
 * Every call that would use cryptography (its length query does not) asks its slot's device for service. A device
 * keeps a calendar of its places: a call gets the place that is free first, is served from then on for the service
 * time, and returns when that has passed. A late sleeper therefore delays nobody but himself, and the capacity is
 * exactly nodes * capacity / service time.
 *
 * Slot 0 has the device that the environment describes when a program asks for the function list:
 *   WORKBENCH_NULL_SERVICE_US, _JITTER_US, _NODES, _CAPACITY, _LOST_MS, _STALL_MS, _FAIL_EVERY, _SPIN
 * (see load_device in kernel.h), and WORKBENCH_NULL_EVENT_MS: a blocking C_WaitForSlotEvent returns slot 0 after so
 * many milliseconds; without it, it returns only when C_Finalize is called meanwhile (5.5.4).
 * The functions are others than those that a floor is measured with, which therefore pays nothing for all this. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define NULL_SECOND 1000000000u
#define NULL_SPIN_NS 200000u

static struct {
    load_device is;
    pthread_mutex_t lock;
    uint64_t started; /* when the first call came */
    uint64_t calls, failed;
    uint64_t random;
    uint64_t next; /* where the search for a place begins */
    uint64_t free_at[LOAD_DEVICE_PLACES];
} null_devices[LOAD_DEVICES] = {[0 ... LOAD_DEVICES - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static int null_slow_by_environment;
static unsigned long null_event_ms; /* 0: no event ever comes */

/* How often C_Finalize was called: whoever waits across a change of it must go. */
static unsigned long null_endings;
static pthread_mutex_t null_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t null_ended = PTHREAD_COND_INITIALIZER;

int load_device_set(unsigned long slot, const load_device *device)
{
    load_device given = *device;

    given.nodes += given.nodes == 0;
    if (slot >= LOAD_DEVICES || given.nodes > LOAD_DEVICE_PLACES || given.capacity > LOAD_DEVICE_PLACES
        || given.nodes * given.capacity > LOAD_DEVICE_PLACES || given.jitter_ns > given.service_ns
        || given.stall_ns >= NULL_SECOND)
        return EINVAL;
    pthread_mutex_lock(&null_devices[slot].lock);
    null_devices[slot].is = given;
    null_devices[slot].started = null_devices[slot].calls = null_devices[slot].failed = 0;
    null_devices[slot].next = 0;
    null_devices[slot].random = 88172645463325252u;
    memset(null_devices[slot].free_at, 0, sizeof null_devices[slot].free_at);
    pthread_mutex_unlock(&null_devices[slot].lock);
    if (slot >= null_slots)
        null_slots = slot + 1;
    return 0;
}

void load_device_counts(unsigned long slot, uint64_t *calls, uint64_t *failed)
{
    *calls = *failed = 0;
    if (slot >= LOAD_DEVICES)
        return;
    pthread_mutex_lock(&null_devices[slot].lock);
    *calls = null_devices[slot].calls;
    *failed = null_devices[slot].failed;
    pthread_mutex_unlock(&null_devices[slot].lock);
}

static uint64_t null_setting(const char *name, uint64_t unit)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) * unit : 0;
}

/* Whether the environment gives slot 0 a device; it has it then. */
static int null_by_environment(void)
{
    const load_device none = {0};
    load_device given = {0}; /* its padding too: it is compared */

    given.service_ns = null_setting("WORKBENCH_NULL_SERVICE_US", 1000);
    given.jitter_ns = null_setting("WORKBENCH_NULL_JITTER_US", 1000);
    given.nodes = null_setting("WORKBENCH_NULL_NODES", 1);
    given.capacity = null_setting("WORKBENCH_NULL_CAPACITY", 1);
    given.lost_after_ns = null_setting("WORKBENCH_NULL_LOST_MS", 1000000);
    given.stall_ns = null_setting("WORKBENCH_NULL_STALL_MS", 1000000);
    given.fail_every = null_setting("WORKBENCH_NULL_FAIL_EVERY", 1);
    given.spin = null_setting("WORKBENCH_NULL_SPIN", 1) != 0;
    null_event_ms = null_setting("WORKBENCH_NULL_EVENT_MS", 1);
    null_slow_by_environment = memcmp(&given, &none, sizeof given) && load_device_set(0, &given) == 0;
    return null_slow_by_environment;
}

static void null_sleep_until(uint64_t end, int spin)
{
    uint64_t now = now_ns();
    const uint64_t until = spin ? end - NULL_SPIN_NS : end;

    while (now < until) {
        const uint64_t left = until - now;
        const struct timespec nap = {(time_t)(left / NULL_SECOND), (long)(left % NULL_SECOND)};
        nanosleep(&nap, NULL);
        now = now_ns();
    }
    while (now < end)
        now = now_ns();
}

/* When a stall that holds at `when` ends (when itself where none does). */
static uint64_t null_past_stall(uint64_t started, uint64_t stall, uint64_t when)
{
    const uint64_t second = (when - started) % NULL_SECOND;

    return stall && second >= NULL_SECOND - stall ? when - second + NULL_SECOND : when;
}

/* Wait for a place and be served: CKR_OK, or CKR_DEVICE_ERROR. */
static CK_RV null_serve(CK_SESSION_HANDLE session)
{
    NULL_CHECK(session);
    const CK_SLOT_ID slot = null_sessions[session].slot;
    const load_device *is = &null_devices[slot].is;
    uint64_t *const free_at = null_devices[slot].free_at;
    const uint64_t now = now_ns();

    pthread_mutex_lock(&null_devices[slot].lock);
    if (!null_devices[slot].started)
        null_devices[slot].started = now;
    const uint64_t started = null_devices[slot].started;
    const uint64_t lost_at = is->lost_after_ns ? started + is->lost_after_ns : UINT64_MAX;
    uint64_t service = is->service_ns;
    if (is->jitter_ns) { /* xorshift64 */
        uint64_t *const random = &null_devices[slot].random;
        *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
        service = service - is->jitter_ns + *random % (2 * is->jitter_ns + 1);
    }

    /* The place that is free first, whoever's turn it is among equals; a place of the lost node is none. */
    const uint64_t places = is->nodes * (is->capacity ? is->capacity : 1);
    const uint64_t turn = null_devices[slot].next++;
    uint64_t chosen = places, begin = UINT64_MAX;
    for (uint64_t i = 0; i < places; i++) {
        const uint64_t place = (turn + i) % places;
        const uint64_t from = is->capacity && free_at[place] > now ? free_at[place] : now;
        const int lost = place % is->nodes == is->nodes - 1 && from >= lost_at;
        if (!lost && from < begin)
            chosen = place, begin = from;
    }
    CK_RV rv = 0;
    uint64_t end = now;
    if (chosen == places) {
        rv = NULL_DEVICE_ERROR; /* its only node is lost */
    } else {
        begin = null_past_stall(started, is->stall_ns, begin);
        end = begin + service;
        /* a stall that begins in the middle halts what is running */
        if (is->stall_ns && (begin - started) % NULL_SECOND + service > NULL_SECOND - is->stall_ns)
            end += is->stall_ns;
        free_at[chosen] = end;
        if (chosen % is->nodes == is->nodes - 1 && end > lost_at)
            rv = NULL_DEVICE_ERROR, end = lost_at;
    }
    if (is->fail_every && (null_devices[slot].calls + 1) % is->fail_every == 0)
        rv = NULL_DEVICE_ERROR;
    null_devices[slot].calls++;
    null_devices[slot].failed += rv != 0;
    const int spin = is->spin;
    pthread_mutex_unlock(&null_devices[slot].lock);
    null_sleep_until(end, spin);
    return rv;
}

/* The data calls of null_calls.c behind a device. `asks`: whether this call needs it. */
#define SLOW(name, asks, parameters, arguments)                                                             \
    static CK_RV slow_##name parameters                                                                     \
    {                                                                                                       \
        const CK_RV rv = (asks) ? null_serve(session) : 0;                                                  \
        return rv ? rv : null_##name arguments;                                                             \
    }

SLOW(fixed, output != NULL,
     (CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size, CK_BYTE *output, CK_ULONG *length),
     (session, data, size, output, length))
SLOW(encrypt, output != NULL,
     (CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size, CK_BYTE *output, CK_ULONG *length),
     (session, data, size, output, length))
SLOW(decrypt, output != NULL,
     (CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size, CK_BYTE *output, CK_ULONG *length),
     (session, data, size, output, length))
SLOW(update, output != NULL,
     (CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size, CK_BYTE *output, CK_ULONG *length),
     (session, data, size, output, length))
SLOW(verify, 1,
     (CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size, CK_BYTE *signature, CK_ULONG length),
     (session, data, size, signature, length))
SLOW(final, output != NULL, (CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG *length),
     (session, output, length))
SLOW(tag, output != NULL, (CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG *length),
     (session, output, length))
SLOW(rest, output != NULL, (CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG *length),
     (session, output, length))
SLOW(take, 1, (CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size), (session, data, size))
SLOW(random, 1, (CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG size), (session, output, size))
SLOW(generate_key, 1,
     (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *attributes, CK_ULONG count,
      CK_OBJECT_HANDLE *key),
     (session, mechanism, attributes, count, key))
SLOW(generate_pair, 1,
     (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *publics, CK_ULONG public_count,
      CK_ATTRIBUTE *privates, CK_ULONG private_count, CK_OBJECT_HANDLE *public_key,
      CK_OBJECT_HANDLE *private_key),
     (session, mechanism, publics, public_count, privates, private_count, public_key, private_key))
SLOW(derive, 1,
     (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE base, CK_ATTRIBUTE *attributes,
      CK_ULONG count, CK_OBJECT_HANDLE *key),
     (session, mechanism, base, attributes, count, key))
SLOW(wrap, output != NULL,
     (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key,
      CK_BYTE *output, CK_ULONG *length),
     (session, mechanism, wrapping, key, output, length))
SLOW(unwrap, 1,
     (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping, CK_BYTE *wrapped,
      CK_ULONG size, CK_ATTRIBUTE *attributes, CK_ULONG count, CK_OBJECT_HANDLE *key),
     (session, mechanism, wrapping, wrapped, size, attributes, count, key))
SLOW(encapsulate, ciphertext != NULL,
     (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE public_key,
      CK_ATTRIBUTE *attributes, CK_ULONG count, CK_BYTE *ciphertext, CK_ULONG *length, CK_OBJECT_HANDLE *key),
     (session, mechanism, public_key, attributes, count, ciphertext, length, key))
SLOW(decapsulate, 1,
     (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE private_key,
      CK_ATTRIBUTE *attributes, CK_ULONG count, CK_BYTE *ciphertext, CK_ULONG length, CK_OBJECT_HANDLE *key),
     (session, mechanism, private_key, attributes, count, ciphertext, length, key))
#undef SLOW

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
