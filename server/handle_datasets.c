/* GET /api/v1/datasets, /api/v1/datasets/{name}, …/{split}/{index}.png */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/datasets.h"
#include "server/digest.h"
#include "server/handle_datasets.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/png.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/store_samples.h"

#define VARIANT_MAX 1000000

static json_t *split_to_json(const struct split_info *split)
{
    if (split->count == 0)
        return json_null();
    json_t *classes = json_array();
    for (size_t digit = 0; digit < CLASSES; digit++)
        json_array_append_new(classes, json_integer((json_int_t)split->classes[digit]));
    return json_pack("{s:I, s:o, s:s}", "images", (json_int_t)split->count, "classes", classes, "digest",
                     split->digest);
}

static json_t *revision_to_json(int64_t revision)
{
    return revision ? json_integer(revision) : json_null();
}

/* A folder whose files cannot be read is shown with the reason, so that whoever put them there can see it. */
static json_t *dataset_to_json(struct app *app, const char *name)
{
    struct dataset_info info;
    struct error err;
    if (datasets_info(app->datasets, name, &info, &err))
        return json_pack("{s:s, s:b, s:n, s:n, s:n, s:s}", "name", name, "own", false, "revision", "train",
                         "test", "error", err.message);
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:n}", "name", name, "own", info.revision != 0, "revision",
                     revision_to_json(info.revision), "train", split_to_json(&info.splits[SPLIT_TRAIN]),
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
    struct own_dataset own;
    struct error err;
    enum status status =
        datasets_has_folder(app->datasets, name) ? OK : store_own_read(app->store, name, &own, &err);
    if (status)
        reply_error(request, &err);
    else
        reply_json(request, 200, dataset_to_json(app, name));
}

/* ---- One image ------------------------------------------------------------------------------------- */

/* Problems of fields in a body as problems of the query: /augmentation/rotation -> ?rotation. */
static void move_to_query(const struct problems *fields, struct problems *problems)
{
    for (size_t i = 0; i < fields->count && i < PROBLEMS_KEPT; i++) {
        const struct error *item = &fields->items[i];
        char parameter[sizeof item->pointer];
        snprintf(parameter, sizeof parameter, "?%.90s", strrchr(item->pointer, '/') + 1);
        problems_add(problems, item->code, parameter, "%s", item->message);
    }
}

/* The ranges of a recipe, and over them those that are given one by one. */
static void read_augmentation(const struct request *request, struct train_config *ret_config,
                              struct problems *problems)
{
    const char *recipe = request_query(request, "augment"), *name;
    struct train_config config = train_config_default();
    struct model_spec spec;
    struct problems fields = {0};
    struct error err;
    json_t *range;
    if (recipe && recipe_find(recipe, &spec, &config, &err))
        problems_add(problems, ERR_ARGUMENT, "?augment", "%s", err.message);
    json_t *known = train_config_to_json(&config), *given = json_object();
    json_object_foreach(json_object_get(known, "augmentation"), name, range)
    {
        const char *text = request_query(request, name);
        if (text)
            json_object_set_new(given, name, input_number_or_text(text));
    }
    json_t *training = json_pack("{s:o}", "augmentation", given);
    if (training && train_config_from_json(training, "", &config, &fields))
        move_to_query(&fields, problems);
    json_decref(training);
    json_decref(known);
    *ret_config = config;
}

/* Opens the split in the path and finds the image's number; false after the reply is written. */
static bool open_image(struct app *app, struct request *request, struct dataset **ret_dataset,
                       size_t *ret_index)
{
    const char *name = request_param(request, "name"), *split = request_param(request, "split");
    const char *number = request_param(request, "index");
    bool is_train = strcmp(split, "train") == 0;
    struct dataset *dataset;
    struct error err;
    int64_t index;
    if (!is_train && strcmp(split, "test") != 0) {
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no such split: there are train and test.");
        return false;
    }
    enum status status =
        datasets_open(app->datasets, name, is_train ? SPLIT_TRAIN : SPLIT_TEST, &dataset, &err);
    if (status) {
        err.code = status == ERR_NOT_FOUND ? status : ERR_IO; /* broken files are not the client's fault */
        reply_error(request, &err);
        return false;
    }
    if (!input_parse_integer(number, 0, (int64_t)dataset_count(dataset) - 1, &index)) {
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no such image: there are 0 to %zu.",
                      dataset_count(dataset) - 1);
        dataset_unref(dataset);
        return false;
    }
    *ret_dataset = dataset;
    *ret_index = (size_t)index;
    return true;
}

void reply_dataset_image(struct request *request, const uint8_t image[IMAGE_PIXELS])
{
    uint8_t *data;
    size_t size;
    char digest[DIGEST_TEXT_SIZE], etag[DIGEST_TEXT_SIZE + 2];
    struct error err;
    digest_bytes(image, IMAGE_PIXELS, digest);
    snprintf(etag, sizeof etag, "\"%s\"", digest);
    if (reply_etag(request, etag))
        return;
    if (png_encode_grey(image, IMAGE_SIDE, IMAGE_SIDE, &data, &size, &err))
        reply_error(request, &err);
    else
        reply_bytes_take(request, 200, "image/png", data, size);
}

/* An image as it is, or as training sees it in epoch `variant`. */
void handle_dataset_image(struct app *app, struct request *request)
{
    struct train_config config;
    struct problems problems = {0};
    struct dataset *dataset;
    uint8_t image[IMAGE_PIXELS];
    size_t index;
    int64_t variant = 1;
    read_augmentation(request, &config, &problems);
    input_query_integer(request, "variant", 1, VARIANT_MAX, &variant, &problems);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return;
    }
    if (!open_image(app, request, &dataset, &index))
        return;
    augment_preview(&config.augmentation, config.seed, (unsigned)variant, index,
                    dataset_image(dataset, index), image);
    dataset_unref(dataset);
    reply_dataset_image(request, image);
}
