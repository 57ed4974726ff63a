#include "server/job_request.h"

#include "server/datasets.h"
#include "server/input.h"
#include "server/store_samples.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_NAME    "digits"
#define DEFAULT_DATASET "mnist"
#define DEFAULT_RECIPE  "reference"

static const char *const known_fields[] = {"name",      "dataset",   "datasets", "test_dataset",
                                           "recipe",    "init_from", "model",    "training",
                                           "promotion", "priority",  NULL};

static void read_names(const json_t *json, struct job_request *request, struct problems *problems)
{
    const char *name = DEFAULT_NAME;
    int promotion = PROMOTION_IF_BETTER;
    input_name(json, "", "name", &name, problems);
    int64_t priority = 0;
    input_choice(json, "", "promotion", promotion_names, &promotion, problems);
    input_integer(json, "", "priority", -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, &priority, problems);
    snprintf(request->name, sizeof request->name, "%s", name);
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

/* ---- Datasets -------------------------------------------------------------------------------------- */

static void read_part(const json_t *json, const char *pointer, struct job_part *part,
                      struct problems *problems)
{
    static const char *const fields[] = {"name", "repeat", "revision", NULL};
    const char *name = "";
    int64_t repeat = 1, revision = 0;
    if (!json_is_object(json)) {
        problems_add(problems, ERR_ARGUMENT, pointer, "expected an object with name, and repeat if need be");
        return;
    }
    input_known_fields(json, pointer, fields, problems);
    input_name(json, pointer, "name", &name, problems);
    input_integer(json, pointer, "repeat", 1, MIX_REPEAT_MAX, &repeat, problems);
    input_integer(json, pointer, "revision", 1, SAMPLE_ID_MAX, &revision, problems);
    if (!json_object_get(json, "name"))
        problems_add(problems, ERR_ARGUMENT, pointer, "name is missing");
    snprintf(part->name, sizeof part->name, "%s", name);
    part->repeat = (int)repeat;
    part->revision = revision;
}

static void read_list(const json_t *list, struct job_request *request, struct problems *problems)
{
    char pointer[32];
    size_t count = json_array_size(list);
    if (count < 1 || count > MIX_PARTS_MAX) {
        problems_add(problems, ERR_ARGUMENT, "/datasets", "expected a list of 1 to %d datasets",
                     MIX_PARTS_MAX);
        return;
    }
    request->part_count = count;
    for (size_t i = 0; i < count; i++) {
        snprintf(pointer, sizeof pointer, "/datasets/%zu", i);
        read_part(json_array_get(list, i), pointer, &request->parts[i], problems);
        for (size_t j = 0; j < i; j++)
            if (*request->parts[i].name && strcmp(request->parts[i].name, request->parts[j].name) == 0)
                problems_add(problems, ERR_ARGUMENT, pointer, "%s is there twice: repeat it instead",
                             request->parts[i].name);
    }
}

/* Which datasets a request names; all else about them is left open. */
static void read_parts(const json_t *json, struct job_request *request, struct problems *problems)
{
    const char *dataset = NULL, *test = "";
    const json_t *list = json_object_get(json, "datasets");
    size_t before = problems->count;
    input_name(json, "", "dataset", &dataset, problems);
    input_name(json, "", "test_dataset", &test, problems);
    snprintf(request->test_dataset, sizeof request->test_dataset, "%s", test);
    request->part_count = 1;
    request->parts[0].repeat = 1;
    snprintf(request->parts[0].name, sizeof request->parts[0].name, "%s",
             dataset ? dataset : DEFAULT_DATASET);
    if (!list)
        return;
    read_list(list, request, problems);
    if (problems->count == before && dataset && strcmp(dataset, request->parts[0].name) != 0)
        problems_add(problems, ERR_ARGUMENT, "/dataset", "is not the first of datasets: leave it out");
}

/* With the pointer of the request's field, whichever way it names the dataset. */
static void part_pointer(const json_t *json, size_t index, const char *field, char ret_pointer[48])
{
    if (json_object_get(json, "datasets"))
        snprintf(ret_pointer, 48, "/datasets/%zu/%s", index, field);
    else
        snprintf(ret_pointer, 48, "/dataset");
}

/* Files may also go between the opening of a job's datasets and this check: then the job must say so. */
static void add_unreadable(struct problems *problems, enum status status, const char *pointer,
                           const struct error *err)
{
    problems_add(problems, status == ERR_NOT_FOUND ? status : ERR_ARGUMENT, pointer, "%s", err->message);
}

/* Own data of which a request names no revision is taken as by the requests before it, or as it is now. */
static void pin_revision(const struct job_sources *sources, struct job_part *part, struct dataset_info *info)
{
    const json_t *known = json_object_get(sources->revisions, part->name);
    size_t *images = &info->splits[SPLIT_TRAIN].count;
    if (known) {
        info->revision = json_integer_value(json_array_get(known, 0));
        *images = (size_t)json_integer_value(json_array_get(known, 1));
    } else if (sources->revisions && info->revision) {
        json_object_set_new(sources->revisions, part->name,
                            json_pack("[I, I]", (json_int_t)info->revision, (json_int_t)*images));
    }
    part->revision = info->revision;
}

/* How many images a part has; pins the revision of own data. */
static enum status find_part(const json_t *json, size_t index, const struct job_sources *sources,
                             struct job_part *part, struct dataset_info *ret_info, struct problems *problems)
{
    char name[48], revision[48];
    struct error err;
    struct dataset *pinned;
    part_pointer(json, index, "name", name);
    part_pointer(json, index, "revision", revision);
    enum status status = datasets_info(sources->datasets, part->name, ret_info, &err);
    if (status == OK && part->revision == 0)
        pin_revision(sources, part, ret_info);
    if (status == OK && part->revision != ret_info->revision) {
        status = datasets_open_revision(sources->datasets, part->name, part->revision, &pinned, &err);
        if (status) {
            problems_add(problems, ERR_ARGUMENT, revision, "%s", err.message);
            return status;
        }
        ret_info->splits[SPLIT_TRAIN].count = dataset_count(pinned);
        dataset_unref(pinned);
    }
    if (status == OK && ret_info->splits[SPLIT_TRAIN].count == 0)
        status = error_set(&err, ERR_NOT_FOUND, "%s has no images yet", part->name);
    if (status)
        add_unreadable(problems, status, name, &err);
    return status;
}

static enum status find_test(struct job_request *request, struct datasets *datasets,
                             struct problems *problems)
{
    struct error err;
    struct split_info info;
    if (*request->test_dataset == '\0')
        snprintf(request->test_dataset, sizeof request->test_dataset, "%s", DEFAULT_DATASET);
    enum status status = datasets_split_info(datasets, request->test_dataset, SPLIT_TEST, &info, &err);
    if (status)
        add_unreadable(problems, status, "/test_dataset", &err);
    else
        request->test_images = info.count;
    return status;
}

/* Own data may be few images. */
static void check_size(const struct job_request *request, struct problems *problems)
{
    const struct train_split *split = &request->split;
    if (split->train < (size_t)request->training.batch_size)
        problems_add(problems, ERR_ARGUMENT, "/training/batch_size",
                     "%zu images to train on do not fill a batch of %d: add images or make it smaller",
                     split->train, request->training.batch_size);
    if (split->validation == 0 && request->training.validation_split > 0)
        problems_add(problems, ERR_ARGUMENT, "/training/validation_split",
                     "%g of so few images is none: add images, raise it, or set it to 0",
                     request->training.validation_split);
    if (split->train + split->validation > MIX_IMAGES_MAX)
        problems_add(problems, ERR_ARGUMENT, "/datasets",
                     "%zu images with repetitions are more than the %d that may be", split->train,
                     MIX_IMAGES_MAX);
}

static enum status find_datasets(const json_t *json, struct job_request *request,
                                 const struct job_sources *sources, struct problems *problems)
{
    struct mix_part parts[MIX_PARTS_MAX] = {0};
    enum status all = OK;
    for (size_t i = 0; i < request->part_count; i++) {
        struct job_part *part = &request->parts[i];
        struct dataset_info info;
        if (*part->name == '\0') /* said already */
            return ERR_ARGUMENT;
        enum status status = find_part(json, i, sources, part, &info, problems);
        all = all ? all : status;
        if (status)
            continue;
        parts[i] = (struct mix_part){NULL, info.splits[SPLIT_TRAIN].count, part->repeat};
        if (*request->test_dataset == '\0' && info.splits[SPLIT_TEST].count)
            snprintf(request->test_dataset, sizeof request->test_dataset, "%s", part->name);
    }
    if (all == OK)
        all = find_test(request, sources->datasets, problems);
    if (all == OK)
        request->split = mix_split_of(&request->training, parts, request->part_count);
    return all;
}

bool job_request_is_mix(const struct job_request *request)
{
    return request->part_count > 1 || request->parts[0].repeat > 1;
}

enum status job_request_open(const json_t *config, struct datasets *datasets,
                             struct mix_part ret_parts[MIX_PARTS_MAX], struct dataset **ret_test,
                             struct error *err)
{
    struct job_request request = {.part_count = 0};
    struct problems problems = {0};
    read_parts(config, &request, &problems);
    if (problems.count)
        return problems_first(&problems, err);
    for (size_t i = 0; i < request.part_count; i++) {
        const struct job_part *part = &request.parts[i];
        enum status status =
            datasets_open_revision(datasets, part->name, part->revision, &ret_parts[i].data, err);
        if (status)
            return status;
        ret_parts[i].count = dataset_count(ret_parts[i].data);
        ret_parts[i].repeat = part->repeat;
    }
    const char *test = *request.test_dataset ? request.test_dataset : request.parts[0].name;
    return datasets_open(datasets, test, SPLIT_TEST, ret_test, err);
}

#define MEBIBYTE (1024.0 * 1024.0)

static void check_memory(const struct job_request *request, const struct job_limits *limits,
                         struct problems *problems)
{
    size_t bytes = trainer_memory(&request->plan, &request->training, limits->threads), images;
    if (__builtin_mul_overflow(request->split.train + request->split.validation + request->test_images,
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
    struct model_spec recipe = {0};
    size_t before = problems->count;
    input_known_fields(json, "", known_fields, problems);
    read_names(json, &request, problems);
    read_parts(json, &request, problems);
    read_recipe(json, &request, &recipe, problems);
    read_origin(json, &request.init_from, problems);
    enum status model = request.init_from.version && sources->registry
                            ? read_origins_model(json, &request, sources->registry, &request.plan, problems)
                            : read_model(json, &recipe, &request.plan, problems);
    enum status training = read_training(json, &request.training, problems);
    enum status found = find_datasets(json, &request, sources, problems);
    if (training == OK && found == OK && (job_request_is_mix(&request) || request.parts[0].revision))
        check_size(&request, problems);
    if (model == OK && training == OK && found == OK)
        check_memory(&request, limits, problems);
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

static json_t *parts_to_json(const struct job_request *request)
{
    json_t *list = json_array();
    for (size_t i = 0; i < request->part_count; i++) {
        const struct job_part *part = &request->parts[i];
        json_t *json = json_pack("{s:s, s:i}", "name", part->name, "repeat", part->repeat);
        if (part->revision)
            json_object_set_new(json, "revision", json_integer((json_int_t)part->revision));
        json_array_append_new(list, json);
    }
    return list;
}

/* What `dataset` alone does not say. */
static bool add_datasets(json_t *json, const struct job_request *request)
{
    const struct job_part *first = &request->parts[0];
    if ((job_request_is_mix(request) || first->revision) &&
        json_object_set_new(json, "datasets", parts_to_json(request)))
        return false;
    return strcmp(request->test_dataset, first->name) == 0 ||
           json_object_set_new(json, "test_dataset", json_string(request->test_dataset)) == 0;
}

static bool add_recipe(json_t *json, const char *recipe)
{
    return *recipe == '\0' || json_object_set_new(json, "recipe", json_string(recipe)) == 0;
}

json_t *job_request_to_json(const struct job_request *request)
{
    json_t *json =
        json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", request->name, "dataset", request->parts[0].name,
                  "model", model_spec_to_json(&request->plan.spec), "training",
                  train_config_to_json(&request->training), "promotion", promotion_names[request->promotion]);
    if (json && add_datasets(json, request) && add_recipe(json, request->recipe) &&
        add_origin(json, &request->init_from))
        return json;
    json_decref(json);
    return NULL;
}
