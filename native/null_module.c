/* A PKCS#11 module without cryptography: what a measurement costs when the token does nothing.
 *
 * Its data calls check the session, count the call and report a length. The file of the extension exports
 * C_GetFunctionList, so the null module also loads like any other (in a process that runs Python).
 * null_calls.c: objects, keys and data. null_device.c: the same with a service time, a capacity and faults. */

#include <string.h>

/* More than twice the threads of a plan (plan.MOST_THREADS): where this module is the token that is measured, its
 * floors are measured in the same process. */
#define NULL_SESSIONS 2304

/* Numbers from the standard's header; tests compare them with the spec tables by name. */
enum {
    NULL_ARGUMENTS_BAD = 0x7,
    NULL_NO_EVENT = 0x8,
    NULL_DEVICE_ERROR = 0x30,
    NULL_FUNCTION_NOT_SUPPORTED = 0x54,
    NULL_MECHANISM_INVALID = 0x70,
    NULL_SESSION_COUNT = 0xb1,
    NULL_SESSION_HANDLE_INVALID = 0xb3,
    NULL_SLOT_ID_INVALID = 0x3,
    NULL_BUFFER_TOO_SMALL = 0x150,
    NULL_NOT_INITIALIZED = 0x190,
    NULL_DONT_BLOCK = 0x1, /* CKF_DONT_BLOCK */
    NULL_CKA_TOKEN = 0x1,
    NULL_CKA_MODULUS_BITS = 0x121,
};

/* CKF_ */
enum {
    NULL_ENCRYPTS = 0x100 | 0x200, /* and decrypts */
    NULL_DIGESTS = 0x400,
    NULL_SIGNS = 0x800 | 0x2000, /* and verifies */
    NULL_GENERATES = 0x8000,
    NULL_GENERATES_PAIRS = 0x10000,
    NULL_WRAPS = 0x20000 | 0x40000, /* and unwraps */
    NULL_DERIVES = 0x80000,
    NULL_ENCAPSULATES = 0x10000000 | 0x20000000, /* and decapsulates */
};

static const struct {
    CK_MECHANISM_TYPE type;
    CK_MECHANISM_INFO info; /* key sizes, flags */
} null_mechanisms[] = {
    {0x0000, {1024, 4096, NULL_GENERATES_PAIRS}}, /* CKM_RSA_PKCS_KEY_PAIR_GEN */
    {0x0009, {1024, 4096, NULL_ENCRYPTS | NULL_WRAPS}}, /* CKM_RSA_PKCS_OAEP */
    {0x000f, {0, 0, NULL_GENERATES_PAIRS}}, /* CKM_ML_KEM_KEY_PAIR_GEN */
    {0x0017, {0, 0, NULL_ENCAPSULATES}}, /* CKM_ML_KEM */
    {0x001c, {0, 0, NULL_GENERATES_PAIRS}}, /* CKM_ML_DSA_KEY_PAIR_GEN */
    {0x001d, {0, 0, NULL_SIGNS}}, /* CKM_ML_DSA */
    {0x002d, {0, 0, NULL_GENERATES_PAIRS}}, /* CKM_SLH_DSA_KEY_PAIR_GEN */
    {0x002e, {0, 0, NULL_SIGNS}}, /* CKM_SLH_DSA */
    {0x0040, {1024, 4096, NULL_SIGNS}}, /* CKM_SHA256_RSA_PKCS */
    {0x0250, {0, 0, NULL_DIGESTS}}, /* CKM_SHA256 */
    {0x0251, {16, 64, NULL_SIGNS}}, /* CKM_SHA256_HMAC */
    {0x0350, {16, 64, NULL_GENERATES}}, /* CKM_GENERIC_SECRET_KEY_GEN */
    {0x1040, {256, 521, NULL_GENERATES_PAIRS}}, /* CKM_EC_KEY_PAIR_GEN */
    {0x1041, {256, 521, NULL_SIGNS}}, /* CKM_ECDSA */
    {0x1050, {256, 521, NULL_DERIVES}}, /* CKM_ECDH1_DERIVE */
    {0x1055, {255, 255, NULL_GENERATES_PAIRS}}, /* CKM_EC_EDWARDS_KEY_PAIR_GEN */
    {0x1057, {255, 255, NULL_SIGNS}}, /* CKM_EDDSA */
    {0x1080, {16, 32, NULL_GENERATES}}, /* CKM_AES_KEY_GEN */
    {0x1087, {16, 32, NULL_ENCRYPTS}}, /* CKM_AES_GCM */
    {0x2109, {16, 32, NULL_WRAPS}}, /* CKM_AES_KEY_WRAP */
    {0x210b, {16, 32, NULL_WRAPS}}, /* CKM_AES_KEY_WRAP_KWP */
    {0x402a, {16, 64, NULL_DERIVES}}, /* CKM_HKDF_DERIVE */
};
#define NULL_MECHANISMS (sizeof null_mechanisms / sizeof *null_mechanisms)

