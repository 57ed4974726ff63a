/* Files that are replaced whole: whoever opens the path, even after a power cut, finds the old bytes or all of the new.
 *
 *     struct atomic_file file;
 *     enum status status = atomic_file_begin(&file, path, err);
 *     if (status != OK)
 *         return status;
 *     status = atomic_file_append(&file, bytes, size, err);
 *     return atomic_file_end(&file, status, err);
 *
 * One thread at a time. */
#ifndef ENGINE_ATOMIC_FILE_H
#define ENGINE_ATOMIC_FILE_H

#include "engine/engine.h"

#include <limits.h>

struct atomic_file {
    const char *path; /* borrowed until atomic_file_end */
    int descriptor;
    char temporary[PATH_MAX]; /* beside `path`, what the bytes go to at first */
};

/* ERR_ARGUMENT: the path is too long, or a folder, a device or the like has it. Errors of the system: error_set_errno. */
MUST_CHECK enum status atomic_file_begin(struct atomic_file *ret_file, const char *path, struct error *err);

MUST_CHECK enum status atomic_file_append(struct atomic_file *file, const void *data, size_t size,
                                          struct error *err);

/* With OK for `status`, how the writing went: syncs, renames over the path, syncs the folder. Otherwise, or when that fails,
 * leaves what was there and no trace beside it. Returns `status` if that is no OK, so that `return` reads well. */
MUST_CHECK enum status atomic_file_end(struct atomic_file *file, enum status status, struct error *err);

#endif
