/* A second opinion on a token's mechanisms, which shares no line with the workbench.

   usage: mechanisms MODULE SLOT|LABEL
   The environment variable MODULE_INIT holds the parameter string of C_Initialize, for modules that want one.
   Prints a line for each mechanism of the list: its number, smallest and largest key size, flags, all but the
   sizes in hexadecimal; the return code of C_GetMechanismInfo, if it refuses, in place of the last three.

   The few types of Cryptoki that are needed are declared here, for 64-bit Unix. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long ulong;

struct initialize_args {
    void *mutex_functions[4];
    ulong flags;
    const char *parameters; /* pReserved of the standard; NSS reads its parameter string here ... */
    void *reserved;         /* ... and wants NULL after it */
};

struct token_info {
    char label[32];
    char rest[480]; /* more than any version of the structure has */
};

struct mechanism_info {
    ulong min, max, flags;
};

struct function_list {
    unsigned char version[2];
    ulong (*initialize)(struct initialize_args *);
    ulong (*finalize)(void *);
    void *get_info;
    void *get_function_list;
    ulong (*get_slot_list)(unsigned char, ulong *, ulong *);
    void *get_slot_info;
    ulong (*get_token_info)(ulong, struct token_info *);
    ulong (*get_mechanism_list)(ulong, ulong *, ulong *);
    ulong (*get_mechanism_info)(ulong, ulong, struct mechanism_info *);
};

static void check(const char *what, ulong rv) {
    if (rv != 0) {
        fprintf(stderr, "%s: 0x%lx\n", what, rv);
        exit(1);
    }
}

static int has_label(const struct token_info *info, const char *label) {
    size_t length = strlen(label);
    if (length > sizeof info->label || memcmp(info->label, label, length) != 0)
        return 0;
    for (size_t i = length; i < sizeof info->label; i++)
        if (info->label[i] != ' ' && info->label[i] != '\0')
            return 0;
    return 1;
}

/* The slot by its token's label; without such a token, by its number. */
static ulong find_slot(struct function_list *p11, const char *wanted) {
    ulong count = 0;
    check("C_GetSlotList", p11->get_slot_list(1, NULL, &count));
    ulong *slots = calloc(count + 1, sizeof *slots);
    check("C_GetSlotList", p11->get_slot_list(1, slots, &count));
    char *end;
    ulong found = strtoul(wanted, &end, 0);
    int known = *end == '\0';
    for (ulong i = 0; i < count; i++) {
        struct token_info info;
        if (p11->get_token_info(slots[i], &info) == 0 && has_label(&info, wanted)) {
            found = slots[i];
            known = 1;
            break;
        }
    }
    free(slots);
    if (!known) {
        fprintf(stderr, "no token has the label %s\n", wanted);
        exit(1);
    }
    return found;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODULE SLOT|LABEL\n", argv[0]);
        return 2;
    }
    void *library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    ulong (*get_function_list)(struct function_list **);
    *(void **)&get_function_list = dlsym(library, "C_GetFunctionList");
    if (get_function_list == NULL) {
        fprintf(stderr, "%s has no C_GetFunctionList\n", argv[1]);
        return 1;
    }
    struct function_list *p11 = NULL;
    check("C_GetFunctionList", get_function_list(&p11));
    struct initialize_args args = {.flags = 2 /* CKF_OS_LOCKING_OK */, .parameters = getenv("MODULE_INIT")};
    check("C_Initialize", p11->initialize(&args));

    ulong slot = find_slot(p11, argv[2]), count = 0;
    check("C_GetMechanismList", p11->get_mechanism_list(slot, NULL, &count));
    ulong *mechanisms = calloc(count + 1, sizeof *mechanisms);
    check("C_GetMechanismList", p11->get_mechanism_list(slot, mechanisms, &count));
    for (ulong i = 0; i < count; i++) {
        struct mechanism_info info = {0}; /* SoftHSM 2.6.1 adds some flags to whatever stands there */
        ulong rv = p11->get_mechanism_info(slot, mechanisms[i], &info);
        if (rv == 0)
            printf("%lx %lu %lu %lx\n", mechanisms[i], info.min, info.max, info.flags);
        else
            printf("%lx %lx\n", mechanisms[i], rv);
    }
    free(mechanisms);
    check("C_Finalize", p11->finalize(NULL));
    return 0;
}
