/* GET /api/v1/models/{model}/versions/{version}/evaluation */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/evaluations.h"
#include "server/handle_models.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/problem.h"
#include "server/reply.h"

/* A request whose evaluation is being computed. */
struct pending {
    struct evaluation_call call; /* first: `done` gets its address */
    struct request *request;
    struct mistake_filter filter;
    bool refused;
};

static void pending_free(void *context)
{
    struct pending *pending = context;
    evaluation_record_clear(&pending->call.record);
    free(pending);
}

/* The dataset that the query names, else the one that the version was trained on. False after the reply is written. */
static bool read_query(struct request *request, const struct version_record *version,
                       struct evaluation_subject *ret_subject, struct mistake_filter *ret_filter)
{
    struct problems problems = {0};
    const char *dataset = NULL;
    int split = SPLIT_TEST;
    int64_t label = -1, predicted = -1, limit = MISTAKES_MAX;
    input_query_name(request, "dataset", &dataset, &problems);
    input_query_choice(request, "split", dataset_split_names, &split, &problems);
    input_query_integer(request, "label", 0, CLASSES - 1, &label, &problems);
    input_query_integer(request, "predicted", 0, CLASSES - 1, &predicted, &problems);
    input_query_integer(request, "limit", 0, MISTAKES_MAX, &limit, &problems);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return false;
    }
    *ret_filter = (struct mistake_filter){(int)label, (int)predicted, (size_t)limit};
    *ret_subject = (struct evaluation_subject){.version = version->version, .split = (enum split)split};
    memcpy(ret_subject->model, version->model, sizeof ret_subject->model);
    if (dataset)
        snprintf(ret_subject->dataset, sizeof ret_subject->dataset, "%s", dataset);
    else
        evaluation_default_dataset(version, ret_subject->dataset);
    return true;
}

static void reply_evaluation(struct request *request, const struct evaluation_subject *subject,
                             const struct evaluation_record *record, const struct mistake_filter *filter)
{
    reply_json_tagged(request, evaluation_to_json(subject->model, subject->version, record, filter));
}

/* Broken files of a dataset are not the client's fault. */
static void reply_failure(struct request *request, struct error *err)
{
    if (err->code == ERR_FORMAT || err->code == ERR_SHAPE)
        err->code = ERR_IO;
    reply_error(request, err);
}

static void reply_pending(struct app *app, struct request *request)
{
    (void)app;
    struct pending *pending = request_context(request);
    struct evaluation_call *call = &pending->call;
    if (pending->refused && !request_server_stops(request)) {
        reply_problem(request, PROBLEM_BUSY, "Another evaluation is under way: only one is at a time.");
        reply_header(request, "Retry-After", "1");
    } else if (pending->refused || call->stopped) {
        reply_problem(request, PROBLEM_STOPPING, "The server is shutting down.");
    } else if (call->status) {
        reply_failure(request, &call->err);
    } else {
        reply_evaluation(request, &call->subject, &call->record, &pending->filter);
    }
}

/* Called on the event thread, where a body of some 100 KB would hold others up. */
static void resume(struct app *app, struct request *request)
{
    (void)app;
    request_move_to_worker(request, reply_pending);
}

static void evaluated(struct evaluation_call *call)
{
    request_resume(((struct pending *)call)->request);
}

static void compute(struct app *app, struct request *request, const struct evaluation_subject *subject,
                    const struct mistake_filter *filter)
{
    struct pending *pending = calloc(1, sizeof *pending);
    if (!pending) {
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for an evaluation at the moment.");
        return;
    }
    *pending = (struct pending){
        .call = {.subject = *subject, .done = evaluated}, .request = request, .filter = *filter};
    request_set_context(request, pending, pending_free);
    request_suspend(request, resume);
    if (!evaluations_submit(app->evaluations, &pending->call)) {
        pending->refused = true;
        request_resume(request);
    }
}

void handle_evaluation_get(struct app *app, struct request *request)
{
    struct version_record version;
    struct evaluation_subject subject;
    struct mistake_filter filter;
    struct evaluation_record record;
    struct error err;
    bool there;
    if (!read_version(app, request, &version))
        return;
    bool right = read_query(request, &version, &subject, &filter);
    version_record_clear(&version);
    if (!right)
        return;
    if (evaluations_read(app->evaluations, &subject, &record, &there, &err)) {
        reply_failure(request, &err);
    } else if (there) {
        reply_evaluation(request, &subject, &record, &filter);
        evaluation_record_clear(&record);
    } else {
        compute(app, request, &subject, &filter);
    }
}
