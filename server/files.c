#include "server/files.h"

#include <dirent.h>
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

/* ---- What a folder holds --------------------------------------------------------------------------- */

/* NULL with status OK when the folder is not there. */
static enum status open_folder(const char *folder, DIR **ret_stream, struct error *err)
{
    DIR *stream = opendir(folder);
    if (!stream && errno != ENOENT)
        return error_set_errno(err, "reading folder %s", folder);
    *ret_stream = stream;
    return OK;
}

static bool has_type(DIR *stream, const char *name, mode_t type)
{
    struct stat info;
    return fstatat(dirfd(stream), name, &info, AT_SYMLINK_NOFOLLOW) == 0 && (info.st_mode & S_IFMT) == type;
}

enum status files_sweep(const char *folder, bool (*keep)(void *context, const char *name), void *context,
                        struct error *err)
{
    DIR *stream;
    enum status status = open_folder(folder, &stream, err);
    if (status || !stream)
        return status;
    for (struct dirent *entry; status == OK && (entry = readdir(stream));) {
        const char *name = entry->d_name;
        if (has_type(stream, name, S_IFREG) && !keep(context, name) && unlinkat(dirfd(stream), name, 0))
            status = error_set_errno(err, "removing %s/%s", folder, name);
    }
    closedir(stream);
    return status;
}

enum status files_each_folder(const char *folder,
                              enum status (*visit)(void *context, const char *name, struct error *err),
                              void *context, struct error *err)
{
    DIR *stream;
    enum status status = open_folder(folder, &stream, err);
    if (status || !stream)
        return status;
    for (struct dirent *entry; status == OK && (entry = readdir(stream));) {
        const char *name = entry->d_name;
        if (name[0] != '.' && has_type(stream, name, S_IFDIR))
            status = visit(context, name, err);
    }
    closedir(stream);
    return status;
}
