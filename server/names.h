/* Names that clients give and files are called by: datasets, models, jobs. Because nothing but these characters
 * passes, a name can be joined to a folder without leaving it. */
#ifndef DIGITD_NAMES_H
#define DIGITD_NAMES_H

#include <stdbool.h>

#define NAME_MAX_LENGTH 64
#define NAME_RULE       "1 to 64 characters of a-z, 0-9, _ and -"

#define JOB_ID_LENGTH 20 /* job_ and 16 hex digits */

bool name_is_valid(const char *name);
bool job_id_is_valid(const char *id);

/* A fresh random id. Reads /dev/urandom's pool; cannot fail once the system has booted. */
void job_id_create(char ret_id[JOB_ID_LENGTH + 1]);

#endif
