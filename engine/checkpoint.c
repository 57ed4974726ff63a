#include "engine/checkpoint.h"

#include "engine/model.h"
#include "engine/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kernel and bias of each layer, up to five times in a checkpoint. */
#define MAX_TENSORS (5 * 2 * MODEL_MAX_LAYERS)

/* Appends the tensors of `slab`, their names behind `prefix`; returns the new count. */
static size_t add_tensors(const struct network *network, const char *prefix, float *slab,
                          struct safetensor tensors[MAX_TENSORS], size_t count)
{
    struct tensor tensor;
    for (size_t i = 0; network_tensor(network, i, &tensor); i++) {
        struct safetensor *entry = &tensors[count++];
        *entry =
            (struct safetensor){.rank = tensor.rank, .count = tensor.count, .data = slab + tensor.offset};
        snprintf(entry->name, sizeof entry->name, "%s%.47s", prefix, tensor.name);
        memcpy(entry->dimensions, tensor.dimensions, sizeof entry->dimensions);
    }
    return count;
}

/* ---- Metadata: strings under names ---- */

static bool set_string(json_t *metadata, const char *key, const char *value)
{
    return json_object_set_new(metadata, key, json_string(value)) == 0;
}

/* Takes `value`. */
static bool set_json(json_t *metadata, const char *key, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    bool done = text && set_string(metadata, key, text);
    free(text);
    json_decref(value);
    return done;
}

static json_t *own_metadata(const char *format, const struct model_plan *plan)
{
    json_t *metadata = json_object();
    if (metadata && set_string(metadata, "format", format) &&
        set_json(metadata, "spec", model_spec_to_json(&plan->spec)) &&
        set_string(metadata, "core_type", engine_core_type()) &&
        set_string(metadata, "instruction_set", engine_instruction_set()) &&
        set_string(metadata, "digitd_version", DIGITD_VERSION))
        return metadata;
    json_decref(metadata);
    return NULL;
}

/* The plan of the spec in a file's metadata. */
static enum status read_plan(const struct safetensors_file *file, const char *path,
                             struct model_plan *ret_plan, struct error *err)
{
    const char *text = safetensors_metadata(file, "spec");
    if (!text)
        return error_set(err, ERR_FORMAT, "%s: its metadata has no \"spec\" that describes the model", path);
    json_error_t where;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        return error_set(err, ERR_FORMAT, "%s: \"spec\" in its metadata is not JSON: %s", path, where.text);
    struct problems problems = {0};
    struct error first = {0};
    struct model_spec spec;
    enum status status = model_spec_from_json(json, "/spec", &spec, &problems);
    if (status == OK)
        status = model_plan_create(&spec, "/spec", ret_plan, &problems);
    json_decref(json);
    if (status != OK && problems_first(&problems, &first) != OK)
        return error_set(err, ERR_FORMAT, "%s: \"spec\" in its metadata: %.160s (%s)", path, first.message,
                         first.pointer);
    return status;
}

/* ---- Models ---- */

/* A model that says nothing of it has none. */
static enum status read_temperature(const struct safetensors_file *file, const char *path,
                                    double *ret_temperature, struct error *err)
{
    const char *text = safetensors_metadata(file, "temperature");
    char *end;
    double temperature = text ? strtod(text, &end) : 1;
    if (text && (end == text || *end || !(temperature >= TEMPERATURE_MIN && temperature <= TEMPERATURE_MAX)))
        return error_set(err, ERR_FORMAT, "%s: \"temperature\" in its metadata is no number from %g to %g",
                         path, TEMPERATURE_MIN, TEMPERATURE_MAX);
    *ret_temperature = (double)(float)temperature; /* as it was fitted: its nine digits tell a float */
    return OK;
}

static bool set_temperature(json_t *metadata, double temperature)
{
    char text[32];
    snprintf(text, sizeof text, "%.9g", temperature);
    return set_string(metadata, "temperature", text);
}

enum status model_save(const struct model *model, const struct json_t *metadata, const char *path,
                       struct error *err)
{
    struct safetensor tensors[MAX_TENSORS];
    size_t count = add_tensors(&model->network, "", model->parameters, tensors, 0);
    json_t *all = own_metadata("digitd model", &model->network.plan);
    if (!all || !set_temperature(all, model->temperature) ||
        (metadata && json_object_update_missing(all, (json_t *)(uintptr_t)metadata) != 0)) {
        json_decref(all);
        return error_set(err, ERR_MEMORY, "no memory for the metadata of %s", path);
    }
    enum status status = safetensors_write(path, tensors, count, all, err);
    json_decref(all);
    return status;
}

