/* See kernel.h. Compiled behind the declarations of Cryptoki (build_kernel.py puts them in front). */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "operations.c"

#define SPIN_NS 150000u /* a sleep ends so much too late at times, even with the smallest timer slack */
#define NAP_NS 20000000u /* how long a sleeping thread may not see the stop flag */

static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Not load_now: an exported function is called through a table, and inside the timed part that shows. */
static inline uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t load_now(void)
{
    return now_ns();
}

static inline int stopped(const int *stop)
{
    return __atomic_load_n(stop, __ATOMIC_RELAXED);
}

/* Sleep for the most part, spin for the rest; returns when it is time or `stop` is set. *spun: CPU it took. */
static uint64_t wait_until(uint64_t due, const int *stop, uint64_t *spun)
{
    uint64_t now = now_ns();

    while (now + SPIN_NS < due && !stopped(stop)) {
        const uint64_t left = due - now - SPIN_NS;
        const struct timespec nap = {0, (long)(left < NAP_NS ? left : NAP_NS)};
        nanosleep(&nap, NULL);
        now = now_ns();
    }
    const uint64_t spin_from = now;
    while (now < due && !stopped(stop))
        now = now_ns();
    *spun += now - spin_from;
    return now;
}

/* The smallest timer slack: the default lets every sleep end 50 µs late. Returns what to restore. */
static long sharp_timers(void)
{
#ifdef __linux__
    const long before = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    return before;
#else
    return 0;
#endif
}

static void restore_timers(long slack)
{
#ifdef __linux__
    if (slack > 0)
        prctl(PR_SET_TIMERSLACK, slack, 0, 0, 0);
#else
    (void)slack;
#endif
}

/* An IV must never come twice under one key, so it moves on even when the call fails. */
static inline void advance(unsigned char *counter)
{
    for (int i = 7; i >= 0 && ++counter[i] == 0; i--)
        ;
}

static void count_error(load_job *job, CK_RV rv)
{
    for (int i = 0; i < LOAD_ERROR_CODES; i++) {
        if (job->error_count[i] == 0)
            job->error_code[i] = rv;
        if (job->error_code[i] == rv) {
            job->error_count[i]++;
            return;
        }
    }
    job->other_errors++;
}

/* One stretch of calls: the warm-up or the measured window. */
typedef struct {
    uint64_t deadline, limit; /* UINT64_MAX: none */
    uint64_t due; /* open loop: when the next call is due; moves on */
    const int *stop;
    int measured;
} stretch;

/* Calls until the deadline, the limit, the stop flag or too many errors in a row; at least one call, unless a due
 * time never comes. Latencies and results go to the job where `measured`. Returns the calls made.
 *
 * `plain` is the loop that a C programmer would write. Otherwise: open loop, parts of an operation on the clock,
 * multi-part operations, length queries, ends of calls, objects to destroy. */
