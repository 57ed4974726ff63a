/* GET /api/v1/models, /api/v1/models/{model}, …/versions/{version}, …/weights.safetensors,
 * …/model.onnx */
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/app.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/job_json.h"
#include "server/problem.h"
#include "server/registry.h"
#include "server/reply.h"
#include "server/store_models.h"

#define LIST_MAX 1000

/* The model in the path; NULL after a 404 when it cannot be one. */
static const char *read_model(struct request *request)
{
    const char *model = request_param(request, "model");
    if (name_is_valid(model))
        return model;
    reply_problem(request, PROBLEM_NOT_FOUND, "There is no such model: a name is " NAME_RULE ".");
    return NULL;
}

/* The version in the path; false after the reply is written. The caller clears the record. */
static bool read_version(struct app *app, struct request *request, struct version_record *ret_version)
{
    const char *model = read_model(request);
    int64_t number;
    struct error err;
    if (!model)
        return false;
    if (!input_parse_integer(request_param(request, "version"), 1, INT_MAX, &number)) {
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no such version: versions are 1, 2, 3 and on.");
        return false;
    }
    if (store_version_read(app->store, model, (int)number, ret_version, &err)) {
        reply_error(request, &err);
        return false;
    }
    return true;
}

void handle_model_list(struct app *app, struct request *request)
{
    struct model_record *models;
    size_t count;
    bool has_more;
    struct error err;
    if (store_model_list(app->store, NULL, LIST_MAX, &models, &count, &has_more, &err)) {
        reply_error(request, &err);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, model_to_json(&models[i]));
    free(models);
    reply_json(request, 200, json_pack("{s:o, s:b}", "data", data, "has_more", has_more));
}

void handle_model_get(struct app *app, struct request *request)
{
    const char *name = read_model(request);
    struct model_record model;
    struct version_record *versions;
    size_t count;
    struct error err;
    if (!name)
        return;
    if (store_model_read(app->store, name, &model, &err) ||
        store_version_list(app->store, name, LIST_MAX, &versions, &count, &err)) {
        reply_error(request, &err);
        return;
    }
    json_t *list = json_array(), *body = model_to_json(&model);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, version_to_json(&versions[i]));
        version_record_clear(&versions[i]);
    }
    free(versions);
    json_object_set_new(body, "versions", list);
    reply_json(request, 200, body);
}

/* A version never changes, and its file names its job: the file's digest stands for all that is known of it. `form` sets
 * apart what else is made of that. */
static bool reply_version_etag(struct request *request, const struct version_record *version,
                               const char *form)
{
    char etag[DIGEST_TEXT_SIZE + 32];
    snprintf(etag, sizeof etag, "\"%s%s\"", version->file_digest, form);
    return reply_etag(request, etag);
}

void handle_version_get(struct app *app, struct request *request)
{
    struct version_record version;
    if (!read_version(app, request, &version))
        return;
    if (!reply_version_etag(request, &version, ""))
        reply_json(request, 200, version_to_json(&version));
    version_record_clear(&version);
}

/* ---- Files ----------------------------------------------------------------------------------------- */

static enum status open_file(const char *path, int *ret_fd, int64_t *ret_size, struct error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info)) {
        if (fd >= 0)
            close(fd);
        return error_set(err, ERR_IO, "%s cannot be opened", path);
    }
    *ret_fd = fd;
    *ret_size = info.st_size;
    return OK;
}

static void reply_download_take(struct request *request, const struct version_record *version,
                                const char *extension, int fd, int64_t size)
{
    reply_file_take(request, 200, "application/octet-stream", fd, (uint64_t)size);
    reply_header(request, "Content-Disposition", "attachment; filename=\"%s-%d.%s\"", version->model,
                 version->version, extension);
}

static void reply_weights(struct app *app, struct request *request, const struct version_record *version)
{
    char path[FILES_PATH_SIZE];
    int fd;
    int64_t size;
    struct error err;
    if (registry_path(app->registry, version->model, version->version, path, &err) ||
        open_file(path, &fd, &size, &err)) {
        reply_error(request, &err);
    } else if (size != version->file_bytes) {
        close(fd);
        error_set(&err, ERR_IO, "%s has %lld bytes, not the %lld that were written", path, (long long)size,
                  (long long)version->file_bytes);
        reply_error(request, &err);
    } else {
        reply_download_take(request, version, "safetensors", fd, size);
    }
}

void handle_weights_get(struct app *app, struct request *request)
{
    struct version_record version;
    if (!read_version(app, request, &version))
        return;
    if (!reply_version_etag(request, &version, ""))
        reply_weights(app, request, &version);
    version_record_clear(&version);
}

static void reply_onnx(struct app *app, struct request *request, const struct version_record *version)
{
    char path[FILES_PATH_SIZE];
    int fd;
    int64_t size;
    struct error err;
    if (registry_onnx_path(app->registry, version->model, version->version, path, &err) ||
        open_file(path, &fd, &size, &err))
        reply_error(request, &err);
    else
        reply_download_take(request, version, "onnx", fd, size);
}

void handle_onnx_get(struct app *app, struct request *request)
{
    struct version_record version;
    if (!read_version(app, request, &version))
        return;
    /* Another version of the program may write it in another way. */
    if (!reply_version_etag(request, &version, "-onnx-" DIGITD_VERSION))
        reply_onnx(app, request, &version);
    version_record_clear(&version);
}
