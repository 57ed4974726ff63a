#include "server/job_request.h"

#include "server/datasets.h"
#include "server/input.h"

#include <stdio.h>

#define DEFAULT_NAME    "digits"
#define DEFAULT_DATASET "mnist"

static const char *const known_fields[] = {"name", "dataset", "model", "training", "promotion", NULL};

static void read_names(const json_t *json, struct job_request *request, struct problems *problems)
{
    const char *name = DEFAULT_NAME, *dataset = DEFAULT_DATASET;
    int promotion = PROMOTION_IF_BETTER;
    input_name(json, "", "name", &name, problems);
    input_name(json, "", "dataset", &dataset, problems);
    input_choice(json, "", "promotion", promotion_names, &promotion, problems);
    snprintf(request->name, sizeof request->name, "%s", name);
    snprintf(request->dataset, sizeof request->dataset, "%s", dataset);
    request->promotion = (enum promotion)promotion;
}

static enum status read_model(const json_t *json, struct model_plan *ret_plan, struct problems *problems)
{
    struct model_spec spec;
    struct error err;
    const json_t *model = json_object_get(json, "model");
    enum status status;
    if (model)
        status = model_spec_from_json(model, "/model", &spec, problems);
    else if ((status = model_spec_preset("reference", &spec, &err)))
        problems_add(problems, status, "/model", "%s", err.message);
    return status ? status : model_plan_create(&spec, "/model", ret_plan, problems);
}

static enum status read_training(const json_t *json, struct train_config *ret_config,
                                 struct problems *problems)
{
    const json_t *training = json_object_get(json, "training");
    *ret_config = train_config_default();
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

enum status job_request_from_json(const json_t *json, struct datasets *datasets,
                                  const struct job_limits *limits, struct job_request *ret_request,
                                  struct problems *problems)
{
    struct job_request request;
    struct dataset_info dataset;
    size_t before = problems->count;
    input_known_fields(json, "", known_fields, problems);
    read_names(json, &request, problems);
    enum status model = read_model(json, &request.plan, problems);
    enum status training = read_training(json, &request.training, problems);
    enum status found = find_dataset(request.dataset, datasets, &dataset, problems);
    if (model == OK && training == OK && found == OK)
        check_memory(&request, &dataset, limits, problems);
    if (problems->count > before)
        return ERR_ARGUMENT;
    *ret_request = request;
    return OK;
}

json_t *job_request_to_json(const struct job_request *request)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", request->name, "dataset", request->dataset, "model",
                     model_spec_to_json(&request->plan.spec), "training",
                     train_config_to_json(&request->training), "promotion",
                     promotion_names[request->promotion]);
}
