#include "server/job_request.h"

#include "server/datasets.h"
#include "server/input.h"

#include <limits.h>
#include <stdio.h>

#define DEFAULT_NAME    "digits"
#define DEFAULT_DATASET "mnist"
#define DEFAULT_RECIPE  "reference"

static const char *const known_fields[] = {"name",     "dataset",   "recipe",   "init_from", "model",
                                           "training", "promotion", "priority", NULL};

static void read_names(const json_t *json, struct job_request *request, struct problems *problems)
{
    const char *name = DEFAULT_NAME, *dataset = DEFAULT_DATASET;
    int promotion = PROMOTION_IF_BETTER;
    input_name(json, "", "name", &name, problems);
    input_name(json, "", "dataset", &dataset, problems);
    int64_t priority = 0;
    input_choice(json, "", "promotion", promotion_names, &promotion, problems);
    input_integer(json, "", "priority", -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, &priority, problems);
    snprintf(request->name, sizeof request->name, "%s", name);
    snprintf(request->dataset, sizeof request->dataset, "%s", dataset);
    request->promotion = (enum promotion)promotion;
    request->priority = (int)priority;
}

/* What model and training are by default. */
static void read_recipe(const json_t *json, struct job_request *request, struct model_spec *ret_spec,
                        struct problems *problems)
{
    const char *name = NULL;
    struct error err;
    input_string(json, "", "recipe", &name, problems);
    enum status status = recipe_find(name ? name : DEFAULT_RECIPE, ret_spec, &request->training, &err);
    if (status && name) {
        problems_add(problems, ERR_ARGUMENT, "/recipe", "%s", err.message);
        status = recipe_find(DEFAULT_RECIPE, ret_spec, &request->training, &err);
    }
    if (status)
        problems_add(problems, status, "", "%s", err.message);
    snprintf(request->recipe, sizeof request->recipe, "%s", name ? name : "");
}

/* Leaves `origin` without a version when there is a problem. */
static void read_origin(const json_t *json, struct job_origin *origin, struct problems *problems)
{
    static const char *const fields[] = {"model", "version", NULL};
    const json_t *init_from = json_object_get(json, "init_from");
    const char *model = NULL;
    int64_t version = 0;
    size_t before = problems->count;
    if (init_from && !json_is_object(init_from))
        problems_add(problems, ERR_ARGUMENT, "/init_from", "expected an object with model and version");
    if (!json_is_object(init_from))
        return;
    input_known_fields(init_from, "/init_from", fields, problems);
    input_name(init_from, "/init_from", "model", &model, problems);
    input_integer(init_from, "/init_from", "version", 1, INT_MAX, &version, problems);
    for (size_t i = 0; fields[i]; i++)
        if (!json_object_get(init_from, fields[i]))
            problems_add(problems, ERR_ARGUMENT, "/init_from", "%s is missing", fields[i]);
    if (problems->count > before)
        return;
    snprintf(origin->model, sizeof origin->model, "%s", model);
    origin->version = (int)version;
}

static enum status find_origin(const struct job_origin *origin, struct registry *registry,
                               struct model_plan *ret_plan, struct problems *problems)
{
    struct model *model;
    struct error err;
    enum status status = registry_load(registry, origin->model, origin->version, &model, &err);
    if (status) {
        problems_add(problems, status, "/init_from/version", "%s",
                     status == ERR_NOT_FOUND ? err.message : "the weights of this version cannot be read");
        return status;
    }
    *ret_plan = *model_plan_of(model);
    model_unref(model);
    return OK;
}

static bool specs_equal(const struct model_spec *a, const struct model_spec *b)
{
    json_t *left = model_spec_to_json(a), *right = model_spec_to_json(b);
    bool equal = json_equal(left, right);
    json_decref(left);
    json_decref(right);
    return equal;
}

/* `recipe` is the spec to take when the request has none. */
static enum status read_model(const json_t *json, const struct model_spec *recipe,
                              struct model_plan *ret_plan, struct problems *problems)
{
    struct model_spec spec = *recipe;
    const json_t *model = json_object_get(json, "model");
    enum status status = model ? model_spec_from_json(model, "/model", &spec, problems) : OK;
    return status ? status : model_plan_create(&spec, "/model", ret_plan, problems);
}