static bool plans_are_equal(const struct model_plan *a, const struct model_plan *b)
{
    json_t *left = model_spec_to_json(&a->spec), *right = model_spec_to_json(&b->spec);
    bool equal = left && json_equal(left, right);
    json_decref(left);
    json_decref(right);
    return equal;
}

/* The plan that the file's tensors must fit: that of its metadata, which must agree with `asked` unless that is NULL. */
static enum status choose_plan(const struct safetensors_file *file, const char *path,
                               const struct model_plan *asked, struct model_plan *ret_plan, struct error *err)
{
    struct model_plan own;
    if (asked && !safetensors_metadata(file, "spec")) {
        *ret_plan = *asked;
        return OK;
    }
    enum status status = read_plan(file, path, &own, err);
    if (status == OK && asked && !plans_are_equal(asked, &own))
        status = error_set(err, ERR_SHAPE, "%s: the layers in its metadata are not those asked for", path);
    if (status == OK)
        *ret_plan = own;
    return status;
}

static enum status check_finite(const struct safetensor *tensors, size_t count, const char *path,
                                struct error *err)
{
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < tensors[i].count; at++)
            if (!isfinite(tensors[i].data[at]))
                return error_set(err, ERR_FORMAT, "%s: value %zu of tensor \"%s\" is not finite", path, at,
                                 tensors[i].name);
    return OK;
}

static enum status load(const char *path, const struct model_plan *asked, bool finite,
                        struct model **ret_model, struct error *err)
{
    struct safetensors_file *file;
    struct model_plan plan;
    struct model *model = NULL;
    enum status status = safetensors_open(path, &file, err);
    if (status != OK)
        return status;
    status = choose_plan(file, path, asked, &plan, err);
    if (status == OK)
        status = model_allocate(&plan, &model, err);
    if (status == OK)
        status = read_temperature(file, path, &model->temperature, err);
    if (status == OK) {
        struct safetensor tensors[MAX_TENSORS];
        size_t count = add_tensors(&model->network, "", model->parameters, tensors, 0);
        status = safetensors_check(file, tensors, count, err);
        if (status == OK)
            status = safetensors_read(file, tensors, count, err);
        if (status == OK && finite)
            status = check_finite(tensors, count, path, err);
    }
    safetensors_close(file);
    if (status != OK) {
        model_unref(model);
        return status;
    }
    model_seal(model);
    *ret_model = model;
    return OK;
}

enum status model_load(const char *path, struct model **ret_model, struct error *err)
{
    return load(path, NULL, false, ret_model, err);
}

enum status model_load_as(const char *path, const struct model_plan *plan, struct model **ret_model,
                          struct error *err)
{
    return load(path, plan, true, ret_model, err);
}

enum status model_metadata(const char *path, struct json_t **ret_metadata, struct error *err)
{
    struct safetensors_file *file;
    enum status status = safetensors_open(path, &file, err);
    if (status != OK)
        return status;
    const json_t *metadata = safetensors_all_metadata(file);
    json_t *copy = json_is_object(metadata) ? json_deep_copy(metadata) : json_object();
    safetensors_close(file);
    if (!copy)
        return error_set(err, ERR_MEMORY, "no memory for the metadata of %s", path);
    *ret_metadata = copy;
    return OK;
}

/* ---- Checkpoints ---- */

/* The numbers of a place in a run, as text that reads back to the same bits. */
static const struct {
    const char *name;
    bool real;
    size_t offset;
} place_fields[] = {
    {"step", false, offsetof(struct train_place, step)},
    {"updates", false, offsetof(struct train_place, updates)},
    {"loss_sum", true, offsetof(struct train_place, loss_sum)},
    {"correct", false, offsetof(struct train_place, correct)},
    {"seconds", true, offsetof(struct train_place, seconds)},
    {"best_epoch", false, offsetof(struct train_place, best_epoch)},
    {"best_loss", true, offsetof(struct train_place, best_loss)},
    {"temperature", true, offsetof(struct train_place, temperature)},
    {"best_temperature", true, offsetof(struct train_place, best_temperature)},
};
#define PLACE_FIELDS (sizeof place_fields / sizeof *place_fields)

static bool set_place(json_t *metadata, const struct train_place *place)
{
    char text[64];
    snprintf(text, sizeof text, "%d", place->epoch);
    bool done = set_string(metadata, "epoch", text);
    for (size_t i = 0; i < PLACE_FIELDS && done; i++) {
        const void *value = (const char *)place + place_fields[i].offset;
        if (place_fields[i].real)
            snprintf(text, sizeof text, "%a", *(const double *)value);
        else
            snprintf(text, sizeof text, "%" PRId64, *(const int64_t *)value);
        done = set_string(metadata, place_fields[i].name, text);
    }
    return done;
}

