/* DELETE /api/v1/datasets/{name}; POST and GET /api/v1/datasets/{dataset}/samples; GET …/samples/{sample}.png;
 * DELETE …/samples/{sample} */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/archive.h"
#include "server/clock.h"
#include "server/datasets.h"
#include "server/drawings.h"
#include "server/handle_datasets.h"
#include "server/handle_predict.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/names.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/store_samples.h"

#define LIST_DEFAULT 100
#define LIST_MAX     1000

/* The name if own data can have it; NULL after the reply is written. */
static const char *check_name(struct app *app, struct request *request, const char *name)
{
    if (!name_is_valid(name))
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no such dataset: a name has " NAME_RULE ".");
    else if (!datasets_may_be_own(app->datasets, name))
        reply_problem(request, PROBLEM_CONFLICT,
                      "%s is one of the datasets that the server reads from files: take another name.", name);
    else
        return name;
    return NULL;
}

static const char *read_name(struct app *app, struct request *request)
{
    return check_name(app, request, request_param(request, "dataset"));
}

static bool read_id(struct request *request, int64_t *ret_id)
{
    if (input_parse_integer(request_param(request, "sample"), 1, SAMPLE_ID_MAX, ret_id))
        return true;
    reply_problem(request, PROBLEM_NOT_FOUND, "There is no such sample: an id is a number from 1.");
    return false;
}

/* ---- Adding ---------------------------------------------------------------------------------------- */

/* A drawing and what it shows. */
struct labelled_drawing {
    enum drawing_mode mode;
    int64_t label; /* -1: not given */
    struct drawings drawings;
};

/* False after the reply is written. */
static bool read_query(struct request *request, struct labelled_drawing *drawing)
{
    static const char *const modes[] = {"auto", "raw", "drawing", NULL};
    struct problems problems = {0};
    int mode = DRAWING_AUTO;
    input_query_choice(request, "mode", modes, &mode, &problems);
    input_query_integer(request, "label", 0, CLASSES - 1, &drawing->label, &problems);
    drawing->mode = (enum drawing_mode)mode;
    if (problems.count)
        reply_problems(request, PROBLEM_MALFORMED, &problems);
    return problems.count == 0;
}

/* {"image" or "strokes", "label"}: what is left without the label is a drawing as predictions take it. */
static bool read_json(struct request *request, json_t *body, struct labelled_drawing *drawing)
{
    struct problems problems = {0};
    int64_t in_query = drawing->label;
    input_integer(body, "", "label", 0, CLASSES - 1, &drawing->label, &problems);
    if (in_query >= 0 && drawing->label != in_query)
        problems_add(&problems, ERR_ARGUMENT, "/label", "is not the one in the query");
    if (drawing->label < 0 && problems.count == 0)
        problems_add(&problems, ERR_ARGUMENT, "/label", "is missing: the digit that is drawn");
    if (json_object_get(body, "images"))
        problems_add(&problems, ERR_ARGUMENT, "/images", "one drawing at a time: image or strokes");
    json_object_del(body, "label");
    if (problems.count == 0)
        return drawings_read_json(request, body, drawing->mode, &drawing->drawings);
    reply_problems(request, PROBLEM_INVALID, &problems);
    return false;
}

static bool read_drawing(struct request *request, struct labelled_drawing *drawing)
{
    struct problems problems = {0};
    if (!read_query(request, drawing))
        return false;
    if (strcmp(request_media_type(request), "application/json") == 0) {
        json_t *body = input_json_body(request, false);
        bool sound = body && read_json(request, body, drawing);
        json_decref(body);
        return sound;
    }
    if (drawing->label >= 0)
        return drawings_read(request, drawing->mode, &drawing->drawings);
    problems_add(&problems, ERR_ARGUMENT, "?label", "is missing: the digit that is drawn");
    reply_problems(request, PROBLEM_INVALID, &problems);
    return false;
}

/* Keeps a batch; false after the reply is written. */
static bool add(struct app *app, struct request *request, const char *name, const struct sample_batch *batch,
                int64_t *ret_first, int64_t *ret_count)
{
    struct error err;
    enum status status = store_samples_add(app->store, name, batch, ret_first, ret_count, &err);
    if (status == ERR_ARGUMENT)
        reply_problem(request, PROBLEM_CONFLICT, "It cannot be added: %s.", err.message);
    else if (status)
        reply_error(request, &err);
    return status == OK;
}

