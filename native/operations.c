/* What one operation asks of a module: the first call, the others, and the removal of what was made.
 *
 * Everything here is inlined with a constant operation, because what is decided once must not be decided inside
 * the timed part. `plain`: no parts and no length query. */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct {
    CK_OBJECT_HANDLE first, second;
} load_made;

ALWAYS_INLINE CK_RV first_call(const load_job *job, const int operation, load_made *made)
{
    CK_FUNCTION_LIST *f = job->functions;
    CK_BYTE *data = (CK_BYTE *)job->data;
    CK_ULONG length = job->output_capacity;

    switch (operation) {
    case LOAD_SIGN:
        return f->C_SignInit(job->session, job->mechanism, job->key);
    case LOAD_VERIFY:
        return f->C_VerifyInit(job->session, job->mechanism, job->key);
    case LOAD_ENCRYPT:
        return f->C_EncryptInit(job->session, job->mechanism, job->key);
    case LOAD_DECRYPT:
        return f->C_DecryptInit(job->session, job->mechanism, job->key);
    case LOAD_DIGEST:
        return f->C_DigestInit(job->session, job->mechanism);
    case LOAD_RANDOM:
        return f->C_GenerateRandom(job->session, job->output, length);
    case LOAD_SEED:
        return f->C_SeedRandom(job->session, data, job->data_length);
    case LOAD_GENERATE_KEY:
        return f->C_GenerateKey(job->session, job->mechanism, job->template_1, job->template_1_length,
                                &made->first);
    case LOAD_GENERATE_KEY_PAIR:
        return f->C_GenerateKeyPair(job->session, job->mechanism, job->template_1, job->template_1_length,
                                    job->template_2, job->template_2_length, &made->first, &made->second);
    case LOAD_WRAP:
        if (job->length_query) {
            CK_ULONG asked = 0;
            const CK_RV rv =
                f->C_WrapKey(job->session, job->mechanism, job->key, job->target, NULL, &asked);
            if (rv)
                return rv;
        }
        return f->C_WrapKey(job->session, job->mechanism, job->key, job->target, job->output, &length);
    case LOAD_UNWRAP:
        return f->C_UnwrapKey(job->session, job->mechanism, job->key, data, job->data_length,
                              job->template_1, job->template_1_length, &made->first);
    case LOAD_DERIVE:
        return f->C_DeriveKey(job->session, job->mechanism, job->key, job->template_1,
                              job->template_1_length, &made->first);
    case LOAD_ENCAPSULATE:
        return job->functions_3_2->C_EncapsulateKey(job->session, job->mechanism, job->key, job->template_1,
                                                    job->template_1_length, job->output, &length,
                                                    &made->first);
    case LOAD_DECAPSULATE:
        return job->functions_3_2->C_DecapsulateKey(job->session, job->mechanism, job->key, job->template_1,
                                                    job->template_1_length, data, job->data_length,
                                                    &made->first);
    case LOAD_FIND:
        return f->C_FindObjectsInit(job->session, job->template_1, job->template_1_length);
    case LOAD_ATTRIBUTES:
        return f->C_GetAttributeValue(job->session, job->key, job->template_1, job->template_1_length);
    case LOAD_SESSION:
        return f->C_OpenSession(job->slot, job->flags, NULL, NULL, &made->first);
    case LOAD_LOGIN:
        return f->C_Login(job->session, job->flags, data, job->data_length);
    default: /* LOAD_INITIALIZE */
        return f->C_Finalize(NULL);
    }
}

/* A part is whole blocks of 16 bytes where it has one: NSS takes nothing else of CKM_AES_CBC_PAD. */
static inline CK_ULONG piece_of(const load_job *job)
{
    const CK_ULONG piece = job->data_length / job->parts;

    return piece > 16 ? piece - piece % 16 : piece;
}

/* The updates and the final call of a multi-part operation; the last update takes what does not divide. */
#define IN_PARTS(update, final)                                                                             \
    do {                                                                                                    \
        for (CK_ULONG i = 0; i < job->parts; i++) {                                                         \
            const CK_ULONG size = i + 1 < job->parts ? piece : job->data_length - i * piece;                \
            CK_BYTE *const part = data + i * piece;                                                         \
            if ((rv = (update)) != 0)                                                                       \
                return rv;                                                                                  \
        }                                                                                                   \
        return final;                                                                                       \
    } while (0)

