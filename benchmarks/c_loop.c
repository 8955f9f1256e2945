/* What a C programmer would write to time operations of a PKCS#11 module: the measure of our kernel.
 *
 * Each function makes `count` calls, writes the nanoseconds of each, and returns the first code that is not
 * CKR_OK. loop_threads runs one of them in several threads at once. cryptoki.h holds the declarations of the
 * standard; kernel_vs_c.py writes it and compiles this. */

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "cryptoki.h"

/* What a thread works with; not every operation needs all of it. */
typedef struct {
    CK_FUNCTION_LIST *p11;
    CK_SESSION_HANDLE session;
    CK_MECHANISM *mechanism;
    CK_OBJECT_HANDLE key;
    CK_BYTE *data;
    CK_ULONG data_length;
    CK_BYTE *signature;
    CK_ULONG signature_length;
    CK_BYTE *out;
    CK_ULONG room;
    uint64_t *ns;
    long count;
    uint64_t begin, end; /* out */
    CK_RV rv; /* out */
} work;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

CK_RV loop_sign(work *w)
{
    for (long i = 0; i < w->count; i++) {
        CK_ULONG length = w->room;
        uint64_t start = now();
        CK_RV rv = w->p11->C_SignInit(w->session, w->mechanism, w->key);
        if (rv == 0)
            rv = w->p11->C_Sign(w->session, w->data, w->data_length, w->out, &length);
        w->ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}

CK_RV loop_verify(work *w)
{
    for (long i = 0; i < w->count; i++) {
        uint64_t start = now();
        CK_RV rv = w->p11->C_VerifyInit(w->session, w->mechanism, w->key);
        if (rv == 0)
            rv = w->p11->C_Verify(w->session, w->data, w->data_length, w->signature, w->signature_length);
        w->ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}

/* The last eight bytes of the IV count up: no IV may come twice under one key. */
CK_RV loop_encrypt(work *w)
{
    CK_GCM_PARAMS *gcm = w->mechanism->pParameter;

    for (long i = 0; i < w->count; i++) {
        for (int at = (int)gcm->ulIvLen - 1; at >= 4 && ++gcm->pIv[at] == 0; at--)
            ;
        CK_ULONG length = w->room;
        uint64_t start = now();
        CK_RV rv = w->p11->C_EncryptInit(w->session, w->mechanism, w->key);
        if (rv == 0)
            rv = w->p11->C_Encrypt(w->session, w->data, w->data_length, w->out, &length);
        w->ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}

CK_RV loop_decrypt(work *w)
{
    for (long i = 0; i < w->count; i++) {
        CK_ULONG length = w->room;
        uint64_t start = now();
        CK_RV rv = w->p11->C_DecryptInit(w->session, w->mechanism, w->key);
        if (rv == 0)
            rv = w->p11->C_Decrypt(w->session, w->data, w->data_length, w->out, &length);
        w->ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}

CK_RV loop_digest(work *w)
{
    for (long i = 0; i < w->count; i++) {
        CK_ULONG length = w->room;
        uint64_t start = now();
        CK_RV rv = w->p11->C_DigestInit(w->session, w->mechanism);
        if (rv == 0)
            rv = w->p11->C_Digest(w->session, w->data, w->data_length, w->out, &length);
        w->ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}

CK_RV loop_random(work *w)
{
    for (long i = 0; i < w->count; i++) {
        uint64_t start = now();
        CK_RV rv = w->p11->C_GenerateRandom(w->session, w->out, w->room);
        w->ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}

typedef CK_RV (*loop)(work *);

typedef struct {
    loop run;
    work *work;
    pthread_barrier_t *start;
} thread;

static void *run_thread(void *argument)
{
    thread *t = argument;

    pthread_barrier_wait(t->start);
    t->work->begin = now();
    t->work->rv = t->run(t->work);
    t->work->end = now();
    return NULL;
}

/* The calling thread takes the first work. Returns 0, or an errno. */
int loop_threads(loop run, work *all, int count)
{
    pthread_barrier_t start;
    pthread_t threads[64];
    thread arguments[64];
    int error = 0;

    if (count > 64 || pthread_barrier_init(&start, NULL, (unsigned)count))
        return -1;
    for (int i = 0; i < count; i++) {
        arguments[i] = (thread){run, &all[i], &start};
        if (i && (error = pthread_create(&threads[i], NULL, run_thread, &arguments[i])))
            return error;
    }
    run_thread(&arguments[0]);
    for (int i = 1; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    return 0;
}