static bool read_whole(const char *text, int64_t *ret_value)
{
    char *end;
    errno = 0;
    *ret_value = text ? strtoll(text, &end, 10) : -1;
    return text && *text && !*end && errno == 0 && *ret_value >= 0;
}

static enum status read_place(const struct safetensors_file *file, const char *path,
                              struct train_place *ret_place, struct error *err)
{
    int64_t epoch;
    if (!read_whole(safetensors_metadata(file, "epoch"), &epoch) || epoch > INT32_MAX)
        return error_set(err, ERR_FORMAT, "%s: \"epoch\" in its metadata is not a count", path);
    ret_place->epoch = (int)epoch;
    for (size_t i = 0; i < PLACE_FIELDS; i++) {
        const char *text = safetensors_metadata(file, place_fields[i].name);
        if (!text && strstr(place_fields[i].name, "temperature"))
            text = "1"; /* a checkpoint from before there were any */
        void *value = (char *)ret_place + place_fields[i].offset;
        char *end = NULL;
        bool good = true;
        if (!place_fields[i].real)
            good = read_whole(text, value);
        else if (text)
            *(double *)value = strtod(text, &end);
        if (!good || (place_fields[i].real && (!text || *end || end == text)))
            return error_set(err, ERR_FORMAT, "%s: \"%s\" in its metadata is not a number", path,
                             place_fields[i].name);
    }
    return OK;
}

static size_t state_tensors(const struct network *network, const struct train_state *state,
                            struct safetensor tensors[MAX_TENSORS])
{
    size_t count = add_tensors(network, "", state->weights, tensors, 0);
    count = add_tensors(network, "adam/m/", state->moment_1, tensors, count);
    count = add_tensors(network, "adam/v/", state->moment_2, tensors, count);
    if (state->average)
        count = add_tensors(network, "average/", state->average, tensors, count);
    return state->best ? add_tensors(network, "best/", state->best, tensors, count) : count;
}

enum status checkpoint_save(const struct network *network, const struct train_state *state,
                            const struct checkpoint *checkpoint, const char *path, struct error *err)
{
    struct safetensor tensors[MAX_TENSORS];
    size_t count = state_tensors(network, state, tensors);
    json_t *metadata = own_metadata("digitd checkpoint", &checkpoint->plan);
    if (!metadata || !set_json(metadata, "training", train_config_to_json(&checkpoint->config)) ||
        !set_string(metadata, "dataset", checkpoint->dataset) || !set_place(metadata, &checkpoint->place)) {
        json_decref(metadata);
        return error_set(err, ERR_MEMORY, "no memory for the metadata of %s", path);
    }
    enum status status = safetensors_write(path, tensors, count, metadata, err);
    json_decref(metadata);
    return status;
}

static enum status read_config(const struct safetensors_file *file, const char *path,
                               struct train_config *ret_config, struct error *err)
{
    const char *text = safetensors_metadata(file, "training");
    json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    struct problems problems = {0};
    struct train_config config = train_config_default();
    enum status status = ERR_FORMAT;
    if (json)
        status = train_config_from_json(json, "/training", &config, &problems);
    json_decref(json);
    if (status != OK)
        return error_set(err, ERR_FORMAT, "%s: not a training checkpoint: \"training\" in its metadata %s",
                         path, text ? "is no valid configuration" : "is missing");
    *ret_config = config;
    return OK;
}

enum status checkpoint_open(const char *path, struct safetensors_file **ret_file,
                            struct checkpoint *ret_checkpoint, struct error *err)
{
    struct safetensors_file *file;
    struct checkpoint checkpoint = {0};
    enum status status = safetensors_open(path, &file, err);
    if (status != OK)
        return status;
    status = read_plan(file, path, &checkpoint.plan, err);
    if (status == OK)
        status = read_config(file, path, &checkpoint.config, err);
    if (status == OK)
        status = read_place(file, path, &checkpoint.place, err);
    const char *dataset = safetensors_metadata(file, "dataset");
    if (status == OK && (!dataset || strlen(dataset) != 64))
        status = error_set(err, ERR_FORMAT, "%s: \"dataset\" in its metadata is not a digest", path);
    if (status != OK) {
        safetensors_close(file);
        return status;
    }
    memcpy(checkpoint.dataset, dataset, sizeof checkpoint.dataset);
    *ret_checkpoint = checkpoint;
    *ret_file = file;
    return OK;
}

enum status checkpoint_read_state(const struct safetensors_file *file, const struct network *network,
                                  struct train_state *state, struct error *err)
{
    struct safetensor tensors[MAX_TENSORS];
    size_t count = state_tensors(network, state, tensors);
    enum status status = safetensors_check(file, tensors, count, err);
    return status == OK ? safetensors_read(file, tensors, count, err) : status;
}
