/* The load kernel: N threads call one operation in a closed loop and time every call.
 *
 * Plain declarations only: cffi reads this file too. Types of Cryptoki appear as what they are in C
 * (handles and codes are unsigned long), structures as pointers that are passed through. */

#define LOAD_SIGN 0
#define LOAD_ENCRYPT 1
#define LOAD_DIGEST 2
#define LOAD_RANDOM 3

#define LOAD_ERROR_CODES 16

/* One thread's work and what came of it. All memory belongs to the caller and outlives the run. */
typedef struct {
    /* in */
    struct CK_FUNCTION_LIST *functions;
    unsigned long session;
    unsigned long key;
    struct CK_MECHANISM *mechanism; /* unused by LOAD_RANDOM */
    unsigned char *counter; /* last 8 bytes of an IV, big endian, plus 1 before each call; or NULL */
    int operation;
    int length_query; /* nonzero: ask for the output's length first, as many programs do */
    const unsigned char *data;
    unsigned long data_length;
    unsigned char *output;
    unsigned long output_capacity; /* LOAD_RANDOM: bytes to draw */
    uint64_t warmup_ns;
    uint64_t duration_ns; /* 0: no deadline */
    uint64_t limit; /* measured calls at most; 0: no limit */
    uint64_t give_up; /* errors in a row after which the thread stops */
    uint64_t *latency_ns; /* of successful calls, in order */
    uint64_t latency_capacity;
    /* out */
    uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC; the thread's own measured window, whole calls */
    uint64_t cpu_ns; /* of this thread in that window */
    uint64_t successes;
    uint64_t failures;
    uint64_t recorded; /* latencies written */
    uint64_t warmup_calls;
    uint64_t error_count[LOAD_ERROR_CODES];
    unsigned long error_code[LOAD_ERROR_CODES];
    uint64_t other_errors; /* calls whose code found no room in the table */
    int gave_up;
} load_job;

/* Run all jobs from one start; returns when the last has ended, 0, or the errno of a thread that could not
 * be made (nothing has been measured then). The calling thread takes the first job. *stop != 0 ends every
 * thread after the call it is in. */
int load_run(load_job *jobs, int count, int *stop);

uint64_t load_now(void);

/* The function list of the null module, and the data calls that one of its sessions has answered. */
struct CK_FUNCTION_LIST *load_null_module(void);
uint64_t load_null_calls(unsigned long session);
