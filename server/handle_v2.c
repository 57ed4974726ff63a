/* GET /v2, /v2/health/live, /v2/health/ready, /v2/models/{model}[/versions/{version}][/ready], …/stats;
 * POST /v2/repository/index: the Open Inference Protocol but for inference itself, which is handle_v2_infer.c's. */
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/model_catalogue.h"
#include "server/predict.h"
#include "server/predict_stats.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/tensor_call.h"
#include "server/v2.h"

/* ---- Server -------------------------------------------------------------------------------------------- */

void handle_v2(struct app *app, struct request *request)
{
    (void)app;
    reply_json(request, 200,
               json_pack("{s:s, s:s, s:[s,s,s]}", "name", "digitd", "version", DIGITD_VERSION, "extensions",
                         "binary_tensor_data", "statistics", "model_repository"));
}

void handle_v2_live(struct app *app, struct request *request)
{
    (void)app;
    reply_json(request, 200, json_pack("{s:b}", "live", true));
}

void handle_v2_ready(struct app *app, struct request *request)
{
    (void)app;
    if (request_server_stops(request))
        reply_problem(request, PROBLEM_STOPPING, "The server is shutting down.");
    else
        reply_json(request, 200, json_pack("{s:b}", "ready", true));
}

/* ---- Models ---------------------------------------------------------------------------------------------- */

json_t *v2_version_to_json(int version)
{
    char text[16];
    snprintf(text, sizeof text, "%d", version);
    return json_string(text);
}

/* The versions that the path names; false after the reply is written. The caller frees the array. */
static bool read_versions(struct app *app, struct request *request, struct catalogue_entry **ret_entries,
                          size_t *ret_count)
{
    struct model_choice choice;
    struct error err;
    if (!tensor_call_read_model(request, &choice))
        return false;
    if (model_catalogue_list(app, choice.name, (int)choice.version, ret_entries, ret_count, &err) == OK)
        return true;
    reply_error(request, &err);
    return false;
}

void handle_v2_model(struct app *app, struct request *request)
{
    struct catalogue_entry *entries;
    size_t count;
    if (!read_versions(app, request, &entries, &count))
        return;
    json_t *versions = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(versions, v2_version_to_json(entries[i].version));
    free(entries);
    reply_json(request, 200,
               json_pack("{s:s, s:o, s:s, s:[{s:s, s:s, s:[i,i,i,i]}], s:[{s:s, s:s, s:[i,i]}]}", "name",
                         request_param(request, "model"), "versions", versions, "platform", "digitd",
                         "inputs", "name", V2_INPUT, "datatype", V2_DATATYPE, "shape", -1, 1, IMAGE_SIDE,
                         IMAGE_SIDE, "outputs", "name", V2_OUTPUT, "datatype", V2_DATATYPE, "shape", -1,
                         CLASSES));
}

/* Without a version, what a request for the name alone gets. */
void handle_v2_model_ready(struct app *app, struct request *request)
{
    struct catalogue_entry *entries;
    size_t count;
    if (!read_versions(app, request, &entries, &count))
        return;
    free(entries);
    const char *name = request_param(request, "model");
    struct served_model *served = predict_model_default(app->predictions, name);
    if (served || request_param(request, "version"))
        reply_json(request, 200, json_pack("{s:s, s:b}", "name", name, "ready", true));
    else
        reply_problem(request, PROBLEM_NOT_FOUND, "No version of \"%s\" is in production.", name);
    served_model_unref(served);
}

static bool read_index_request(struct request *request)
{
    struct problems problems = {0};
    bool ready = false; /* either way: every version listed can be asked for */
    json_t *body = input_json_body(request, true);
    if (!body)
        return false;
    input_known_fields(body, "", (const char *[]){"ready", NULL}, &problems);
    input_boolean(body, "", "ready", &ready, &problems);
    json_decref(body);
    if (problems.count)
        reply_problems(request, PROBLEM_MALFORMED, &problems);
    return problems.count == 0;
}

void handle_v2_index(struct app *app, struct request *request)
{
    struct catalogue_entry *entries;
    size_t count;
    struct error err;
    if (!read_index_request(request))
        return;
    if (model_catalogue_list(app, NULL, 0, &entries, &count, &err) != OK) {
        reply_error(request, &err);
        return;
    }
    json_t *index = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(index, json_pack("{s:s, s:o, s:s, s:s}", "name", entries[i].name, "version",
                                               v2_version_to_json(entries[i].version), "state", "READY",
                                               "reason", ""));
    free(entries);
    reply_json(request, 200, index);
}

/* ---- Statistics -------------------------------------------------------------------------------------------- */

static json_t *duration_to_json(struct duration_count duration)
{
    return json_pack("{s:I, s:I}", "count", (json_int_t)duration.count, "ns", (json_int_t)duration.ns);
}

static json_t *batches_to_json(const struct model_stats *stats)
{
    json_t *list = json_array();
    for (size_t i = 0; i < stats->batch_max; i++) {
        const struct batch_count *batch = &stats->batches[i];
        if (batch->infer.count)
            json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:o}", "batch_size", (json_int_t)i + 1,
                                                  "compute_input", duration_to_json(batch->input),
                                                  "compute_infer", duration_to_json(batch->infer),
                                                  "compute_output", duration_to_json(batch->output)));
    }
    return list;
}

static json_t *stats_to_json(const struct catalogue_entry *entry, const struct model_stats *stats)
{
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:{s:o, s:o, s:o, s:o, s:o, s:o}, s:o}", "name", entry->name,
                     "version", v2_version_to_json(entry->version), "last_inference",
                     (json_int_t)stats->last_at, "inference_count", (json_int_t)stats->images,
                     "execution_count", (json_int_t)stats->passes, "inference_stats", "success",
                     duration_to_json(stats->success), "fail", duration_to_json(stats->fail), "queue",
                     duration_to_json(stats->queue), "compute_input", duration_to_json(stats->input),
                     "compute_infer", duration_to_json(stats->infer), "compute_output",
                     duration_to_json(stats->output), "batch_stats", batches_to_json(stats));
}

/* What was counted of a version; zeros when it was not asked for yet. */
static struct model_stats find_stats(const struct model_stats *models, size_t count,
                                     const struct catalogue_entry *entry)
{
    for (size_t i = 0; i < count; i++)
        if (models[i].version == entry->version && strcmp(models[i].name, entry->name) == 0)
            return models[i];
    return (struct model_stats){.batch_max = 0};
}

static void reply_stats(struct app *app, struct request *request, const struct catalogue_entry *entries,
                        size_t count)
{
    struct model_stats *models;
    size_t known;
    struct error err;
    if (predict_stats_read(predict_service_stats(app->predictions), request_param(request, "model"), 0,
                           &models, &known, &err) != OK) {
        reply_error(request, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        struct model_stats stats = find_stats(models, known, &entries[i]);
        json_array_append_new(list, stats_to_json(&entries[i], &stats));
    }
    model_stats_free(models, known);
    reply_json(request, 200, json_pack("{s:o}", "model_stats", list));
}

void handle_v2_model_stats(struct app *app, struct request *request)
{
    struct catalogue_entry *entries;
    size_t count;
    if (!read_versions(app, request, &entries, &count))
        return;
    reply_stats(app, request, entries, count);
    free(entries);
}

void handle_v2_stats(struct app *app, struct request *request)
{
    struct catalogue_entry *entries;
    size_t count;
    struct error err;
    if (model_catalogue_list(app, NULL, 0, &entries, &count, &err) != OK) {
        reply_error(request, &err);
        return;
    }
    reply_stats(app, request, entries, count);
    free(entries);
}