/* A line of cache each: threads with a session of their own never wait for one another. */
static struct {
    _Alignas(64) uint64_t calls;
    CK_ULONG output; /* bytes that the operation in progress answers */
    CK_SLOT_ID slot;
    int open;
    int found; /* objects that the search in progress still has to give */
} null_sessions[NULL_SESSIONS];

static CK_ULONG null_slots = 1; /* from 0; null_device.c adds some */

static inline int null_open(CK_SESSION_HANDLE session)
{
    return session < NULL_SESSIONS && null_sessions[session].open;
}

#define NULL_CHECK(session)                                                                                 \
    if (!null_open(session))                                                                                \
    return NULL_SESSION_HANDLE_INVALID

static CK_RV null_unsupported(void)
{
    return NULL_FUNCTION_NOT_SUPPORTED;
}

static CK_RV null_initialize(CK_VOID_PTR arguments)
{
    (void)arguments;
    return 0;
}

static void null_text(CK_UTF8CHAR *field, size_t size, const char *text)
{
    memset(field, ' ', size);
    memcpy(field, text, strlen(text));
}

static CK_RV null_info(CK_INFO_PTR info)
{
    memset(info, 0, sizeof *info);
    info->cryptokiVersion = (CK_VERSION){3, 2};
    info->libraryVersion = (CK_VERSION){2, 0};
    null_text(info->manufacturerID, sizeof info->manufacturerID, "pkcs11-workbench");
    null_text(info->libraryDescription, sizeof info->libraryDescription, "null module: no cryptography");
    return 0;
}

/* Slot 0 alone: the others are for who made their devices, and a module loaded by its path has one token. */
static CK_RV null_slot_list(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *count)
{
    (void)present;
    if (list && *count < 1) {
        *count = 1;
        return NULL_BUFFER_TOO_SMALL;
    }
    if (list)
        list[0] = 0;
    *count = 1;
    return 0;
}

static CK_RV null_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO_PTR info)
{
    if (slot >= null_slots)
        return NULL_SLOT_ID_INVALID;
    memset(info, 0, sizeof *info);
    null_text(info->slotDescription, sizeof info->slotDescription, "null slot");
    null_text(info->manufacturerID, sizeof info->manufacturerID, "pkcs11-workbench");
    info->flags = 0x1; /* token present */
    return 0;
}

static CK_RV null_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
    if (slot >= null_slots)
        return NULL_SLOT_ID_INVALID;
    memset(info, 0, sizeof *info);
    null_text(info->label, sizeof info->label, "null");
    null_text(info->manufacturerID, sizeof info->manufacturerID, "pkcs11-workbench");
    null_text(info->model, sizeof info->model, "null");
    null_text(info->serialNumber, sizeof info->serialNumber, "");
    info->serialNumber[0] = (CK_CHAR)("0123456789abcdef"[slot % 16]);
    memset(info->utcTime, ' ', sizeof info->utcTime);
    info->ulMaxSessionCount = info->ulMaxRwSessionCount = NULL_SESSIONS - 1;
    for (CK_SESSION_HANDLE i = 1; i < NULL_SESSIONS; i++)
        info->ulSessionCount += (CK_ULONG)(null_sessions[i].open && null_sessions[i].slot == slot);
    info->ulRwSessionCount = info->ulSessionCount;
    info->flags = 0x401; /* random number generator, initialised */
    return 0;
}

static CK_RV null_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
    const CK_ULONG room = *count;

    if (slot >= null_slots)
        return NULL_SLOT_ID_INVALID;
    *count = NULL_MECHANISMS;
    if (list && room < NULL_MECHANISMS)
        return NULL_BUFFER_TOO_SMALL;
    for (size_t i = 0; list && i < NULL_MECHANISMS; i++)
        list[i] = null_mechanisms[i].type;
    return 0;
}