/* The layers are those of the version that the job begins with; a model that says the same is no contradiction. */
static enum status read_origins_model(const json_t *json, const struct job_request *request,
                                      struct registry *registry, struct model_plan *ret_plan,
                                      struct problems *problems)
{
    struct model_plan origin, asked;
    enum status status = find_origin(&request->init_from, registry, &origin, problems);
    if (json_object_get(json, "model")) {
        enum status read = read_model(json, &origin.spec, &asked, problems);
        if (status == OK && read == OK && !specs_equal(&asked.spec, &origin.spec))
            problems_add(problems, status = ERR_ARGUMENT, "/model",
                         "these are not the layers of %s version %d, which init_from brings: leave them out",
                         request->init_from.model, request->init_from.version);
    }
    if (status == OK)
        *ret_plan = origin;
    return status;
}

static enum status read_training(const json_t *json, struct train_config *ret_config,
                                 struct problems *problems)
{
    const json_t *training = json_object_get(json, "training");
    return training ? train_config_from_json(training, "/training", ret_config, problems) : OK;
}

static enum status find_dataset(const char *name, struct datasets *datasets, struct dataset_info *ret_info,
                                struct problems *problems)
{
    struct error err;
    enum status status = datasets_info(datasets, name, ret_info, &err);
    if (status)
        problems_add(problems, ERR_ARGUMENT, "/dataset", "%s", err.message);
    return status;
}

#define MEBIBYTE (1024.0 * 1024.0)

static void check_memory(const struct job_request *request, const struct dataset_info *dataset,
                         const struct job_limits *limits, struct problems *problems)
{
    size_t bytes = trainer_memory(&request->plan, &request->training, limits->threads), images;
    if (__builtin_mul_overflow(dataset->splits[SPLIT_TRAIN].count + dataset->splits[SPLIT_TEST].count,
                               IMAGE_PIXELS + 1, &images) ||
        __builtin_add_overflow(bytes, images, &bytes))
        bytes = SIZE_MAX;
    if (limits->memory_limit && bytes > limits->memory_limit)
        problems_add(problems, ERR_MEMORY, "/model",
                     "training this would need about %.0f MiB with %d threads; --memory-limit allows %.0f "
                     "MiB. Fewer filters or units, or a smaller batch_size, need less",
                     (double)bytes / MEBIBYTE, limits->threads, (double)limits->memory_limit / MEBIBYTE);
}

enum status job_request_from_json(const json_t *json, const struct job_sources *sources,
                                  const struct job_limits *limits, struct job_request *ret_request,
                                  struct problems *problems)
{
    struct job_request request = {0};
    struct dataset_info dataset;
    struct model_spec recipe = {0};
    size_t before = problems->count;
    input_known_fields(json, "", known_fields, problems);
    read_names(json, &request, problems);
    read_recipe(json, &request, &recipe, problems);
    read_origin(json, &request.init_from, problems);
    enum status model = request.init_from.version && sources->registry
                            ? read_origins_model(json, &request, sources->registry, &request.plan, problems)
                            : read_model(json, &recipe, &request.plan, problems);
    enum status training = read_training(json, &request.training, problems);
    enum status found = find_dataset(request.dataset, sources->datasets, &dataset, problems);
    if (model == OK && training == OK && found == OK)
        check_memory(&request, &dataset, limits, problems);
    if (problems->count > before)
        return ERR_ARGUMENT;
    *ret_request = request;
    return OK;
}

static bool add_origin(json_t *json, const struct job_origin *origin)
{
    return origin->version == 0 || json_object_set_new(json, "init_from",
                                                       json_pack("{s:s, s:i}", "model", origin->model,
                                                                 "version", origin->version)) == 0;
}

static bool add_recipe(json_t *json, const char *recipe)
{
    return *recipe == '\0' || json_object_set_new(json, "recipe", json_string(recipe)) == 0;
}

json_t *job_request_to_json(const struct job_request *request)
{
    json_t *json =
        json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", request->name, "dataset", request->dataset, "model",
                  model_spec_to_json(&request->plan.spec), "training",
                  train_config_to_json(&request->training), "promotion", promotion_names[request->promotion]);
    if (json && add_recipe(json, request->recipe) && add_origin(json, &request->init_from))
        return json;
    json_decref(json);
    return NULL;
}
