/* A PKCS#11 module without cryptography: what a measurement costs when the token does nothing.
 *
 * Its data calls check the session, count the call and report a length. The file of the extension exports
 * C_GetFunctionList, so the null module also loads like any other (in a process that runs Python).
 * Loaded so, it can be given a service time and slot events by the environment: see null_service.c. */

#include <string.h>

#define NULL_SESSIONS 1024

/* Numbers from the standard's header; tests compare them with the spec tables by name. */
enum {
    NULL_ARGUMENTS_BAD = 0x7,
    NULL_NO_EVENT = 0x8,
    NULL_ATTRIBUTE_TYPE_INVALID = 0x12,
    NULL_FUNCTION_NOT_SUPPORTED = 0x54,
    NULL_MECHANISM_INVALID = 0x70,
    NULL_SESSION_COUNT = 0xb1,
    NULL_SESSION_HANDLE_INVALID = 0xb3,
    NULL_SLOT_ID_INVALID = 0x3,
    NULL_BUFFER_TOO_SMALL = 0x150,
    NULL_NOT_INITIALIZED = 0x190,
    NULL_DONT_BLOCK = 0x1, /* CKF_DONT_BLOCK */
    NULL_CKA_MODULUS_BITS = 0x121,
    NULL_CKM_EC_KEY_PAIR_GEN = 0x1040,
};

static const struct {
    CK_MECHANISM_TYPE type;
    CK_MECHANISM_INFO info; /* key sizes, flags */
} null_mechanisms[] = {
    {0x0000, {1024, 4096, 0x10000}}, /* CKM_RSA_PKCS_KEY_PAIR_GEN: generate key pair */
    {0x0040, {1024, 4096, 0x800}}, /* CKM_SHA256_RSA_PKCS: sign */
    {0x1040, {256, 521, 0x10000}}, /* CKM_EC_KEY_PAIR_GEN */
    {0x1041, {256, 521, 0x800}}, /* CKM_ECDSA */
    {0x1055, {255, 255, 0x10000}}, /* CKM_EC_EDWARDS_KEY_PAIR_GEN */
    {0x1057, {255, 255, 0x800}}, /* CKM_EDDSA */
    {0x1080, {16, 32, 0x8000}}, /* CKM_AES_KEY_GEN: generate */
    {0x1087, {16, 32, 0x100}}, /* CKM_AES_GCM: encrypt */
    {0x0250, {0, 0, 0x400}}, /* CKM_SHA256: digest */
};
#define NULL_MECHANISMS (sizeof null_mechanisms / sizeof *null_mechanisms)

/* A line of cache each: threads with a session of their own never wait for one another. */
static struct {
    _Alignas(64) uint64_t calls;
    CK_ULONG output;
    int open;
} null_sessions[NULL_SESSIONS];

static inline int null_open(CK_SESSION_HANDLE session)
{
    return session < NULL_SESSIONS && null_sessions[session].open;
}

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
    info->cryptokiVersion = (CK_VERSION){2, 40};
    info->libraryVersion = (CK_VERSION){1, 0};
    null_text(info->manufacturerID, sizeof info->manufacturerID, "pkcs11-workbench");
    null_text(info->libraryDescription, sizeof info->libraryDescription, "null module: no cryptography");
    return 0;
}

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
    if (slot != 0)
        return NULL_SLOT_ID_INVALID;
    memset(info, 0, sizeof *info);
    null_text(info->slotDescription, sizeof info->slotDescription, "null slot");
    null_text(info->manufacturerID, sizeof info->manufacturerID, "pkcs11-workbench");
    info->flags = 0x1; /* token present */
    return 0;
}

static CK_RV null_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
    if (slot != 0)
        return NULL_SLOT_ID_INVALID;
    memset(info, 0, sizeof *info);
    null_text(info->label, sizeof info->label, "null");
    null_text(info->manufacturerID, sizeof info->manufacturerID, "pkcs11-workbench");
    null_text(info->model, sizeof info->model, "null");
    null_text(info->serialNumber, sizeof info->serialNumber, "0");
    memset(info->utcTime, ' ', sizeof info->utcTime);
    info->ulMaxSessionCount = info->ulMaxRwSessionCount = NULL_SESSIONS - 1;
    for (CK_SESSION_HANDLE i = 1; i < NULL_SESSIONS; i++)
        info->ulSessionCount += (CK_ULONG)null_sessions[i].open;
    info->ulRwSessionCount = info->ulSessionCount;
    info->flags = 0x401; /* random number generator, initialised */
    return 0;
}

