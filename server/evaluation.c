#include "server/evaluation.h"

#include "server/clock.h"
#include "server/report.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Mistakes -------------------------------------------------------------------------------------- */

struct mistake {
    size_t index;
    float confidence;
    bool chosen;
};

static float confidence_of(const struct evaluated_image *image)
{
    return image->probabilities[image->predicted];
}

/* What is no number is as bad as can be. */
static int compare_mistakes(const void *first, const void *second)
{
    const struct mistake *a = first, *b = second;
    if (isnan(a->confidence) != isnan(b->confidence))
        return isnan(a->confidence) ? -1 : 1;
    if (a->confidence > b->confidence || a->confidence < b->confidence)
        return a->confidence > b->confidence ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* Marks those to keep among mistakes that are in order; returns their number. */
static size_t choose(const struct evaluated_image *images, struct mistake *mistakes, size_t count)
{
    int in_cell[CLASSES][CLASSES] = {0};
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        const struct evaluated_image *image = &images[mistakes[i].index];
        mistakes[i].chosen = in_cell[image->label][image->predicted]++ < MISTAKES_CELL_MIN;
        chosen += mistakes[i].chosen;
    }
    for (size_t i = 0; i < count && chosen < MISTAKES_MAX; i++) {
        chosen += !mistakes[i].chosen;
        mistakes[i].chosen = true;
    }
    return chosen;
}

size_t *evaluation_mistakes(const struct evaluated_image *images, size_t count, size_t *ret_count)
{
    size_t wrong = 0, next = 0;
    for (size_t i = 0; i < count; i++)
        wrong += images[i].predicted != images[i].label;
    struct mistake *mistakes = malloc((wrong + 1) * sizeof *mistakes);
    size_t *indices = mistakes ? malloc((wrong + 1) * sizeof *indices) : NULL;
    for (size_t i = 0; i < count && indices; i++) {
        if (images[i].predicted != images[i].label)
            mistakes[next++] = (struct mistake){.index = i, .confidence = confidence_of(&images[i])};
    }
    if (indices) {
        qsort(mistakes, wrong, sizeof *mistakes, compare_mistakes);
        *ret_count = choose(images, mistakes, wrong);
        next = 0;
        for (size_t i = 0; i < wrong; i++) {
            if (mistakes[i].chosen)
                indices[next++] = mistakes[i].index;
        }
    }
    free(mistakes);
    return indices;
}

/* ---- As it is kept --------------------------------------------------------------------------------- */

/* A float has no more digits worth telling. */
static json_t *probability_to_json(float probability)
{
    return report_number(round((double)probability * 1e6) / 1e6);
}

static json_t *mistake_to_json(const struct evaluated_image *image, size_t index)
{
    json_t *probabilities = json_array();
    for (int i = 0; i < CLASSES; i++)
        json_array_append_new(probabilities, probability_to_json(image->probabilities[i]));
    return json_pack("{s:I, s:i, s:i, s:o, s:o}", "index", (json_int_t)index, "label", image->label,
                     "predicted", image->predicted, "confidence", probability_to_json(confidence_of(image)),
                     "probabilities", probabilities);
}

static json_t *mistakes_to_json(const struct evaluated_image *images, size_t count)
{
    size_t kept = 0;
    size_t *indices = evaluation_mistakes(images, count, &kept);
    json_t *mistakes = indices ? json_array() : NULL;
    int failed = mistakes == NULL;
    for (size_t i = 0; i < kept && !failed; i++)
        failed = json_array_append_new(mistakes, mistake_to_json(&images[indices[i]], indices[i]));
    free(indices);
    if (!failed)
        return mistakes;
    json_decref(mistakes);
    return NULL;
}

/* NULL without memory. */
static char *make_details(const struct evaluator *evaluator, const struct evaluation *result)
{
    const struct calibration calibration = evaluator_calibration(evaluator);
    struct evaluated_image *images = malloc((result->count + 1) * sizeof *images);
    for (size_t i = 0; i < result->count && images; i++)
        images[i] = evaluator_image(evaluator, i);
    json_t *json = images ? json_pack("{s:o, s:o, s:o, s:o}", "confusion",
                                      report_confusion_json(result->confusion_matrix), "classes",
                                      report_classes_json(result->confusion_matrix), "mistakes",
                                      mistakes_to_json(images, result->count), "calibration",
                                      report_calibration_json(&calibration))
                          : NULL;
    free(images);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(json);
    return text;
}

static enum status make_record(const struct evaluator *evaluator, const struct dataset *data,
                               struct evaluation_record *ret_record, struct error *err)
{
    const struct evaluation result = evaluator_result(evaluator);
    *ret_record = (struct evaluation_record){.evaluated_at = clock_wall_ms(),
                                             .images = (int64_t)result.count,
                                             .loss = result.loss,
                                             .accuracy = result.accuracy,
                                             .details = make_details(evaluator, &result)};
    snprintf(ret_record->digest, sizeof ret_record->digest, "%s", dataset_digest(data));
    return ret_record->details ? OK : error_set(err, ERR_MEMORY, "no memory for an evaluation");
}

enum status evaluation_measure(struct model *model, struct dataset *data, const struct evaluation_pace *pace,
                               struct evaluation_record *ret_record, bool *ret_complete, struct error *err)
{
    struct evaluator *evaluator;
    struct evaluation_record record;
    enum status status = evaluator_create(model, data, 0, dataset_count(data), pace->team, &evaluator, err);
    if (status)
        return status;
    bool more = true, wanted = true;
    while (more && wanted) {
        more = evaluator_advance(evaluator);
        wanted = pace->go_on(pace->context, evaluator_result(evaluator).count);
    }
    if (wanted)
        status = make_record(evaluator, data, &record, err);
    if (wanted && status == OK)
        *ret_record = record;
    *ret_complete = wanted;
    evaluator_free(evaluator);
    return status;
}

/* ---- As it is shown -------------------------------------------------------------------------------- */

static bool is_wanted(const json_t *mistake, const char *field, int digit)
{
    return digit < 0 || json_integer_value(json_object_get(mistake, field)) == digit;
}

static json_t *filter_mistakes(const json_t *all, const struct mistake_filter *filter)
{
    json_t *mistakes = json_array(), *mistake;
    size_t i;
    json_array_foreach(all, i, mistake)
    {
        if (json_array_size(mistakes) < filter->limit && is_wanted(mistake, "label", filter->label) &&
            is_wanted(mistake, "predicted", filter->predicted))
            json_array_append(mistakes, mistake);
    }
    return mistakes;
}

json_t *evaluation_to_json(const char *model, int version, const struct evaluation_record *record,
                           const struct mistake_filter *filter)
{
    char time[CLOCK_TEXT_SIZE];
    json_t *details = json_loads(record->details, 0, NULL);
    clock_format(record->evaluated_at, time);
    json_t *json = json_pack(
        "{s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:O, s:O, s:o, s:O}", "model", model, "version",
        version, "dataset", record->dataset, "split", dataset_split_names[record->split], "digest",
        record->digest, "evaluated_at", time, "count", (json_int_t)record->images, "accuracy",
        report_number(record->accuracy), "loss", report_number(record->loss), "confusion",
        json_object_get(details, "confusion"), "classes", json_object_get(details, "classes"), "mistakes",
        filter_mistakes(json_object_get(details, "mistakes"), filter), "calibration",
        json_object_get(details, "calibration"));
    json_decref(details);
    return json;
}
