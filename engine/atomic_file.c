#include "engine/atomic_file.h"

#include "engine/write_all.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum status atomic_file_begin(struct atomic_file *ret_file, const char *path, struct error *err)
{
    int length = snprintf(ret_file->temporary, sizeof ret_file->temporary, "%s.XXXXXX.tmp", path);
    if (length >= (int)sizeof ret_file->temporary)
        return error_set(err, ERR_ARGUMENT, "the path %.100s… is too long", path);
    struct stat there;
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
        return error_set(err, ERR_ARGUMENT, "%s is no regular file: it is not replaced", path);
    ret_file->path = path;
    ret_file->descriptor = mkostemps(ret_file->temporary, 4, O_CLOEXEC);
    return ret_file->descriptor < 0 ? error_set_errno(err, "cannot create a file beside %s", path) : OK;
}

enum status atomic_file_append(struct atomic_file *file, const void *data, size_t size, struct error *err)
{
    return write_all(file->descriptor, data, size) ? OK : error_set_errno(err, "cannot write %s", file->path);
}

static enum status sync_folder_of(const char *path, struct error *err)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status status = OK;
    if (folder < 0 || fsync(folder) != 0)
        status = error_set_errno(err, "cannot sync the folder of %s", path);
    if (folder >= 0)
        close(folder);
    return status;
}

enum status atomic_file_end(struct atomic_file *file, enum status status, struct error *err)
{
    if (status == OK && fchmod(file->descriptor, 0644) != 0)
        status = error_set_errno(err, "cannot set the mode of %s", file->path);
    if (status == OK && fsync(file->descriptor) != 0)
        status = error_set_errno(err, "cannot sync %s", file->path);
    if (close(file->descriptor) != 0 && status == OK)
        status = error_set_errno(err, "cannot close %s", file->path);
    if (status == OK && rename(file->temporary, file->path) != 0)
        status = error_set_errno(err, "cannot rename %s", file->path);
    if (status != OK) {
        unlink(file->temporary);
        return status;
    }
    return sync_folder_of(file->path, err);
}
