/* GET /api/v1/datasets, /api/v1/datasets/{name} */
#include <jansson.h>
#include <stdlib.h>

#include "server/app.h"
#include "server/datasets.h"
#include "server/handlers.h"
#include "server/problem.h"
#include "server/reply.h"

static json_t *split_to_json(const struct split_info *split)
{
    return json_pack("{s:I, s:s}", "images", (json_int_t)split->count, "digest", split->digest);
}

/* A folder whose files cannot be read is shown with the reason, so that whoever put them there can see it. */
static json_t *dataset_to_json(struct app *app, const char *name)
{
    struct dataset_info info;
    struct error err;
    if (datasets_info(app->datasets, name, &info, &err))
        return json_pack("{s:s, s:n, s:n, s:s}", "name", name, "train", "test", "error", err.message);
    return json_pack("{s:s, s:o, s:o, s:n}", "name", name, "train", split_to_json(&info.splits[SPLIT_TRAIN]),
                     "test", split_to_json(&info.splits[SPLIT_TEST]), "error");
}

void handle_dataset_list(struct app *app, struct request *request)
{
    struct dataset_name *names;
    size_t count;
    bool has_more;
    struct error err;
    if (datasets_list(app->datasets, &names, &count, &has_more, &err)) {
        reply_error(request, &err);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, dataset_to_json(app, names[i].text));
    free(names);
    reply_json(request, 200, json_pack("{s:o, s:b}", "data", data, "has_more", has_more));
}

void handle_dataset_get(struct app *app, struct request *request)
{
    const char *name = request_param(request, "name");
    if (datasets_has(app->datasets, name))
        reply_json(request, 200, dataset_to_json(app, name));
    else
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no such dataset.");
}
