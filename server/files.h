/* Folders and paths of the store. Any thread. */
#ifndef DIGITD_FILES_H
#define DIGITD_FILES_H

#include "engine/engine.h"

#define FILES_PATH_SIZE 4096 /* Linux's PATH_MAX */

/* Joins by printf's rules. ERR_ARGUMENT: the path is longer than the system allows. */
MUST_CHECK enum status files_path(char ret_path[FILES_PATH_SIZE], struct error *err, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Creates the folder and its parents where missing, and syncs the parents, so that a folder with a synced file in
 * it survives a power cut. */
MUST_CHECK enum status files_make_folder(const char *path, struct error *err);

/* Removes the files of a folder that `keep` says no to. Sub-folders stay; a folder that is not there is empty. */
MUST_CHECK enum status files_sweep(const char *folder, bool (*keep)(void *context, const char *name),
                                   void *context, struct error *err);

/* Calls `visit` for each sub-folder until one fails. */
MUST_CHECK enum status files_each_folder(const char *folder,
                                         enum status (*visit)(void *context, const char *name,
                                                              struct error *err),
                                         void *context, struct error *err);

#endif