ALWAYS_INLINE uint64_t loop(load_job *job, const int operation, const int plain, stretch *run)
{
    const load_job own = *job; /* nobody else can reach a local: the compiler may keep it in registers */
    const stretch its = *run;
    const uint64_t capacity = its.measured ? own.capacity : 0;
    const uint64_t give_up = own.give_up ? own.give_up : UINT64_MAX;
    const int *stop = its.stop;
    uint64_t successes = 0, failures = 0, in_a_row = 0, recorded = 0, aside = 0, spun = 0;
    uint64_t due = its.due, begin, first, done, end = now_ns();
    load_made made;
    CK_RV rv;

    do {
        if (!plain && own.interval_ns) {
            if (due >= its.deadline)
                break;
            begin = wait_until(due, stop, &spun);
            if (begin < due)
                break; /* the stop flag */
        }
        if (own.counter)
            advance(own.counter);
        if (!plain && own.fresh_iv)
            memset(own.fresh_iv, 0, own.fresh_iv_length);
        begin = now_ns();
        rv = first_call(&own, operation, &made);
        if (!plain)
            first = own.timed == LOAD_TIME_ALL ? begin : now_ns();
        if (rv == 0)
            rv = other_calls(&own, operation, plain, &made);
        end = done = now_ns();
        if (!plain) {
            if (makes_objects(operation) && rv == 0) {
                rv = remove_made(&own, operation, &made);
                end = now_ns();
            }
            const uint64_t from = own.timed == LOAD_TIME_OTHERS ? first : begin;
            const uint64_t to = own.timed == LOAD_TIME_FIRST ? first : done;
            aside += end - begin - (to - from);
            if (rv == 0 && recorded < capacity) {
                /* lateness counts whatever the clock is on */
                own.latency_ns[recorded] = own.interval_ns ? to - from + (begin - due) : to - from;
                if (own.service_ns)
                    own.service_ns[recorded] = to - from;
                if (own.end_ns_of)
                    own.end_ns_of[recorded] = end;
                recorded++;
            }
            due += own.interval_ns;
        } else if (rv == 0 && recorded < capacity) {
            own.latency_ns[recorded++] = end - begin;
        }
        if (rv == 0) {
            successes++;
            in_a_row = 0;
        } else {
            failures++;
            in_a_row++;
            if (its.measured)
                count_error(job, rv);
        }
    } while (end < its.deadline && successes + failures < its.limit && in_a_row < give_up && !stopped(stop));

    run->due = due;
    if (its.measured) {
        job->successes = successes;
        job->failures = failures;
        job->recorded = recorded;
        job->gave_up = in_a_row >= give_up;
        job->aside_ns = aside;
        job->cpu_ns = spun; /* for now: run_thread takes it off */
        job->end_ns = end;
        if (own.interval_ns && its.deadline != UINT64_MAX && end >= its.deadline && due < its.deadline)
            job->overdue = (its.deadline - due - 1) / own.interval_ns + 1;
    }
    return successes + failures;
}

#define EACH_OPERATION(do_it)                                                                               \
    do_it(LOAD_SIGN) do_it(LOAD_VERIFY) do_it(LOAD_ENCRYPT) do_it(LOAD_DECRYPT) do_it(LOAD_DIGEST)          \
    do_it(LOAD_RANDOM) do_it(LOAD_SEED) do_it(LOAD_GENERATE_KEY) do_it(LOAD_GENERATE_KEY_PAIR)              \
    do_it(LOAD_WRAP) do_it(LOAD_UNWRAP) do_it(LOAD_DERIVE) do_it(LOAD_ENCAPSULATE)                          \
    do_it(LOAD_DECAPSULATE) do_it(LOAD_FIND) do_it(LOAD_ATTRIBUTES) do_it(LOAD_SESSION)                     \
    do_it(LOAD_LOGIN) do_it(LOAD_INITIALIZE)

/* A function for each: in a common one the compiler would keep on the stack what belongs into registers. */
typedef uint64_t (*load_loop)(load_job *job, stretch *run);
#define BOTH_LOOPS(operation)                                                                               \
    static __attribute__((noinline)) uint64_t plain_##operation(load_job *job, stretch *run)                \
    {                                                                                                       \
        return loop(job, operation, 1, run);                                                                \
    }                                                                                                       \
    static __attribute__((noinline)) uint64_t other_##operation(load_job *job, stretch *run)                \
    {                                                                                                       \
        return loop(job, operation, 0, run);                                                                \
    }
EACH_OPERATION(BOTH_LOOPS)

static load_loop loop_of(const load_job *job)
{
#define PLAIN(operation) [operation] = plain_##operation,
#define OTHER(operation) [operation] = other_##operation,
    static const load_loop plain_loops[] = {EACH_OPERATION(PLAIN)};
    static const load_loop other_loops[] = {EACH_OPERATION(OTHER)};
    const int plain = !job->interval_ns && job->timed == LOAD_TIME_ALL && !job->parts && !job->length_query
                      && !job->fresh_iv && !job->service_ns && !job->end_ns_of
                      && !makes_objects(job->operation);

    return (plain ? plain_loops : other_loops)[job->operation];
}

