/* POST and GET /api/v1/sweeps; POST …/estimate; GET and DELETE …/{sweep}; POST …/pause, …/resume, …/cancel, …/promote; GET
 * …/results */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/job_json.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/store_samples.h"
#include "server/sweep_json.h"
#include "server/sweeps.h"

#define LIST_DEFAULT 20
#define LIST_MAX     100

/* The id in the path; NULL after a 404 when it cannot be one. */
static const char *read_id(struct request *request)
{
    const char *id = request_param(request, "sweep");
    if (sweep_id_is_valid(id))
        return id;
    reply_problem(request, PROBLEM_NOT_FOUND, "There is no such sweep: an id is sweep_ and 16 hex digits.");
    return NULL;
}

static void reply_sweep(struct app *app, struct request *request, unsigned status, const char *id)
{
    struct sweep_view view;
    struct error err;
    if (sweeps_read(app->sweeps, id, &view, &err)) {
        reply_error(request, &err);
        return;
    }
    reply_json(request, status, sweep_to_json(&view));
    sweep_view_clear(&view);
}

/* ---- POST /api/v1/sweeps, …/estimate ---------------------------------------------------------------- */

/* False after a reply. The caller clears both. */
static bool read_plan(struct app *app, struct request *request, struct sweep_request *ret_request,
                      struct sweep_plan *ret_plan)
{
    struct problems problems = {0};
    struct error err;
    json_t *json = input_json_body(request, false);
    if (!json)
        return false;
    enum status status = sweep_request_from_json(json, ret_request, &problems);
    json_decref(json);
    if (status == OK || status == ERR_ARGUMENT) { /* the trials may have faults of their own */
        status = sweeps_plan(app->sweeps, ret_request, ret_plan, &problems, &err);
        if (status)
            sweep_request_clear(ret_request);
    }
    if (problems.count)
        reply_problems(request, PROBLEM_INVALID, &problems);
    else if (status)
        reply_error(request, &err);
    return status == OK;
}

static void create(struct app *app, struct request *request)
{
    struct sweep_request sweep;
    struct sweep_plan plan;
    struct error err;
    char id[SWEEP_ID_LENGTH + 1];
    if (!read_plan(app, request, &sweep, &plan))
        return;
    enum status status = sweeps_start(app->sweeps, &sweep, &plan, id, &err);
    sweep_plan_clear(&plan);
    sweep_request_clear(&sweep);
    if (status) {
        reply_error(request, &err);
        return;
    }
    reply_sweep(app, request, 202, id);
    reply_header(request, "Location", "/api/v1/sweeps/%s", id);
}

void handle_sweep_create(struct app *app, struct request *request)
{
    store_own_hold(app->store); /* what the plan sees is what the trials get */
    create(app, request);
    store_own_release(app->store);
}

static void estimate(struct app *app, struct request *request)
{
    struct sweep_request sweep;
    struct sweep_plan plan;
    if (!read_plan(app, request, &sweep, &plan))
        return;
    reply_json(request, 200, sweep_plan_to_json(&plan));
    sweep_plan_clear(&plan);
    sweep_request_clear(&sweep);
}

void handle_sweep_estimate(struct app *app, struct request *request)
{
    store_own_hold(app->store);
    estimate(app, request);
    store_own_release(app->store);
}

/* ---- GET /api/v1/sweeps ----------------------------------------------------------------------------- */

void handle_sweep_list(struct app *app, struct request *request)
{
    int64_t limit = LIST_DEFAULT;
    struct problems problems = {0};
    const char *after = request_query(request, "after");
    input_query_integer(request, "limit", 1, LIST_MAX, &limit, &problems);
    if (after && !sweep_id_is_valid(after))
        problems_add(&problems, ERR_ARGUMENT, "?after", "not a sweep's id: sweep_ and 16 hex digits");
    struct sweep_filter filter = {.after = after, .limit = (size_t)limit};
    struct sweep_view *views;
    size_t count;
    bool has_more;
    struct error err = {.code = OK};
    enum status status =
        problems.count ? ERR_ARGUMENT : sweeps_list(app->sweeps, &filter, &views, &count, &has_more, &err);
    if (status == ERR_NOT_FOUND)
        problems_add(&problems, status, "?after", "%s", err.message);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return;
    }
    if (status) {
        reply_error(request, &err);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(data, sweep_to_json(&views[i]));
        sweep_view_clear(&views[i]);
    }
    free(views);
    reply_json(request, 200, json_pack("{s:o, s:b}", "data", data, "has_more", has_more));
}

/* ---- /api/v1/sweeps/{sweep} ------------------------------------------------------------------------- */

