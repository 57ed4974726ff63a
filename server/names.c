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

bool job_id_is_valid(const char *id)
{
    return strncmp(id, "job_", 4) == 0 && strspn(id + 4, "0123456789abcdef") == JOB_ID_LENGTH - 4 &&
           id[JOB_ID_LENGTH] == '\0';
}

void job_id_create(char ret_id[JOB_ID_LENGTH + 1])
{
    uint64_t bits = 0;
    while (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        ; /* interrupted by a signal: eight bytes never come in part */
    snprintf(ret_id, JOB_ID_LENGTH + 1, "job_%016" PRIx64, bits);
}
