#include "server/engine_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The core type that the program has set itself, last. */
#define MARK "DIGITD_SAFE_CORE_TYPE"

/* The widest first; the last one is what every processor of the kind has. "Generic" is none that OpenBLAS takes. */
static const char *const safe_core_types[] = {
#if defined(__x86_64__)
    "Haswell",
    "Prescott",
#elif defined(__aarch64__)
    "ARMV8",
#endif
    NULL,
};

static char **arguments;

void engine_start_arguments(char **argv)
{
    arguments = argv;
}

/* The first one behind that of the mark, and not the one that has just failed; NULL: all were tried. */
static const char *next_core_type(void)
{
    const char *tried = getenv(MARK);
    const char *const *next = safe_core_types;
    while (tried && *next && strcmp(*next, tried) != 0)
        next++;
    if (*next && (tried || strcmp(*next, engine_core_type()) == 0))
        next++;
    return *next;
}

static enum status start_again(const char *core_type, struct error *err)
{
    if (setenv("OPENBLAS_CORETYPE", core_type, true) != 0 || setenv(MARK, core_type, true) != 0)
        return error_set(err, ERR_MEMORY, "no memory to start again with core type %s", core_type);
    execv("/proc/self/exe", arguments);
    return error_set_errno(err, "cannot start again with core type %s", core_type);
}

enum status engine_start(struct error *err)
{
    struct error wrong;
    enum status status = engine_init(&wrong);
    if (status != ERR_NUMERICS)
        return status == OK ? OK : error_set(err, status, "%s", wrong.message);
    const char *core_type = next_core_type();
    if (!core_type)
        return error_set(err, ERR_NUMERICS, "%s; no core type of OpenBLAS is left to try", wrong.message);
    fprintf(stderr, "digitd: %s; starting again with OPENBLAS_CORETYPE=%s\n", wrong.message, core_type);
    return start_again(core_type, err);
}

const char *engine_start_fallback(void)
{
    return getenv(MARK);
}