static CK_RV null_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
    if (slot >= null_slots)
        return NULL_SLOT_ID_INVALID;
    for (size_t i = 0; i < NULL_MECHANISMS; i++) {
        if (null_mechanisms[i].type == type) {
            *info = null_mechanisms[i].info;
            return 0;
        }
    }
    return NULL_MECHANISM_INVALID;
}

static CK_RV null_open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                               CK_SESSION_HANDLE *session)
{
    (void)flags, (void)application, (void)notify;
    if (slot >= null_slots)
        return NULL_SLOT_ID_INVALID;
    for (CK_SESSION_HANDLE i = 1; i < NULL_SESSIONS; i++) {
        if (!__atomic_load_n(&null_sessions[i].open, __ATOMIC_RELAXED)
            && !__atomic_exchange_n(&null_sessions[i].open, 1, __ATOMIC_ACQ_REL)) {
            null_sessions[i].calls = 0;
            null_sessions[i].slot = slot;
            *session = i;
            return 0;
        }
    }
    return NULL_SESSION_COUNT;
}

static CK_RV null_close_session(CK_SESSION_HANDLE session)
{
    NULL_CHECK(session);
    __atomic_store_n(&null_sessions[session].open, 0, __ATOMIC_RELEASE);
    return 0;
}

static CK_RV null_close_all(CK_SLOT_ID slot)
{
    for (CK_SESSION_HANDLE i = 1; i < NULL_SESSIONS; i++)
        if (null_sessions[i].slot == slot)
            null_sessions[i].open = 0;
    return slot >= null_slots ? NULL_SLOT_ID_INVALID : 0;
}

static CK_RV null_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
    NULL_CHECK(session);
    *info = (CK_SESSION_INFO){null_sessions[session].slot, 3, 0x6, 0}; /* read/write user functions; serial */
    return 0;
}

static CK_RV null_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG length)
{
    (void)user, (void)pin, (void)length;
    NULL_CHECK(session);
    return 0;
}

static CK_RV null_session_only(CK_SESSION_HANDLE session)
{
    NULL_CHECK(session);
    return 0;
}

#include "null_calls.c"

/* Of either list: their members that both have stand under the same names. */
#define NULL_FILL(f)                                                                                        \
    do {                                                                                                    \
        (f)->C_Initialize = null_initialize;                                                                \
        (f)->C_Finalize = null_finalize;                                                                    \
        (f)->C_GetInfo = null_info;                                                                         \
        (f)->C_GetFunctionList = C_GetFunctionList;                                                         \
        (f)->C_GetSlotList = null_slot_list;                                                                \
        (f)->C_GetSlotInfo = null_slot_info;                                                                \
        (f)->C_GetTokenInfo = null_token_info;                                                              \
        (f)->C_GetMechanismList = null_mechanism_list;                                                      \
        (f)->C_GetMechanismInfo = null_mechanism_info;                                                      \
        (f)->C_OpenSession = null_open_session;                                                             \
        (f)->C_CloseSession = null_close_session;                                                           \
        (f)->C_CloseAllSessions = null_close_all;                                                           \
        (f)->C_GetSessionInfo = null_session_info;                                                          \
        (f)->C_Login = null_login;                                                                          \
        (f)->C_Logout = null_session_only;                                                                  \
        (f)->C_DestroyObject = null_destroy;                                                                \
        (f)->C_GetAttributeValue = null_attributes;                                                         \
        (f)->C_FindObjectsInit = null_find_init;                                                            \
        (f)->C_FindObjects = null_find;                                                                     \
        (f)->C_FindObjectsFinal = null_session_only;                                                        \
        (f)->C_SignInit = null_init;                                                                        \
        (f)->C_VerifyInit = null_init;                                                                      \
        (f)->C_EncryptInit = null_init;                                                                     \
        (f)->C_DecryptInit = null_init;                                                                     \
        (f)->C_DigestInit = null_digest_init;                                                               \
        (f)->C_WaitForSlotEvent = null_wait;                                                                \
    } while (0)

