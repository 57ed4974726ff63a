/* Names that clients give and files are called by: datasets, models, jobs. Because nothing but these characters
 * passes, a name can be joined to a folder without leaving it. */
#ifndef DIGITD_NAMES_H
#define DIGITD_NAMES_H

#include <stdbool.h>

#define NAME_MAX_LENGTH 64
#define NAME_RULE       "1 to 64 characters of a-z, 0-9, _ and -"

#define JOB_ID_LENGTH 20 /* job_ and 16 hex digits */

#define SWEEP_ID_LENGTH 22 /* sweep_ and 16 hex digits */

bool name_is_valid(const char *name);
bool job_id_is_valid(const char *id);
bool sweep_id_is_valid(const char *id);

/* Fresh random ids. They read /dev/urandom's pool; cannot fail once the system has booted. */
void job_id_create(char ret_id[JOB_ID_LENGTH + 1]);
void sweep_id_create(char ret_id[SWEEP_ID_LENGTH + 1]);

#endif