static CK_RV other_calls_in_parts(const load_job *job, const int operation)
{
    CK_FUNCTION_LIST *f = job->functions;
    CK_BYTE *data = (CK_BYTE *)job->data;
    CK_BYTE *output = job->output;
    const CK_ULONG piece = piece_of(job);
    CK_ULONG left = job->output_capacity, length = left;
    CK_RV rv;

/* output moves on by what an update wrote; `length` is then the room that is left */
#define MOVING(call) ((rv = (length = left, call)) == 0 ? (output += length, left -= length, length = left, rv) : rv)

    switch (operation) {
    case LOAD_SIGN:
        IN_PARTS(f->C_SignUpdate(job->session, part, size), f->C_SignFinal(job->session, output, &length));
    case LOAD_VERIFY:
        IN_PARTS(f->C_VerifyUpdate(job->session, part, size),
                 f->C_VerifyFinal(job->session, (CK_BYTE *)job->signature, job->signature_length));
    case LOAD_ENCRYPT:
        IN_PARTS(MOVING(f->C_EncryptUpdate(job->session, part, size, output, &length)),
                 f->C_EncryptFinal(job->session, output, &length));
    case LOAD_DECRYPT:
        IN_PARTS(MOVING(f->C_DecryptUpdate(job->session, part, size, output, &length)),
                 f->C_DecryptFinal(job->session, output, &length));
    default: /* LOAD_DIGEST */
        IN_PARTS(f->C_DigestUpdate(job->session, part, size),
                 f->C_DigestFinal(job->session, output, &length));
    }
}
#undef IN_PARTS
#undef MOVING

ALWAYS_INLINE CK_RV other_calls(const load_job *job, const int operation, const int plain, load_made *made)
{
    CK_FUNCTION_LIST *f = job->functions;
    CK_BYTE *data = (CK_BYTE *)job->data;
    CK_ULONG length = job->output_capacity;
    CK_ULONG asked = 0;
    CK_RV rv = 0, final;

    switch (operation) {
    case LOAD_SIGN:
    case LOAD_VERIFY:
    case LOAD_ENCRYPT:
    case LOAD_DECRYPT:
    case LOAD_DIGEST:
        if (!plain && job->parts)
            return other_calls_in_parts(job, operation);
    }
    const int query = !plain && job->length_query;
    switch (operation) {
    case LOAD_SIGN:
        if (query)
            rv = f->C_Sign(job->session, data, job->data_length, NULL, &asked);
        return rv ? rv : f->C_Sign(job->session, data, job->data_length, job->output, &length);
    case LOAD_VERIFY:
        return f->C_Verify(job->session, data, job->data_length, (CK_BYTE *)job->signature,
                           job->signature_length);
    case LOAD_ENCRYPT:
        if (query)
            rv = f->C_Encrypt(job->session, data, job->data_length, NULL, &asked);
        return rv ? rv : f->C_Encrypt(job->session, data, job->data_length, job->output, &length);
    case LOAD_DECRYPT:
        if (query)
            rv = f->C_Decrypt(job->session, data, job->data_length, NULL, &asked);
        return rv ? rv : f->C_Decrypt(job->session, data, job->data_length, job->output, &length);
    case LOAD_DIGEST:
        if (query)
            rv = f->C_Digest(job->session, data, job->data_length, NULL, &asked);
        return rv ? rv : f->C_Digest(job->session, data, job->data_length, job->output, &length);
    case LOAD_FIND:
        rv = f->C_FindObjects(job->session, (CK_OBJECT_HANDLE *)job->output, length, &asked);
        final = f->C_FindObjectsFinal(job->session); /* a search that failed is over only then */
        return rv ? rv : final;
    case LOAD_SESSION:
        return f->C_CloseSession(made->first);
    case LOAD_LOGIN:
        return f->C_Logout(job->session);
    case LOAD_INITIALIZE:
        return f->C_Initialize(job->arguments);
    default: /* one call was all */
        return 0;
    }
}

static inline int makes_objects(const int operation)
{
    switch (operation) {
    case LOAD_GENERATE_KEY:
    case LOAD_GENERATE_KEY_PAIR:
    case LOAD_UNWRAP:
    case LOAD_DERIVE:
    case LOAD_ENCAPSULATE:
    case LOAD_DECAPSULATE:
        return 1;
    default:
        return 0;
    }
}

/* After a success. An object that stays is a failure too: enough of them, and the token is full. */
static CK_RV remove_made(const load_job *job, const int operation, const load_made *made)
{
    CK_FUNCTION_LIST *f = job->functions;
    const CK_RV rv = f->C_DestroyObject(job->session, made->first);
    const CK_RV second =
        operation == LOAD_GENERATE_KEY_PAIR ? f->C_DestroyObject(job->session, made->second) : 0;

    return rv ? rv : second;
}
