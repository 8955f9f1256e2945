/* The null module's objects, keys and data calls: they check the session, count the call, and report a length.
 *
 * An object is known by its handle alone: of a key, the length in bytes of the signatures that it makes. */

#define NULL_SECRET 32 /* the handle of every secret key */

static CK_RV null_count(CK_SESSION_HANDLE session)
{
    NULL_CHECK(session);
    null_sessions[session].calls++;
    return 0;
}

static inline CK_RV null_answer(CK_SESSION_HANDLE session, CK_ULONG needed, CK_BYTE *output, CK_ULONG *length)
{
    CK_ULONG room;

    NULL_CHECK(session);
    room = *length;
    *length = needed;
    if (!output)
        return 0;
    if (room < needed)
        return NULL_BUFFER_TOO_SMALL;
    if (needed)
        output[0] = 1;
    null_sessions[session].calls++;
    return 0;
}

static CK_RV null_generate_pair(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *publics,
                                CK_ULONG public_count, CK_ATTRIBUTE *privates, CK_ULONG private_count,
                                CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
    CK_ULONG length = 64;

    (void)mechanism, (void)privates, (void)private_count;
    for (CK_ULONG i = 0; i < public_count; i++) {
        if (publics[i].type == NULL_CKA_MODULUS_BITS && publics[i].ulValueLen == sizeof length) {
            memcpy(&length, publics[i].pValue, sizeof length);
            length /= 8;
        }
    }
    *public_key = 1;
    *private_key = length;
    return null_count(session);
}

static CK_RV null_generate_key(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *attributes,
                               CK_ULONG count, CK_OBJECT_HANDLE *key)
{
    (void)mechanism, (void)attributes, (void)count;
    *key = NULL_SECRET;
    return null_count(session);
}

static CK_RV null_derive(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE base,
                         CK_ATTRIBUTE *attributes, CK_ULONG count, CK_OBJECT_HANDLE *key)
{
    (void)base;
    return null_generate_key(session, mechanism, attributes, count, key);
}

/* As CKM_AES_KEY_WRAP: the key and 8 bytes */
static CK_RV null_wrap(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping,
                       CK_OBJECT_HANDLE key, CK_BYTE *output, CK_ULONG *length)
{
    (void)mechanism, (void)wrapping, (void)key;
    return null_answer(session, NULL_SECRET + 8, output, length);
}

static CK_RV null_unwrap(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping,
                         CK_BYTE *wrapped, CK_ULONG wrapped_length, CK_ATTRIBUTE *attributes, CK_ULONG count,
                         CK_OBJECT_HANDLE *key)
{
    (void)wrapping, (void)wrapped, (void)wrapped_length;
    return null_generate_key(session, mechanism, attributes, count, key);
}

/* As CKM_ML_KEM with its smallest parameters: 768 bytes */
static CK_RV null_encapsulate(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE public_key,
                              CK_ATTRIBUTE *attributes, CK_ULONG count, CK_BYTE *ciphertext,
                              CK_ULONG *length, CK_OBJECT_HANDLE *key)
{
    (void)mechanism, (void)public_key, (void)attributes, (void)count;
    *key = NULL_SECRET;
    return null_answer(session, 768, ciphertext, length);
}

static CK_RV null_decapsulate(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE private_key,
                              CK_ATTRIBUTE *attributes, CK_ULONG count, CK_BYTE *ciphertext, CK_ULONG length,
                              CK_OBJECT_HANDLE *key)
{
    (void)private_key, (void)ciphertext, (void)length;
    return null_generate_key(session, mechanism, attributes, count, key);
}

static CK_RV null_destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    (void)object;
    NULL_CHECK(session);
    return 0;
}

/* Every attribute of every object is zero: as long as there is room, which is one byte for CKA_TOKEN. */
static CK_RV null_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
                             CK_ULONG count)
{
    (void)object;
    NULL_CHECK(session);
    for (CK_ULONG i = 0; i < count; i++) {
        if (attributes[i].pValue)
            memset(attributes[i].pValue, 0, attributes[i].ulValueLen);
        else
            attributes[i].ulValueLen = attributes[i].type == NULL_CKA_TOKEN ? 1 : sizeof(CK_ULONG);
    }
    null_sessions[session].calls++;
    return 0;
}

static CK_RV null_find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    (void)attributes, (void)count;
    NULL_CHECK(session);
    null_sessions[session].found = 1;
    return 0;
}

/* Every search has one result. */
static CK_RV null_find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG room, CK_ULONG *count)
{
    NULL_CHECK(session);
    *count = null_sessions[session].found && room;
    if (*count)
        objects[0] = NULL_SECRET;
    null_sessions[session].found = 0;
    null_sessions[session].calls++;
    return 0;
}

static CK_RV null_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    (void)mechanism;
    NULL_CHECK(session);
    null_sessions[session].output = key;
    return 0;
}

static CK_RV null_digest_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism)
{
    return null_init(session, mechanism, 32);
}

/* C_Sign and C_Digest */
static CK_RV null_fixed(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *output,
                        CK_ULONG *length)
{
    (void)data, (void)data_length;
    NULL_CHECK(session);
    return null_answer(session, null_sessions[session].output, output, length);
}

/* C_SignFinal and C_DigestFinal */
static CK_RV null_final(CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG *length)
{
    return null_fixed(session, NULL, 0, output, length);
}

/* What takes data and gives nothing back: updates, C_VerifyFinal, C_SeedRandom */
static CK_RV null_take(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG length)
{
    (void)data, (void)length;
    return null_count(session);
}

static CK_RV null_verify(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *signature,
                         CK_ULONG length)
{
    (void)data, (void)data_length, (void)signature, (void)length;
    return null_count(session);
}

/* As AES-GCM: the data and a tag of 16 bytes. */
static CK_RV null_encrypt(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *output,
                          CK_ULONG *length)
{
    (void)data;
    return null_answer(session, data_length + 16, output, length);
}

static CK_RV null_decrypt(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *output,
                          CK_ULONG *length)
{
    (void)data;
    return null_answer(session, data_length < 16 ? 0 : data_length - 16, output, length);
}

/* C_EncryptUpdate and C_DecryptUpdate */
static CK_RV null_update(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_length, CK_BYTE *output,
                         CK_ULONG *length)
{
    (void)data;
    return null_answer(session, data_length, output, length);
}

/* C_EncryptFinal */
static CK_RV null_tag(CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG *length)
{
    return null_answer(session, 16, output, length);
}

/* C_DecryptFinal */
static CK_RV null_rest(CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG *length)
{
    return null_answer(session, 0, output, length);
}

static CK_RV null_random(CK_SESSION_HANDLE session, CK_BYTE *output, CK_ULONG length)
{
    if (!output)
        return NULL_ARGUMENTS_BAD;
    if (length)
        output[0] = 1;
    return null_count(session);
}
