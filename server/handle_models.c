/* GET /api/v1/models, /api/v1/models/{model}, …/versions/{version}, …/weights.safetensors, …/model.onnx;
 * POST …/versions; DELETE …/versions/{version} */
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/app.h"
#include "server/handle_models.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/job_json.h"
#include "server/problem.h"
#include "server/registry.h"
#include "server/reply.h"
#include "server/store_models.h"

#define LIST_DEFAULT 100

const char *read_model_name(struct request *request)
{
    const char *model = request_param(request, "model");
    if (name_is_valid(model))
        return model;
    reply_problem(request, PROBLEM_NOT_FOUND, "There is no such model: a name is " NAME_RULE ".");
    return NULL;
}

bool read_version(struct app *app, struct request *request, struct version_record *ret_version)
{
    const char *model = read_model_name(request);
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
    const char *after = NULL;
    int64_t limit = LIST_DEFAULT;
    struct problems problems = {0};
    input_query_name(request, "after", &after, &problems);
    input_query_integer(request, "limit", 1, STORE_LIST_MAX, &limit, &problems);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return;
    }
    if (store_model_list(app->store, after, (size_t)limit, &models, &count, &has_more, &err)) {
        reply_error(request, &err);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, model_to_json(&models[i]));
    free(models);
    reply_json(request, 200, json_pack("{s:o, s:b}", "data", data, "has_more", has_more));
}

static void reply_model(struct request *request, const struct model_record *model,
                        struct version_record *versions, size_t count, bool has_more)
{
    json_t *list = json_array(), *body = model_to_json(model);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, version_to_json(&versions[i]));
        version_record_clear(&versions[i]);
    }
    free(versions);
    json_object_set_new(body, "versions", list);
    json_object_set_new(body, "has_more", json_boolean(has_more));
    reply_json(request, 200, body);
}

void handle_model_get(struct app *app, struct request *request)
{
    const char *name = read_model_name(request);
    struct model_record model;
    struct version_record *versions;
    size_t count;
    bool has_more;
    struct error err;
    int64_t after = 0, limit = LIST_DEFAULT;
    struct problems problems = {0};
    if (!name)
        return;
    input_query_integer(request, "after", 1, INT_MAX, &after, &problems);
    input_query_integer(request, "limit", 1, STORE_LIST_MAX, &limit, &problems);
    if (problems.count)
        reply_problems(request, PROBLEM_MALFORMED, &problems);
    else if (store_model_read(app->store, name, &model, &err) ||
             store_version_list(app->store, name, (int)after, (size_t)limit, &versions, &count, &has_more,
                                &err))
        reply_error(request, &err);
    else
        reply_model(request, &model, versions, count, has_more);
}

/* A version's file never changes, and names its job: the digest stands for all that is made of it. `form` sets apart
 * what else is made of that. */
static bool reply_file_etag(struct request *request, const struct version_record *version, const char *form)
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
    reply_json_tagged(request, version_to_json(&version));
    version_record_clear(&version);
}

void handle_version_delete(struct app *app, struct request *request)
{
    struct version_record version;
    struct error err;
    if (!read_version(app, request, &version))
        return;
    enum status status = registry_delete(app->registry, version.model, version.version, &err);
    version_record_clear(&version);
    if (status == ERR_ARGUMENT)
        reply_problem(request, PROBLEM_CONFLICT, "%s: move or remove it first.", err.message);
    else if (status)
        reply_error(request, &err);
    else
        reply_empty(request, 204);
}

/* ---- Import ---------------------------------------------------------------------------------------- */

/* The plan that the form's part `spec` says; NULL in `ret_plan` without one. False after the reply is written. */
static bool read_plan(struct request *request, struct model_plan *plan, const struct model_plan **ret_plan)
{
    const uint8_t *text;
    size_t size;
    struct error err;
    struct problems problems = {0};
    struct model_spec spec;
    json_t *json = NULL;
    *ret_plan = NULL;
    enum status status = request_form_part(request, "spec", &text, &size, &err);
    if (status == ERR_NOT_FOUND)
        return true;
    if (status == OK)
        status = input_json_parse(text, size, &json, &err);
    if (status) {
        problems_add(&problems, status, "/spec", "%s", err.message);
        reply_problems(request, status == ERR_MEMORY ? PROBLEM_OVERLOADED : PROBLEM_MALFORMED, &problems);
        return false;
    }
    status = model_spec_from_json(json, "/spec", &spec, &problems);
    json_decref(json);
    if (status == OK)
        status = model_plan_create(&spec, "/spec", plan, &problems);
    if (problems.count)
        reply_problems(request, PROBLEM_INVALID, &problems);
    *ret_plan = plan;
    return status == OK;
}

/* A body is the file, or a form with the parts `weights` and `spec`. False after the reply is written. */
static bool read_upload(struct request *request, const uint8_t **ret_bytes, size_t *ret_size,
                        struct model_plan *plan, const struct model_plan **ret_plan)
{
    struct error err;
    if (strcmp(request_media_type(request), "multipart/form-data") != 0) {
        *ret_bytes = request_body(request, ret_size);
        *ret_plan = NULL;
        return true;
    }
    enum status status = request_form_part(request, "weights", ret_bytes, ret_size, &err);
    if (status) {
        err.code = status == ERR_NOT_FOUND ? ERR_FORMAT : status;
        reply_error(request, &err);
        return false;
    }
    return read_plan(request, plan, ret_plan);
}

static void reply_imported(struct app *app, struct request *request, const char *name, int number)
{
    struct version_record version;
    struct error err;
    if (store_version_read(app->store, name, number, &version, &err)) {
        reply_error(request, &err);
        return;
    }
    reply_json(request, 201, version_to_json(&version));
    reply_header(request, "Location", "/api/v1/models/%s/versions/%d", name, number);
    version_record_clear(&version);
}

void handle_version_import(struct app *app, struct request *request)
{
    const char *name = read_model_name(request);
    const uint8_t *bytes;
    size_t size;
    struct model_plan plan;
    const struct model_plan *asked;
    int number;
    struct error err;
    if (!name || !read_upload(request, &bytes, &size, &plan, &asked))
        return;
    enum status status = registry_import(app->registry, name, bytes, size, asked, &number, &err);
    if (status == ERR_FORMAT || status == ERR_SHAPE)
        reply_problem(request, status == ERR_SHAPE ? PROBLEM_INVALID : PROBLEM_UNREADABLE,
                      "The file cannot be taken: %s.", err.message);
    else if (status)
        reply_error(request, &err);
    else
        reply_imported(app, request, name, number);
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
    if (!reply_file_etag(request, &version, ""))
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
    if (!reply_file_etag(request, &version, "-onnx-" DIGITD_VERSION))
        reply_onnx(app, request, &version);
    version_record_clear(&version);
}
