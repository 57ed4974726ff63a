#include "server/names.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

bool name_is_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return length >= 1 && length <= NAME_MAX_LENGTH && name[length] == '\0';
}

static bool id_is_valid(const char *id, const char *prefix, size_t length)
{
    size_t before = strlen(prefix);
    return strncmp(id, prefix, before) == 0 && strspn(id + before, "0123456789abcdef") == length - before &&
           id[length] == '\0';
}

bool job_id_is_valid(const char *id)
{
    return id_is_valid(id, "job_", JOB_ID_LENGTH);
}

bool sweep_id_is_valid(const char *id)
{
    return id_is_valid(id, "sweep_", SWEEP_ID_LENGTH);
}

static uint64_t random_bits(void)
{
    uint64_t bits = 0;
    while (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        ; /* interrupted by a signal: eight bytes never come in part */
    return bits;
}

void job_id_create(char ret_id[JOB_ID_LENGTH + 1])
{
    snprintf(ret_id, JOB_ID_LENGTH + 1, "job_%016" PRIx64, random_bits());
}

void sweep_id_create(char ret_id[SWEEP_ID_LENGTH + 1])
{
    snprintf(ret_id, SWEEP_ID_LENGTH + 1, "sweep_%016" PRIx64, random_bits());
}
