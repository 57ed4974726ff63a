/* PUT and DELETE /api/v1/models/{model}/aliases/{alias}; POST …/rollback; GET …/history */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/app.h"
#include "server/handle_models.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/job_json.h"
#include "server/problem.h"
#include "server/registry.h"
#include "server/reply.h"

#define LIST_DEFAULT 50

/* Model and alias in the path; false after a 404 when they cannot be any. */
static bool read_alias(struct request *request, struct alias_move *ret_move)
{
    const char *model = read_model_name(request), *alias = request_param(request, "alias");
    if (!model)
        return false;
    if (!name_is_valid(alias)) {
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no such alias: a name is " NAME_RULE ".");
        return false;
    }
    *ret_move = (struct alias_move){.reason = ALIAS_BY_CLIENT};
    snprintf(ret_move->model, sizeof ret_move->model, "%s", model);
    snprintf(ret_move->alias, sizeof ret_move->alias, "%s", alias);
    return true;
}

static void reply_move(struct request *request, enum status status, const struct alias_move *move,
                       const struct error *err)
{
    if (status == ERR_ARGUMENT)
        reply_problem(request, PROBLEM_CONFLICT, "%s.", err->message);
    else if (status)
        reply_error(request, err);
    else if (move->version == 0)
        reply_empty(request, 204);
    else
        reply_json(request, 200, alias_move_to_json(move));
}

static bool read_target(struct request *request, int *ret_version)
{
    static const char *const fields[] = {"version", NULL};
    int64_t version = 0;
    struct problems problems = {0};
    json_t *body = input_json_body(request, false);
    if (!body)
        return false;
    input_known_fields(body, "", fields, &problems);
    input_integer(body, "", "version", 1, INT_MAX, &version, &problems);
    if (!json_object_get(body, "version"))
        problems_add(&problems, ERR_ARGUMENT, "/version", "is missing: the version to point to");
    json_decref(body);
    if (problems.count)
        reply_problems(request, PROBLEM_INVALID, &problems);
    *ret_version = (int)version;
    return problems.count == 0;
}

void handle_alias_put(struct app *app, struct request *request)
{
    struct alias_move move;
    struct error err = {0};
    if (!read_alias(request, &move) || !read_target(request, &move.version))
        return;
    enum status status = registry_alias_move(app->registry, &move, &err);
    reply_move(request, status, &move, &err);
}

void handle_alias_delete(struct app *app, struct request *request)
{
    struct alias_move move;
    struct error err = {0};
    if (!read_alias(request, &move))
        return;
    enum status status = registry_alias_move(app->registry, &move, &err);
    reply_move(request, status, &move, &err);
}

void handle_alias_rollback(struct app *app, struct request *request)
{
    struct alias_move move;
    struct error err = {0};
    if (!read_alias(request, &move))
        return;
    enum status status = registry_alias_rollback(app->registry, &move, &err);
    reply_move(request, status, &move, &err);
}

void handle_alias_history(struct app *app, struct request *request)
{
    struct alias_move key, *moves;
    struct error err;
    struct problems problems = {0};
    int64_t after = 0, limit = LIST_DEFAULT;
    size_t count;
    bool has_more;
    if (!read_alias(request, &key))
        return;
    input_query_integer(request, "after", 1, INT64_MAX, &after, &problems);
    input_query_integer(request, "limit", 1, STORE_LIST_MAX, &limit, &problems);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return;
    }
    if (store_alias_history(app->store, key.model, key.alias, after, (size_t)limit, &moves, &count, &has_more,
                            &err)) {
        reply_error(request, &err);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, alias_history_to_json(&moves[i]));
    free(moves);
    reply_json(request, 200, json_pack("{s:o, s:b}", "data", data, "has_more", has_more));
}