/* `way` is null or slow: every function that the second has, both have. */
#define NULL_FILL_DATA(f, way)                                                                              \
    do {                                                                                                    \
        (f)->C_Sign = (f)->C_Digest = way##_fixed;                                                          \
        (f)->C_SignFinal = (f)->C_DigestFinal = way##_final;                                                \
        (f)->C_SignUpdate = (f)->C_VerifyUpdate = (f)->C_DigestUpdate = (f)->C_SeedRandom = way##_take;     \
        (f)->C_Verify = way##_verify;                                                                       \
        (f)->C_VerifyFinal = way##_take;                                                                    \
        (f)->C_Encrypt = way##_encrypt;                                                                     \
        (f)->C_Decrypt = way##_decrypt;                                                                     \
        (f)->C_EncryptUpdate = (f)->C_DecryptUpdate = way##_update;                                         \
        (f)->C_EncryptFinal = way##_tag;                                                                    \
        (f)->C_DecryptFinal = way##_rest;                                                                   \
        (f)->C_GenerateRandom = way##_random;                                                               \
        (f)->C_GenerateKey = way##_generate_key;                                                            \
        (f)->C_GenerateKeyPair = way##_generate_pair;                                                       \
        (f)->C_WrapKey = way##_wrap;                                                                        \
        (f)->C_UnwrapKey = way##_unwrap;                                                                    \
        (f)->C_DeriveKey = way##_derive;                                                                    \
    } while (0)

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list);
__attribute__((visibility("default"))) CK_RV C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG_PTR count);

#include "null_device.c"

static CK_RV null_finalize(CK_VOID_PTR reserved)
{
    (void)reserved;
    memset(null_sessions, 0, sizeof null_sessions);
    null_end_waiting();
    return 0;
}

typedef struct {
    CK_FUNCTION_LIST old;
    CK_FUNCTION_LIST_3_2 new;
} null_lists;

static void null_clear(void *first, void *last)
{
    for (CK_RV (**entry)(void) = (CK_RV(**)(void))first; entry <= (CK_RV(**)(void))last; entry++)
        *entry = null_unsupported;
}

static null_lists *null_filled(null_lists *lists, int slow)
{
    null_clear(&lists->old.C_Initialize, &lists->old.C_WaitForSlotEvent);
    null_clear(&lists->new.C_Initialize, &lists->new.C_WaitForSlotEvent);
    lists->old.version = (CK_VERSION){2, 40};
    lists->new.version = (CK_VERSION){3, 2};
    NULL_FILL(&lists->old);
    NULL_FILL(&lists->new);
    if (slow) {
        NULL_FILL_DATA(&lists->old, slow);
        NULL_FILL_DATA(&lists->new, slow);
        lists->new.C_EncapsulateKey = slow_encapsulate;
        lists->new.C_DecapsulateKey = slow_decapsulate;
    } else {
        NULL_FILL_DATA(&lists->old, null);
        NULL_FILL_DATA(&lists->new, null);
        lists->new.C_EncapsulateKey = null_encapsulate;
        lists->new.C_DecapsulateKey = null_decapsulate;
    }
    return lists;
}

static null_lists fast_lists, slow_lists, floor_lists;

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    if (!list)
        return NULL_ARGUMENTS_BAD;
    *list = &(null_by_environment() ? null_filled(&slow_lists, 1) : null_filled(&fast_lists, 0))->old;
    return 0;
}

CK_RV C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG_PTR count)
{
    null_lists *lists;
    const CK_ULONG room = count ? *count : 0;

    if (!count)
        return NULL_ARGUMENTS_BAD;
    *count = 2;
    if (!list)
        return 0;
    if (room < 2)
        return NULL_BUFFER_TOO_SMALL;
    lists = null_slow_by_environment ? &slow_lists : &fast_lists;
    list[0] = (CK_INTERFACE){(CK_CHAR *)"PKCS 11", &lists->new, 0};
    list[1] = (CK_INTERFACE){(CK_CHAR *)"PKCS 11", &lists->old, 0};
    return 0;
}

/* Never slow, and never finalised: the floor of a measurement stands on it, that of C_Finalize too. */
static null_lists *null_floor(void)
{
    null_filled(&floor_lists, 0);
    floor_lists.old.C_Finalize = floor_lists.new.C_Finalize = null_initialize;
    return &floor_lists;
}

CK_FUNCTION_LIST *load_null_module(void)
{
    return &null_floor()->old;
}

CK_FUNCTION_LIST_3_2 *load_null_module_3_2(void)
{
    return &null_floor()->new;
}

CK_FUNCTION_LIST *load_emulated_module(void)
{
    return &null_filled(&slow_lists, 1)->old;
}

CK_FUNCTION_LIST_3_2 *load_emulated_module_3_2(void)
{
    return &null_filled(&slow_lists, 1)->new;
}

uint64_t load_null_calls(unsigned long session)
{
    return session < NULL_SESSIONS ? null_sessions[session].calls : 0;
}