static CK_RV null_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
    const CK_ULONG room = *count;

    if (slot != 0)
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
    if (slot != 0)
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
    if (slot != 0)
        return NULL_SLOT_ID_INVALID;
    for (CK_SESSION_HANDLE i = 1; i < NULL_SESSIONS; i++) {
        if (!__atomic_exchange_n(&null_sessions[i].open, 1, __ATOMIC_ACQ_REL)) {
            null_sessions[i].calls = 0;
            *session = i;
            return 0;
        }
    }
    return NULL_SESSION_COUNT;
}

static CK_RV null_close_session(CK_SESSION_HANDLE session)
{
    if (!null_open(session))
        return NULL_SESSION_HANDLE_INVALID;
    __atomic_store_n(&null_sessions[session].open, 0, __ATOMIC_RELEASE);
    return 0;
}

static CK_RV null_close_all(CK_SLOT_ID slot)
{
    for (CK_SESSION_HANDLE i = 1; i < NULL_SESSIONS; i++)
        null_sessions[i].open = 0;
    return slot != 0 ? NULL_SLOT_ID_INVALID : 0;
}

static CK_RV null_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
    if (!null_open(session))
        return NULL_SESSION_HANDLE_INVALID;
    *info = (CK_SESSION_INFO){0, 3, 0x6, 0}; /* read/write user functions; serial */
    return 0;
}

static CK_RV null_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG length)
{
    (void)user, (void)pin, (void)length;
    return null_open(session) ? 0 : NULL_SESSION_HANDLE_INVALID;
}

static CK_RV null_session_only(CK_SESSION_HANDLE session)
{
    return null_open(session) ? 0 : NULL_SESSION_HANDLE_INVALID;
}

/* A key is known by its handle alone: the length in bytes of the signatures it makes. */
static CK_RV null_generate_pair(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *publics,
                                CK_ULONG public_count, CK_ATTRIBUTE *privates, CK_ULONG private_count,
                                CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
    CK_ULONG length = 64;

    (void)privates, (void)private_count;
    if (!null_open(session))
        return NULL_SESSION_HANDLE_INVALID;
    for (CK_ULONG i = 0; i < public_count; i++) {
        if (publics[i].type == NULL_CKA_MODULUS_BITS && publics[i].ulValueLen == sizeof length) {
            memcpy(&length, publics[i].pValue, sizeof length);
            length /= 8;
        }
    }
    (void)mechanism;
    *public_key = 1;
    *private_key = length;
    return 0;
}

static CK_RV null_generate_key(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *attributes,
                               CK_ULONG count, CK_OBJECT_HANDLE *key)
{
    (void)mechanism, (void)attributes, (void)count;
    *key = 32;
    return null_open(session) ? 0 : NULL_SESSION_HANDLE_INVALID;
}

static CK_RV null_destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    (void)object;
    return null_open(session) ? 0 : NULL_SESSION_HANDLE_INVALID;
}

static CK_RV null_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
                             CK_ULONG count)
{
    (void)object;
    if (!null_open(session))
        return NULL_SESSION_HANDLE_INVALID;
    for (CK_ULONG i = 0; i < count; i++)
        attributes[i].ulValueLen = (CK_ULONG)-1;
    return count ? NULL_ATTRIBUTE_TYPE_INVALID : 0;
}

static CK_RV null_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    (void)mechanism;
    if (!null_open(session))
        return NULL_SESSION_HANDLE_INVALID;
    null_sessions[session].output = key;
    return 0;
}

static CK_RV null_digest_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism)
{
    return null_init(session, mechanism, 32);
}