static void add_drawing(struct app *app, struct request *request, const char *name)
{
    struct labelled_drawing drawing = {.label = -1};
    int64_t id, count;
    if (!read_drawing(request, &drawing))
        return;
    const uint8_t(*image)[IMAGE_PIXELS] = (const uint8_t(*)[IMAGE_PIXELS])drawing.drawings.images;
    const struct sample_batch batch = {image, (const uint8_t[]){(uint8_t)drawing.label}, 1};
    if (add(app, request, name, &batch, &id, &count)) {
        reply_json(request, 201,
                   json_pack("{s:s, s:I, s:I, s:I, s:o}", "dataset", name, "id", (json_int_t)id, "label",
                             (json_int_t)drawing.label, "count", (json_int_t)count, "png",
                             predict_levels_to_json(*image, IMAGE_SIDE, IMAGE_SIDE)));
        reply_header(request, "Location", "/api/v1/datasets/%s/samples/%lld.png", name, (long long)id);
    }
    drawings_free(&drawing.drawings);
}

/* Many at once; what was rejected is a list of {name, detail}, and may have been more than are listed. */
static void add_batch(struct app *app, struct request *request, const char *name,
                      const struct sample_batch *batch, size_t rejected_count, json_t *rejected)
{
    int64_t first, count;
    if (!add(app, request, name, batch, &first, &count))
        return;
    reply_json(request, 201,
               json_pack("{s:s, s:I, s:I, s:I, s:O}", "dataset", name, "added", (json_int_t)batch->count,
                         "count", (json_int_t)count, "rejected_count", (json_int_t)rejected_count, "rejected",
                         rejected));
    reply_header(request, "Location", "/api/v1/datasets/%s/samples", name);
}

/* ---- Archives -------------------------------------------------------------------------------------- */

static void add_images(struct app *app, struct request *request, const char *name,
                       const struct archive_images *images)
{
    const struct sample_batch batch = {(const uint8_t(*)[IMAGE_PIXELS])images->images, images->labels,
                                       images->count};
    if (images->count == 0) {
        const json_t *reason = json_array_get(images->rejected, 0);
        const char *file = json_string_value(json_object_get(reason, "name"));
        reply_problem(request, PROBLEM_INVALID, "The archive holds no digit that can be added%s%.100s%s%s.",
                      file ? "; " : "", file ? file : "", file ? " " : "",
                      file ? json_string_value(json_object_get(reason, "detail")) : "");
    } else {
        add_batch(app, request, name, &batch, images->rejected_count, images->rejected);
    }
}

static void add_archive(struct app *app, struct request *request, const char *name)
{
    struct labelled_drawing query = {.label = -1};
    struct problems problems = {0};
    struct archive_images images;
    struct error err;
    size_t size;
    const uint8_t *bytes = request_body(request, &size);
    if (!read_query(request, &query))
        return;
    if (query.label >= 0) {
        problems_add(&problems, ERR_ARGUMENT, "?label", "the folders of an archive are the labels");
        reply_problems(request, PROBLEM_INVALID, &problems);
        return;
    }
    enum status status = archive_read(bytes, size, query.mode, &images, &err);
    if (status == ERR_FORMAT || status == ERR_SHAPE) {
        reply_problem(request, status == ERR_SHAPE ? PROBLEM_TOO_LARGE : PROBLEM_UNREADABLE,
                      "The archive cannot be taken: %s.", err.message);
    } else if (status) {
        reply_error(request, &err);
    } else {
        add_images(app, request, name, &images);
        archive_images_clear(&images);
    }
}

/* ---- Forms: a picture, or MNIST's own pair of files ----------------------------------------------------- */

static void add_dataset(struct app *app, struct request *request, const char *name,
                        const struct dataset *dataset)
{
    const struct sample_batch batch = {(const uint8_t(*)[IMAGE_PIXELS])dataset_image(dataset, 0),
                                       dataset_labels(dataset), dataset_count(dataset)};
    json_t *none = json_array();
    if (none)
        add_batch(app, request, name, &batch, 0, none);
    else
        reply_problem(request, PROBLEM_OVERLOADED, "There is no memory for the answer.");
    json_decref(none);
}

/* Such files have the labels, and images as the network sees them: nothing is left to say in the query. */
static bool check_pair_query(struct request *request)
{
    struct labelled_drawing query = {.label = -1};
    struct problems problems = {0};
    if (!read_query(request, &query))
        return false;
    if (query.label >= 0)
        problems_add(&problems, ERR_ARGUMENT, "?label", "the labels are in the file labels");
    if (query.mode == DRAWING_DRAWING)
        problems_add(&problems, ERR_ARGUMENT, "?mode", "images in an IDX file are taken as they are");
    if (problems.count)
        reply_problems(request, PROBLEM_INVALID, &problems);
    return problems.count == 0;
}

