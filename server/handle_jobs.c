/* POST and GET /api/v1/jobs; GET and DELETE /api/v1/jobs/{id}; GET …/metrics; POST …/cancel, pause, resume, priority */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/digest.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/job_json.h"
#include "server/jobs.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/store_samples.h"

#define KEY_MAX        128
#define RETRY_SECONDS  "10"
#define LIST_DEFAULT   50
#define LIST_ALL       1 /* in no_or_yes */
#define POINTS_DEFAULT 1000
#define POINTS_MAX     100000

/* The id in the path; NULL after a 404 when it cannot be one. */
static const char *read_id(struct request *request)
{
    const char *id = request_param(request, "id");
    if (job_id_is_valid(id))
        return id;
    reply_problem(request, PROBLEM_NOT_FOUND, "There is no such job: an id is job_ and 16 hex digits.");
    return NULL;
}

static void reply_job(struct app *app, struct request *request, unsigned status, const char *id)
{
    struct job_view view;
    struct error err;
    if (jobs_read(app->jobs, id, &view, &err)) {
        reply_error(request, &err);
        return;
    }
    reply_json(request, status, job_to_json(&view));
    job_view_clear(&view);
}

/* ---- POST /api/v1/jobs ----------------------------------------------------------------------------- */

static bool read_key(struct request *request, const char **ret_key)
{
    const char *key = request_header(request, "Idempotency-Key");
    size_t length = key ? strlen(key) : 0;
    if (key && (length == 0 || length > KEY_MAX)) {
        reply_problem(request, PROBLEM_MALFORMED, "Idempotency-Key has %zu characters, not 1 to %d.", length,
                      KEY_MAX);
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (key[i] < ' ' || key[i] > '~') {
            reply_problem(request, PROBLEM_MALFORMED, "Idempotency-Key has other characters than ASCII's.");
            return false;
        }
    }
    *ret_key = key;
    return true;
}

/* Of what the request says, however it is written. */
static bool digest_json(const json_t *json, char ret_digest[DIGEST_TEXT_SIZE])
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    if (text)
        digest_bytes(text, strlen(text), ret_digest);
    free(text);
    return text != NULL;
}

static void reply_insert(struct app *app, struct request *request, enum job_insert_result result,
                         const char *id, const struct error *err)
{
    switch (result) {
    case JOB_INSERTED:
    case JOB_REPEATED:
        reply_job(app, request, 202, id);
        reply_header(request, "Location", "/api/v1/jobs/%s", id);
        break;
    case JOB_KEY_REUSED:
        reply_problem(request, PROBLEM_CONFLICT, "Idempotency-Key was used before, with another request.");
        break;
    case JOB_QUEUE_FULL:
        reply_problem(request, PROBLEM_BUSY, "As many jobs are waiting as may; cancel one or try later.");
        reply_header(request, "Retry-After", RETRY_SECONDS);
        break;
    case JOB_INSERT_FAILED:
        reply_error(request, err);
        break;
    }
}

static void submit(struct app *app, struct request *request, const json_t *json, const char *key,
                   const char *digest)
{
    char id[JOB_ID_LENGTH + 1];
    struct job_request job;
    struct problems problems = {0};
    struct error err;
    enum job_insert_result result = jobs_find_key(app->jobs, key, digest, id, &err);
    if (result == JOB_INSERTED && jobs_check(app->jobs, json, &job, &problems)) {
        reply_problems(request, PROBLEM_INVALID, &problems);
        return;
    }
    if (result == JOB_INSERTED)
        result = jobs_submit(app->jobs, &job, key, digest, id, &err);
    reply_insert(app, request, result, id, &err);
}

void handle_job_create(struct app *app, struct request *request)
{
    const char *key;
    char digest[DIGEST_TEXT_SIZE];
    if (!read_key(request, &key))
        return;
    json_t *json = input_json_body(request, false);
    if (!json)
        return;
    store_own_hold(app->store); /* what the check sees is what the job gets */
    if (digest_json(json, digest))
        submit(app, request, json, key, digest);
    else
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for this request.");
    store_own_release(app->store);
    json_decref(json);
}

/* ---- GET /api/v1/jobs ------------------------------------------------------------------------------ */

static const char *const state_names[] = {"queued", "running",   "paused", "succeeded",
                                          "failed", "cancelled", NULL};
static const char *const no_or_yes[] = {"false", "true", NULL};

static void reply_list(struct request *request, struct job_view *views, size_t count, bool has_more)
{
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(data, job_to_json(&views[i]));
        job_view_clear(&views[i]);
    }
    free(views);
    reply_json(request, 200, json_pack("{s:o, s:b}", "data", data, "has_more", has_more));
}