static inline CK_RV null_answer(CK_SESSION_HANDLE session, CK_ULONG needed, CK_BYTE *output, CK_ULONG *length)
{
    const CK_ULONG room = *length;

    *length = needed;
    if (!output)
        return 0;
    if (room < needed)
        return NULL_BUFFER_TOO_SMALL;
    output[0] = 1;
    null_sessions[session].calls++;
    return 0;
}

/* C_Sign and C_Digest */
static CK_RV null_fixed(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *output,
                        CK_ULONG *length)
{
    (void)data, (void)data_length;
    if (!null_open(session))
        return NULL_SESSION_HANDLE_INVALID;
    return null_answer(session, null_sessions[session].output, output, length);
}

/* As AES-GCM: the data and a tag of 16 bytes. */
static CK_RV null_encrypt(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *output,
                          CK_ULONG *length)
{
    (void)data;
    if (!null_open(session))
        return NULL_SESSION_HANDLE_INVALID;
    return null_answer(session, data_length + 16, output, length);
}

static CK_RV null_random(CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG length)
{
    if (!null_open(session))
        return NULL_SESSION_HANDLE_INVALID;
    if (!output)
        return NULL_ARGUMENTS_BAD;
    if (length)
        output[0] = 1;
    null_sessions[session].calls++;
    return 0;
}

#include "null_service.c"

static CK_RV null_finalize(CK_VOID_PTR reserved)
{
    (void)reserved;
    memset(null_sessions, 0, sizeof null_sessions);
    null_end_waiting();
    return 0;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list);

static void null_fill(CK_FUNCTION_LIST *f)
{
    CK_RV (**entry)(void) = (CK_RV(**)(void))&f->C_Initialize;
    CK_RV (**last)(void) = (CK_RV(**)(void))&f->C_WaitForSlotEvent;

    while (entry <= last)
        *entry++ = null_unsupported;
    f->version = (CK_VERSION){2, 40};
    f->C_Initialize = null_initialize;
    f->C_Finalize = null_finalize;
    f->C_GetInfo = null_info;
    f->C_GetFunctionList = C_GetFunctionList;
    f->C_GetSlotList = null_slot_list;
    f->C_GetSlotInfo = null_slot_info;
    f->C_GetTokenInfo = null_token_info;
    f->C_GetMechanismList = null_mechanism_list;
    f->C_GetMechanismInfo = null_mechanism_info;
    f->C_OpenSession = null_open_session;
    f->C_CloseSession = null_close_session;
    f->C_CloseAllSessions = null_close_all;
    f->C_GetSessionInfo = null_session_info;
    f->C_Login = null_login;
    f->C_Logout = null_session_only;
    f->C_GenerateKeyPair = null_generate_pair;
    f->C_GenerateKey = null_generate_key;
    f->C_DestroyObject = null_destroy;
    f->C_GetAttributeValue = null_attributes;
    f->C_SignInit = null_init;
    f->C_Sign = null_fixed;
    f->C_EncryptInit = null_init;
    f->C_Encrypt = null_encrypt;
    f->C_DigestInit = null_digest_init;
    f->C_Digest = null_fixed;
    f->C_GenerateRandom = null_random;
    f->C_WaitForSlotEvent = null_wait;
}

static CK_FUNCTION_LIST null_functions, slow_functions;

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    if (!list)
        return NULL_ARGUMENTS_BAD;
    null_event_ms = null_setting("WORKBENCH_NULL_EVENT_MS");
    null_service_us = null_setting("WORKBENCH_NULL_SERVICE_US");
    if (!null_service_us) {
        *list = load_null_module();
        return 0;
    }
    null_fill(&slow_functions);
    slow_functions.C_Sign = slow_functions.C_Digest = slow_fixed;
    slow_functions.C_Encrypt = slow_encrypt;
    slow_functions.C_GenerateRandom = slow_random;
    slow_functions.C_GenerateKey = slow_generate_key;
    slow_functions.C_GenerateKeyPair = slow_generate_pair;
    *list = &slow_functions;
    return 0;
}

/* Never slow: the floor of a measurement stands on it. */
CK_FUNCTION_LIST *load_null_module(void)
{
    null_fill(&null_functions);
    return &null_functions;
}

uint64_t load_null_calls(unsigned long session)
{
    return session < NULL_SESSIONS ? null_sessions[session].calls : 0;
}
