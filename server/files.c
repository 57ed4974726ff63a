#include "server/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum status files_path(char ret_path[FILES_PATH_SIZE], struct error *err, const char *format, ...)
{
    char path[FILES_PATH_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof path)
        return error_set(err, ERR_ARGUMENT, "path is longer than %d bytes: %.100s…", FILES_PATH_SIZE, path);
    memcpy(ret_path, path, (size_t)length + 1);
    return OK;
}

/* Syncs the folder that holds `path`: only then does a new name in it outlast a power cut. */
static enum status sync_parent(const char *path, struct error *err)
{
    char parent[FILES_PATH_SIZE];
    enum status status = files_path(parent, err, "%s/..", path);
    if (status)
        return status;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, "opening folder %s", parent);
    status = fsync(fd) ? error_set_errno(err, "syncing folder %s", parent) : OK;
    close(fd);
    return status;
}

static enum status make_one_folder(const char *path, struct error *err)
{
    if (mkdir(path, 0777) == 0)
        return sync_parent(path, err);
    if (errno != EEXIST)
        return error_set_errno(err, "creating folder %s", path);
    struct stat info;
    if (stat(path, &info))
        return error_set_errno(err, "%s", path);
    if (!S_ISDIR(info.st_mode))
        return error_set(err, ERR_IO, "%s is there, but is not a folder", path);
    return OK;
}

enum status files_make_folder(const char *path, struct error *err)
{
    char part[FILES_PATH_SIZE];
    enum status status = files_path(part, err, "%s", path);
    for (char *end = part; status == OK && *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char after = *end;
        *end = '\0';
        status = make_one_folder(part, err);
        *end = after;
    }
    return status;
}