void handle_job_list(struct app *app, struct request *request)
{
    int state = -1, all = 0;
    int64_t limit = LIST_DEFAULT;
    struct problems problems = {0};
    const char *after = request_query(request, "after"), *sweep = request_query(request, "sweep");
    input_query_choice(request, "status", state_names, &state, &problems);
    input_query_choice(request, "all", no_or_yes, &all, &problems);
    input_query_integer(request, "limit", 1, STORE_LIST_MAX, &limit, &problems);
    if (after && !job_id_is_valid(after))
        problems_add(&problems, ERR_ARGUMENT, "?after", "not a job's id: job_ and 16 hex digits");
    if (sweep && !sweep_id_is_valid(sweep))
        problems_add(&problems, ERR_ARGUMENT, "?sweep", "not a sweep's id: sweep_ and 16 hex digits");
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return;
    }
    if (!sweep && all != LIST_ALL)
        sweep = ""; /* dozens of trials would hide what people have started */

    enum job_state wanted = (enum job_state)state;
    struct job_filter filter = {
        .state = state < 0 ? NULL : &wanted, .sweep = sweep, .after = after, .limit = (size_t)limit};
    struct job_view *views;
    size_t count;
    bool has_more;
    struct error err;
    enum status status = jobs_list(app->jobs, &filter, &views, &count, &has_more, &err);
    if (status == OK) {
        reply_list(request, views, count, has_more);
    } else if (status == ERR_NOT_FOUND) {
        problems_add(&problems, status, "?after", "%s", err.message);
        reply_problems(request, PROBLEM_MALFORMED, &problems);
    } else {
        reply_error(request, &err);
    }
}

/* ---- /api/v1/jobs/{id} ----------------------------------------------------------------------------- */

void handle_job_get(struct app *app, struct request *request)
{
    const char *id = read_id(request);
    struct job_view view;
    struct error err;
    char digest[DIGEST_TEXT_SIZE], etag[DIGEST_TEXT_SIZE + 2];
    if (!id)
        return;
    if (jobs_read(app->jobs, id, &view, &err)) {
        reply_error(request, &err);
        return;
    }
    json_t *body = job_to_json(&view);
    job_view_clear(&view);
    if (body && digest_json(body, digest)) {
        snprintf(etag, sizeof etag, "\"%s\"", digest);
        if (reply_etag(request, etag)) {
            json_decref(body);
            return;
        }
    }
    reply_json(request, 200, body);
}

static void reply_change(struct app *app, struct request *request, const char *id, enum job_change change,
                         const char *refusal, const struct error *err)
{
    switch (change) {
    case JOB_CHANGED:
        reply_job(app, request, 202, id);
        break;
    case JOB_UNCHANGED:
        reply_job(app, request, 200, id);
        break;
    case JOB_REFUSED:
        reply_problem(request, PROBLEM_CONFLICT, "%s", refusal);
        break;
    case JOB_UNKNOWN:
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no job %s.", id);
        break;
    case JOB_CHANGE_FAILED:
        reply_error(request, err);
        break;
    }
}

static void change_job(struct app *app, struct request *request, enum job_state to)
{
    const char *id = read_id(request);
    enum job_state from = to;
    struct error err;
    char refusal[128];
    if (!id)
        return;
    enum job_change change = jobs_change(app->jobs, id, to, &from, &err);
    snprintf(refusal, sizeof refusal, "The job is %s already, and cannot become %s.", job_state_name(from),
             job_state_name(to));
    reply_change(app, request, id, change, refusal, &err);
}

void handle_job_cancel(struct app *app, struct request *request)
{
    change_job(app, request, JOB_CANCELLED);
}

void handle_job_pause(struct app *app, struct request *request)
{
    change_job(app, request, JOB_PAUSED);
}

void handle_job_resume(struct app *app, struct request *request)
{
    change_job(app, request, JOB_QUEUED);
}

void handle_job_delete(struct app *app, struct request *request)
{
    const char *id = read_id(request);
    enum job_state from = JOB_QUEUED;
    struct error err;
    char refusal[128];
    if (!id)
        return;
    enum job_change change = jobs_delete(app->jobs, id, &from, &err);
    snprintf(refusal, sizeof refusal, "The job is %s; cancel it first.", job_state_name(from));
    if (change == JOB_CHANGED)
        reply_empty(request, 204);
    else
        reply_change(app, request, id, change, refusal, &err);
}

void handle_job_priority(struct app *app, struct request *request)
{
    static const char *const fields[] = {"priority", NULL};
    const char *id = read_id(request);
    json_t *json = id ? input_json_body(request, false) : NULL;
    if (!json)
        return;
    struct problems problems = {0};
    struct error err;
    enum job_state from = JOB_QUEUED;
    int64_t priority = 0;
    char refusal[128];
    input_known_fields(json, "", fields, &problems);
    input_integer(json, "", "priority", -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, &priority, &problems);
    if (!json_object_get(json, "priority"))
        problems_add(&problems, ERR_ARGUMENT, "/priority", "is missing");
    json_decref(json);
    if (problems.count) {
        reply_problems(request, PROBLEM_INVALID, &problems);
        return;
    }
    enum job_change change = jobs_prioritise(app->jobs, id, (int)priority, &from, &err);
    snprintf(refusal, sizeof refusal, "The job is %s already: its turn has come.", job_state_name(from));
    reply_change(app, request, id, change, refusal, &err);
}

void handle_job_metrics(struct app *app, struct request *request)
{
    const char *id = read_id(request);
    int64_t max_points = POINTS_DEFAULT;
    struct problems problems = {0};
    struct job_series series;
    struct error err;
    if (!id)
        return;
    input_query_integer(request, "max_points", 2, POINTS_MAX, &max_points, &problems);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
    } else if (jobs_series(app->jobs, id, &series, &err)) {
        reply_error(request, &err);
    } else {
        reply_json(request, 200, job_series_to_json(&series, (size_t)max_points));
        job_series_clear(&series);
    }
}