typedef struct {
    load_job *job;
    int *stop;
    int *waiting; /* threads that have not arrived; -1: called off */
    uint64_t *origin; /* the common start; 0 until the first thread has set it */
} thread_start;

static void *run_thread(void *argument)
{
    thread_start *start = argument;
    load_job *job = start->job;
    int left = __atomic_sub_fetch(start->waiting, 1, __ATOMIC_ACQ_REL);

    /* Not pthread_barrier_t: macOS has none, and a called-off start must not hang. */
    while (left > 0) {
        sched_yield();
        left = __atomic_load_n(start->waiting, __ATOMIC_ACQUIRE);
    }
    if (left < 0)
        return NULL;

    uint64_t unset = 0;
    const uint64_t now = now_ns();
    __atomic_compare_exchange_n(start->origin, &unset, now, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    const uint64_t origin = unset ? unset : now;
    const uint64_t measured_from = (job->interval_ns ? origin : now) + job->warmup_ns;
    stretch run = {
        .deadline = measured_from,
        .limit = UINT64_MAX,
        /* of the measured window and not of the warm-up: however long that is, the window has its share of due times */
        .due = origin + (job->interval_ns ? (job->warmup_ns + job->phase_ns) % job->interval_ns : 0),
        .stop = start->stop,
    };
    const load_loop call = loop_of(job);
    const long slack = job->interval_ns ? sharp_timers() : 0;

    job->warmup_calls = 0;
    if (job->warmup_ns)
        job->warmup_calls = call(job, &run);
    run.deadline = job->duration_ns ? measured_from + job->duration_ns : UINT64_MAX;
    run.limit = job->limit ? job->limit : UINT64_MAX;
    run.measured = 1;
    const uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    job->begin_ns = now_ns();
    /* The warm-up of an open loop ends when nothing more is due in it, and the window begins when it was to: it is
     * idle time that belongs to the rate. A thread that is behind begins when it is free. */
    if (job->interval_ns && (job->begin_ns <= run.due || !job->warmup_ns))
        job->begin_ns = measured_from;
    call(job, &run);
    const uint64_t used = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    job->cpu_ns = used > job->cpu_ns ? used - job->cpu_ns : 0;
    restore_timers(slack);
    /* A thread that gave up early has not become faster by it: its window lasts to the deadline. So does that of an
     * open loop that is free again when the next call is due, beyond the deadline: a window of so many intervals
     * holds as many calls, wherever in the last interval its call ended. */
    if (job->duration_ns && job->gave_up && job->end_ns < run.deadline)
        job->end_ns = run.deadline;
    if (job->duration_ns && job->interval_ns && !stopped(start->stop) && run.due >= run.deadline
        && job->end_ns <= run.due)
        job->end_ns = run.deadline;
    if (job->begin_ns > job->end_ns) /* stopped before the window */
        job->begin_ns = job->end_ns;
    return NULL;
}

int load_run(load_job *jobs, int count, int *stop)
{
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    thread_start *starts = calloc((size_t)count, sizeof *starts);
    uint64_t origin = 0;
    int waiting = count;
    int made = 1;
    int error = 0;

    if (!threads || !starts || count < 1) {
        free(threads);
        free(starts);
        return count < 1 ? EINVAL : ENOMEM;
    }
    for (int i = 0; i < count; i++) {
        load_job *job = &jobs[i];
        starts[i] = (thread_start){job, stop, &waiting, &origin};
        job->successes = job->failures = job->recorded = job->other_errors = job->overdue = 0;
        job->begin_ns = job->end_ns = job->cpu_ns = job->aside_ns = 0;
        job->gave_up = 0;
        for (int k = 0; k < LOAD_ERROR_CODES; k++)
            job->error_count[k] = job->error_code[k] = 0;
    }
    while (made < count && !error) {
        error = pthread_create(&threads[made], NULL, run_thread, &starts[made]);
        if (!error)
            made++;
    }
    if (error)
        __atomic_store_n(&waiting, -count, __ATOMIC_RELEASE); /* stays negative whoever still arrives */
    else
        run_thread(&starts[0]);
    for (int i = 1; i < made; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    free(starts);
    return error;
}
