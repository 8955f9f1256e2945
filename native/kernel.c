/* See kernel.h. Compiled behind the declarations of Cryptoki (build_kernel.py puts them in front). */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t load_now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* An IV must never come twice under one key, so it moves on even when the call fails. */
static inline void advance(unsigned char *counter)
{
    for (int i = 7; i >= 0 && ++counter[i] == 0; i--)
        ;
}

/* Inlined with a constant operation: what is decided once must not be decided inside the timed part. */
static inline __attribute__((always_inline)) CK_RV operate(const load_job *job, const int operation)
{
    CK_FUNCTION_LIST *f = job->functions;
    CK_BYTE *data = (CK_BYTE *)job->data;
    CK_ULONG length = job->output_capacity;
    CK_ULONG asked = 0;
    CK_RV rv;

    switch (operation) {
    case LOAD_SIGN:
        rv = f->C_SignInit(job->session, job->mechanism, job->key);
        if (rv == 0 && job->length_query)
            rv = f->C_Sign(job->session, data, job->data_length, NULL, &asked);
        return rv ? rv : f->C_Sign(job->session, data, job->data_length, job->output, &length);
    case LOAD_ENCRYPT:
        rv = f->C_EncryptInit(job->session, job->mechanism, job->key);
        if (rv == 0 && job->length_query)
            rv = f->C_Encrypt(job->session, data, job->data_length, NULL, &asked);
        return rv ? rv : f->C_Encrypt(job->session, data, job->data_length, job->output, &length);
    case LOAD_DIGEST:
        rv = f->C_DigestInit(job->session, job->mechanism);
        if (rv == 0 && job->length_query)
            rv = f->C_Digest(job->session, data, job->data_length, NULL, &asked);
        return rv ? rv : f->C_Digest(job->session, data, job->data_length, job->output, &length);
    default:
        return f->C_GenerateRandom(job->session, job->output, length);
    }
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

/* Calls until the deadline, the limit, the stop flag or too many errors in a row; at least one call.
 * Latencies and results go to the job where `measured`. Returns the calls made. */
static inline __attribute__((always_inline)) uint64_t closed_loop(load_job *job, const int operation,
                                                                  uint64_t deadline, uint64_t limit,
                                                                  const int *stop, int measured)
{
    const load_job own = *job; /* nobody else can reach a local: the compiler may keep it in registers */
    uint64_t *latency = job->latency_ns;
    const uint64_t capacity = measured ? job->latency_capacity : 0;
    const uint64_t give_up = job->give_up ? job->give_up : UINT64_MAX;
    uint64_t successes = 0, failures = 0, in_a_row = 0, recorded = 0, end;

    do {
        if (own.counter)
            advance(own.counter);
        const uint64_t begin = load_now();
        const CK_RV rv = operate(&own, operation);
        end = load_now();
        if (rv == 0) {
            if (recorded < capacity)
                latency[recorded++] = end - begin;
            successes++;
            in_a_row = 0;
        } else {
            failures++;
            in_a_row++;
            if (measured)
                count_error(job, rv);
        }
    } while (end < deadline && successes + failures < limit && in_a_row < give_up
             && !__atomic_load_n(stop, __ATOMIC_RELAXED));

    if (measured) {
        job->successes = successes;
        job->failures = failures;
        job->recorded = recorded;
        job->gave_up = in_a_row >= give_up;
        job->end_ns = end;
    }
    return successes + failures;
}

static uint64_t call(load_job *job, uint64_t deadline, uint64_t limit, const int *stop, int measured)
{
    switch (job->operation) {
    case LOAD_SIGN:
        return closed_loop(job, LOAD_SIGN, deadline, limit, stop, measured);
    case LOAD_ENCRYPT:
        return closed_loop(job, LOAD_ENCRYPT, deadline, limit, stop, measured);
    case LOAD_DIGEST:
        return closed_loop(job, LOAD_DIGEST, deadline, limit, stop, measured);
    default:
        return closed_loop(job, LOAD_RANDOM, deadline, limit, stop, measured);
    }
}

typedef struct {
    load_job *job;
    int *stop;
    int *waiting; /* threads that have not arrived; -1: called off */
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

    const uint64_t now = load_now();
    const uint64_t measured_from = now + job->warmup_ns;
    const uint64_t deadline = job->duration_ns ? measured_from + job->duration_ns : UINT64_MAX;
    const uint64_t limit = job->limit ? job->limit : UINT64_MAX;

    job->warmup_calls = 0;
    if (job->warmup_ns)
        job->warmup_calls = call(job, measured_from, UINT64_MAX, start->stop, 0);
    const uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    job->begin_ns = load_now();
    call(job, deadline, limit, start->stop, 1);
    job->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    /* A thread that gave up early has not become faster by it: its window lasts to the deadline. */
    if (job->gave_up && job->duration_ns && job->end_ns < deadline)
        job->end_ns = deadline;
    return NULL;
}

int load_run(load_job *jobs, int count, int *stop)
{
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    thread_start *starts = calloc((size_t)count, sizeof *starts);
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
        starts[i] = (thread_start){job, stop, &waiting};
        job->successes = job->failures = job->recorded = job->other_errors = 0;
        job->begin_ns = job->end_ns = job->cpu_ns = 0;
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