static void add_pair(struct app *app, struct request *request, const char *name,
                     const struct idx_bytes *images, const struct idx_bytes *labels)
{
    struct dataset *dataset;
    struct error err;
    if (!check_pair_query(request))
        return;
    enum status status = dataset_read(images, labels, OWN_SAMPLES_MAX, &dataset, &err);
    if (status == ERR_FORMAT) {
        const struct problems problems = {.count = 1, .items = {err}};
        reply_problems(request, PROBLEM_UNREADABLE, &problems);
    } else if (status) {
        reply_error(request, &err);
    } else {
        add_dataset(app, request, name, dataset);
        dataset_unref(dataset);
    }
}

/* A part of the form that may not be there: that is noted in `missing`. */
static enum status read_file(struct request *request, struct idx_bytes *file, struct problems *missing,
                             struct error *err)
{
    const uint8_t *data;
    char pointer[16];
    enum status status = request_form_part(request, file->name, &data, &file->size, err);
    if (status == OK)
        file->data = data;
    if (status != ERR_NOT_FOUND)
        return status;
    snprintf(pointer, sizeof pointer, "/%s", file->name);
    problems_add(missing, ERR_ARGUMENT, pointer, "is missing: images and labels come together");
    return OK;
}

static void add_form(struct app *app, struct request *request, const char *name)
{
    struct idx_bytes images = {.name = "images"}, labels = {.name = "labels"};
    struct problems missing = {0};
    struct error err;
    enum status status = read_file(request, &images, &missing, &err);
    if (status == OK)
        status = read_file(request, &labels, &missing, &err);
    if (status)
        reply_problem(request, status == ERR_MEMORY ? PROBLEM_OVERLOADED : PROBLEM_MALFORMED, "%s",
                      err.message);
    else if (missing.count == 0)
        add_pair(app, request, name, &images, &labels);
    else if (missing.count == 1)
        reply_problems(request, PROBLEM_INVALID, &missing);
    else
        add_drawing(app, request, name);
}

void handle_sample_create(struct app *app, struct request *request)
{
    const char *name = read_name(app, request);
    const char *type = request_media_type(request);
    if (name && strcmp(type, "application/zip") == 0)
        add_archive(app, request, name);
    else if (name && strcmp(type, "multipart/form-data") == 0)
        add_form(app, request, name);
    else if (name)
        add_drawing(app, request, name);
}

/* ---- Looking --------------------------------------------------------------------------------------- */

static json_t *sample_to_json(const struct sample_record *sample)
{
    char created[CLOCK_TEXT_SIZE];
    clock_format(sample->created_at, created);
    return json_pack("{s:I, s:i, s:s}", "id", (json_int_t)sample->id, "label", sample->label, "created_at",
                     created);
}

static void reply_list(struct request *request, const struct sample_record *samples, size_t count,
                       bool has_more)
{
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, sample_to_json(&samples[i]));
    reply_json(request, 200, json_pack("{s:o, s:b}", "data", data, "has_more", has_more));
}

void handle_sample_list(struct app *app, struct request *request)
{
    struct problems problems = {0};
    struct sample_record *samples;
    size_t count;
    bool has_more;
    struct error err;
    int64_t label = -1, after = 0, limit = LIST_DEFAULT;
    input_query_integer(request, "label", 0, CLASSES - 1, &label, &problems);
    input_query_integer(request, "after", 1, SAMPLE_ID_MAX, &after, &problems);
    input_query_integer(request, "limit", 1, LIST_MAX, &limit, &problems);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return;
    }
    const struct sample_filter filter = {(int)label, after, (size_t)limit};
    if (store_sample_list(app->store, request_param(request, "dataset"), &filter, &samples, &count, &has_more,
                          &err)) {
        reply_error(request, &err);
        return;
    }
    reply_list(request, samples, count, has_more);
    free(samples);
}

void handle_sample_image(struct app *app, struct request *request)
{
    int64_t id;
    uint8_t image[IMAGE_PIXELS];
    struct error err;
    if (!read_id(request, &id))
        return;
    if (store_sample_image(app->store, request_param(request, "dataset"), id, image, &err))
        reply_error(request, &err);
    else
        reply_dataset_image(request, image);
}

/* ---- Removing -------------------------------------------------------------------------------------- */

void handle_sample_delete(struct app *app, struct request *request)
{
    const char *name = read_name(app, request);
    int64_t id;
    struct error err;
    if (!name || !read_id(request, &id))
        return;
    if (store_sample_delete(app->store, name, id, &err))
        reply_error(request, &err);
    else
        reply_empty(request, 204);
}

void handle_dataset_delete(struct app *app, struct request *request)
{
    const char *name = check_name(app, request, request_param(request, "name"));
    bool in_use;
    struct error err;
    if (!name)
        return;
    if (store_own_delete(app->store, name, &in_use, &err))
        reply_error(request, &err);
    else if (in_use)
        reply_problem(request, PROBLEM_CONFLICT,
                      "A job or sweep that has not ended trains on %s: cancel it first.", name);
    else
        reply_empty(request, 204);
}
