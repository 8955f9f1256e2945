/* The load kernel: N threads call one operation again and again and time every call.
 *
 * Closed loop: a thread makes its next call when the last one has returned. Open loop (interval_ns): calls are
 * due at fixed times whatever the token does, and each is timed from the moment it was due.
 *
 * Plain declarations only: cffi reads this file too. Types of Cryptoki appear as what they are in C
 * (handles and codes are unsigned long), structures as pointers that are passed through. */

/* In the order of OPERATIONS (workbench/measure/operations.py), which says what each consists of. */
#define LOAD_SIGN 0
#define LOAD_VERIFY 1
#define LOAD_ENCRYPT 2
#define LOAD_DECRYPT 3
#define LOAD_DIGEST 4
#define LOAD_RANDOM 5
#define LOAD_SEED 6
#define LOAD_GENERATE_KEY 7
#define LOAD_GENERATE_KEY_PAIR 8
#define LOAD_WRAP 9
#define LOAD_UNWRAP 10
#define LOAD_DERIVE 11
#define LOAD_ENCAPSULATE 12
#define LOAD_DECAPSULATE 13
#define LOAD_FIND 14
#define LOAD_ATTRIBUTES 15
#define LOAD_SESSION 16
#define LOAD_LOGIN 17
#define LOAD_INITIALIZE 18

/* Which calls of an operation the clock is on. What it made is destroyed off the clock always. */
#define LOAD_TIME_ALL 0
#define LOAD_TIME_FIRST 1
#define LOAD_TIME_OTHERS 2

#define LOAD_ERROR_CODES 16

/* One thread's work and what came of it. All memory belongs to the caller and outlives the run. */
typedef struct {
    /* in: the calls */
    struct CK_FUNCTION_LIST *functions;
    struct CK_FUNCTION_LIST_3_2 *functions_3_2; /* encapsulate and decapsulate only */
    int operation;
    int timed;
    int length_query; /* nonzero: ask for the output's length first, as many programs do */
    unsigned long parts; /* updates of a multi-part operation; 0: one single-part call */
    unsigned long session;
    unsigned long slot; /* session */
    unsigned long flags; /* session: CKF_; login: CKU_ */
    unsigned long key; /* wrap, unwrap: the wrapping key; derive: the base key; attributes: the object */
    unsigned long target; /* wrap: the key that is wrapped */
    struct CK_MECHANISM *mechanism;
    unsigned char *counter; /* last 8 bytes of an IV, big endian, plus 1 before each call; or NULL */
    unsigned char *fresh_iv; /* an IV that the token makes: zero before each call; or NULL */
    unsigned long fresh_iv_length;
    struct CK_ATTRIBUTE *template_1; /* of what is made (of a pair: public), sought or read */
    unsigned long template_1_length;
    struct CK_ATTRIBUTE *template_2; /* of a pair: private */
    unsigned long template_2_length;
    const unsigned char *data; /* login: the PIN; unwrap: the wrapped key; decapsulate: the ciphertext */
    unsigned long data_length;
    const unsigned char *signature; /* verify */
    unsigned long signature_length;
    void *arguments; /* initialize: a CK_C_INITIALIZE_ARGS */
    unsigned char *output; /* find: room for handles */
    unsigned long output_capacity; /* random: bytes to draw; find: handles to ask for */
    /* in: how often, and when */
    uint64_t interval_ns; /* open loop: from one due time to the next; 0: closed loop */
    uint64_t phase_ns; /* open loop: the first due time after the begin of the measured window */
    uint64_t warmup_ns;
    uint64_t duration_ns; /* 0: no deadline */
    uint64_t limit; /* measured calls at most; 0: no limit */
    uint64_t give_up; /* errors in a row after which the thread stops */
    /* in: room for `capacity` numbers each, of successful calls, in order; latency_ns alone must be there */
    uint64_t *latency_ns; /* open loop: from the due time */
    uint64_t *service_ns; /* from the call; or NULL */
    uint64_t *end_ns_of; /* CLOCK_MONOTONIC; or NULL */
    uint64_t capacity;
    /* out */
    uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC; the thread's own measured window, whole calls */
    uint64_t cpu_ns; /* of this thread in that window, waiting for due times left out */
    uint64_t aside_ns; /* of that window: in calls that the clock was not on */
    uint64_t successes;
    uint64_t failures;
    uint64_t recorded; /* numbers written */
    uint64_t warmup_calls;
    uint64_t overdue; /* open loop: calls that were due in the window and had not begun at its end */
    uint64_t error_count[LOAD_ERROR_CODES];
    unsigned long error_code[LOAD_ERROR_CODES];
    uint64_t other_errors; /* calls whose code found no room in the table */
    int gave_up;
} load_job;

/* Run all jobs from one start; returns when the last has ended, 0, or the errno of a thread that could not
 * be made (nothing has been measured then). The calling thread takes the first job. *stop != 0 ends every
 * thread after the call it is in, and within 20 ms where it waits for a due time. */
int load_run(load_job *jobs, int count, int *stop);

uint64_t load_now(void);

/* The function lists of the null module, and the data calls that one of its sessions has answered. */
struct CK_FUNCTION_LIST *load_null_module(void);
struct CK_FUNCTION_LIST_3_2 *load_null_module_3_2(void);
uint64_t load_null_calls(unsigned long session);

/* A device of known speed: a slot of the emulated module, whose data calls take their time. All zero: none. */
typedef struct {
    uint64_t service_ns; /* of a data call */
    uint64_t jitter_ns; /* a call takes up to so much more or less, evenly spread */
    uint64_t nodes; /* they share the calls; 0 counts as 1 */
    uint64_t capacity; /* calls that a node serves at a time; 0: any number */
    uint64_t lost_after_ns; /* since the first call: the last node is lost, with what it was serving; 0: never */
    uint64_t stall_ns; /* of each second since the first call, its last so many: nothing begins, what runs waits */
    uint64_t fail_every; /* so many calls, one answers CKR_DEVICE_ERROR; 0: none does */
    int spin; /* be punctual: spin for the end of a call; for few threads only */
} load_device;

#define LOAD_DEVICES 16 /* slots from 0; slot 0 is the one that the environment sets */
#define LOAD_DEVICE_PLACES 256 /* nodes times capacity at most */

/* The function lists of the emulated module, whatever the environment says. */
struct CK_FUNCTION_LIST *load_emulated_module(void);
struct CK_FUNCTION_LIST_3_2 *load_emulated_module_3_2(void);

/* Give a slot a device, as new: no call counted, its clock not started. 0, or EINVAL for no such slot or device. */
int load_device_set(unsigned long slot, const load_device *device);
/* Calls that a device has answered since, and how many of them failed. */
void load_device_counts(unsigned long slot, uint64_t *calls, uint64_t *failed);
