/* GET / and everything below it that no other route takes: the page, its files, openapi.json. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/app.h"
#include "server/assets.h"
#include "server/files.h"
#include "server/handlers.h"
#include "server/problem.h"
#include "server/reply.h"

/* Whether Accept-Encoding lists gzip without forbidding it by q=0 (RFC 9110, 12.5.3). */
static bool accepts_gzip(const struct request *request)
{
    const char *accepted = request_header(request, "Accept-Encoding");
    for (const char *at = accepted; at && *at;) {
        at += strspn(at, ", \t");
        size_t name = strcspn(at, ",; \t"), item = strcspn(at, ",");
        if (name == 4 && strncasecmp(at, "gzip", 4) == 0) {
            const char *weight = memmem(at, item, "q=", 2);
            return !weight || strspn(weight + 2, "0.") < (size_t)(at + item - weight - 2);
        }
        at += item;
    }
    return false;
}

static void reply_asset(struct request *request, const struct asset *asset)
{
    reply_header(request, "Cache-Control", "no-cache");
    if (asset->gzip)
        reply_header(request, "Vary", "Accept-Encoding");
    if (reply_etag(request, asset->etag))
        return;
    if (asset->gzip && accepts_gzip(request)) {
        reply_header(request, "Content-Encoding", "gzip");
        reply_static(request, 200, asset->media_type, asset->gzip, asset->gzip_size);
    } else {
        reply_static(request, 200, asset->media_type, asset->plain, asset->plain_size);
    }
}

/* The file in --static's folder that the embedded asset was made from; what is not there, like uPlot, comes from the
 * program. Only paths in the table of assets get here, so none can lead out of the folder. */
static void reply_from_disk(struct app *app, struct request *request)
{
    const struct asset *asset = asset_find(request_path(request));
    const char *name = strcmp(asset->path, "/") == 0 ? "/index.html" : asset->path;
    char path[FILES_PATH_SIZE];
    struct error err;
    struct stat info;
    if (files_path(path, &err, "%s%s", app->static_dir, name) != OK) {
        reply_error(request, &err);
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        reply_file_take(request, 200, asset->media_type, fd, (uint64_t)info.st_size);
        return;
    }
    if (fd >= 0)
        close(fd);
    reply_asset(request, asset);
}

void handle_asset(struct app *app, struct request *request)
{
    const struct asset *asset = asset_find(request_path(request));
    if (!asset)
        reply_problem(request, PROBLEM_NOT_FOUND, "There is nothing at %s.", request_path(request));
    else if (app->static_dir)
        request_move_to_worker(request, reply_from_disk);
    else
        reply_asset(request, asset);
}