void handle_sweep_get(struct app *app, struct request *request)
{
    const char *id = read_id(request);
    if (id)
        reply_sweep(app, request, 200, id);
}

/* What was not changed: because the sweep is not there, or in another state. */
static void reply_unchanged(struct request *request, const char *id, enum job_change change,
                            enum sweep_state from, const char *wish, const struct error *err)
{
    if (change == JOB_REFUSED)
        reply_problem(request, PROBLEM_CONFLICT, "The sweep is %s, and cannot be %s.", sweep_state_name(from),
                      wish);
    else if (change == JOB_UNKNOWN)
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no sweep %s.", id);
    else
        reply_error(request, err);
}

static void change_sweep(struct app *app, struct request *request, enum sweep_state to, const char *wish)
{
    const char *id = read_id(request);
    enum sweep_state from = to;
    struct error err;
    if (!id)
        return;
    enum job_change change = sweeps_change(app->sweeps, id, to, &from, &err);
    if (change == JOB_CHANGED || change == JOB_UNCHANGED)
        reply_sweep(app, request, change == JOB_CHANGED ? 202 : 200, id);
    else
        reply_unchanged(request, id, change, from, wish, &err);
}

void handle_sweep_pause(struct app *app, struct request *request)
{
    change_sweep(app, request, SWEEP_PAUSED, "paused");
}

void handle_sweep_resume(struct app *app, struct request *request)
{
    change_sweep(app, request, SWEEP_RUNNING, "resumed");
}

void handle_sweep_cancel(struct app *app, struct request *request)
{
    change_sweep(app, request, SWEEP_CANCELLED, "cancelled");
}

void handle_sweep_delete(struct app *app, struct request *request)
{
    const char *id = read_id(request);
    enum sweep_state from = SWEEP_RUNNING;
    struct error err;
    if (!id)
        return;
    enum job_change change = sweeps_delete(app->sweeps, id, &from, &err);
    if (change == JOB_CHANGED)
        reply_empty(request, 204);
    else
        reply_unchanged(request, id, change, from, "deleted before it is over", &err);
}

/* ---- Results, promotion ------------------------------------------------------------------------------ */

static bool wants_csv(const struct request *request, struct problems *problems)
{
    static const char *const formats[] = {"json", "csv", NULL};
    const char *accept = request_header(request, "Accept");
    int format = accept && strstr(accept, "text/csv") ? 1 : 0;
    input_query_choice(request, "format", formats, &format, problems);
    return format == 1;
}

void handle_sweep_results(struct app *app, struct request *request)
{
    const char *id = read_id(request);
    struct problems problems = {0};
    struct sweep_view view;
    struct error err;
    size_t size = 0;
    if (!id)
        return;
    bool csv = wants_csv(request, &problems);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return;
    }
    if (sweeps_read(app->sweeps, id, &view, &err)) {
        reply_error(request, &err);
        return;
    }
    char *text = csv ? sweep_results_to_csv(&view, &size) : NULL;
    if (text) {
        reply_bytes_take(request, 200, "text/csv", text, size);
        reply_header(request, "Content-Disposition", "attachment; filename=\"%s.csv\"", id);
    } else {
        reply_json(request, 200, csv ? NULL : sweep_results_to_json(&view));
    }
    sweep_view_clear(&view);
}

void handle_sweep_promote(struct app *app, struct request *request)
{
    static const char *const fields[] = {"trial", "model", "alias", NULL};
    const char *id = read_id(request);
    struct problems problems = {0};
    struct sweep_promotion promotion = {.alias = ALIAS_PRODUCTION};
    struct version_record version;
    struct error err;
    int64_t trial = 0;
    json_t *json = id ? input_json_body(request, true) : NULL;
    if (!json)
        return;
    input_known_fields(json, "", fields, &problems);
    input_integer(json, "", "trial", 1, SWEEP_TRIALS_MAX, &trial, &problems);
    input_name(json, "", "model", &promotion.model, &problems);
    if (json_is_null(json_object_get(json, "alias")))
        promotion.alias = NULL;
    else
        input_name(json, "", "alias", &promotion.alias, &problems);
    promotion.trial = (int)trial;
    enum status status = problems.count ? OK : sweeps_promote(app->sweeps, id, &promotion, &version, &err);
    if (problems.count) {
        reply_problems(request, PROBLEM_INVALID, &problems);
    } else if (status == ERR_ARGUMENT) {
        reply_problem(request, PROBLEM_CONFLICT, "%s.", err.message);
    } else if (status) {
        reply_error(request, &err);
    } else {
        reply_json(request, 200, version_to_json(&version));
        version_record_clear(&version);
    }
    json_decref(json);
}
