/* A folder of its own for a test, in $TMPDIR or /tmp. */
#ifndef DIGITD_TESTS_SCRATCH_H
#define DIGITD_TESTS_SCRATCH_H

#include <stdbool.h>

/* Makes an empty folder; its path stays valid until scratch_remove. */
const char *scratch_make(void);

/* Removes the folder and all that is in it. */
void scratch_remove(void);

/* Path of `name` in the folder. Valid until the fourth call from here. */
const char *scratch_path(const char *name);

bool scratch_exists(const char *name);
void scratch_write(const char *name, const void *bytes, unsigned long size);

#endif
