/* What a C programmer would write to time four operations of a PKCS#11 module: the measure of our kernel.
 *
 * Each function makes `count` calls, writes the nanoseconds of each, and returns the first code that is not
 * CKR_OK. cryptoki.h holds the declarations of the standard; kernel_vs_c.py writes it and compiles this. */

#include <stdint.h>
#include <time.h>

#include "cryptoki.h"

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

CK_RV loop_sign(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
                CK_BYTE *data, CK_ULONG data_length, CK_BYTE *out, CK_ULONG room, uint64_t *ns, long count)
{
    for (long i = 0; i < count; i++) {
        CK_ULONG length = room;
        uint64_t start = now();
        CK_RV rv = p11->C_SignInit(session, mechanism, key);
        if (rv == 0)
            rv = p11->C_Sign(session, data, data_length, out, &length);
        ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}

/* The last eight bytes of the IV count up: no IV may come twice under one key. */
CK_RV loop_encrypt(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
                   CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *out, CK_ULONG room,
                   uint64_t *ns, long count)
{
    CK_GCM_PARAMS *gcm = mechanism->pParameter;

    for (long i = 0; i < count; i++) {
        for (int at = (int)gcm->ulIvLen - 1; at >= 4 && ++gcm->pIv[at] == 0; at--)
            ;
        CK_ULONG length = room;
        uint64_t start = now();
        CK_RV rv = p11->C_EncryptInit(session, mechanism, key);
        if (rv == 0)
            rv = p11->C_Encrypt(session, data, data_length, out, &length);
        ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}

CK_RV loop_digest(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
                  CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *out, CK_ULONG room,
                  uint64_t *ns, long count)
{
    (void)key;
    for (long i = 0; i < count; i++) {
        CK_ULONG length = room;
        uint64_t start = now();
        CK_RV rv = p11->C_DigestInit(session, mechanism);
        if (rv == 0)
            rv = p11->C_Digest(session, data, data_length, out, &length);
        ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}

CK_RV loop_random(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
                  CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *out, CK_ULONG room,
                  uint64_t *ns, long count)
{
    (void)mechanism, (void)key, (void)data, (void)data_length;
    for (long i = 0; i < count; i++) {
        uint64_t start = now();
        CK_RV rv = p11->C_GenerateRandom(session, out, room);
        ns[i] = now() - start;
        if (rv != 0)
            return rv;
    }
    return 0;
}
