#include "server/sweep_request.h"

#include "server/input.h"
#include "server/json_pointer.h"
#include "server/store_sweeps.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_NAME   "sweep"
#define DEFAULT_DRAWS  16
#define DEFAULT_KEEP   5
#define DEFAULT_FACTOR 3
#define VALUES_MAX     100
#define SEED_MAX       ((INT64_C(1) << 53) - 1)

static const char *const method_names[] = {"grid", "random", "halving", NULL};
static const char *const scale_names[] = {"linear", "log", NULL};
enum { SCALE_LINEAR, SCALE_LOG };

void sweep_request_clear(struct sweep_request *request)
{
    json_decref(request->base);
    json_decref(request->parameters);
    *request = (struct sweep_request){0};
}

/* ---- Presets --------------------------------------------------------------------------------------- */

/* What a preset stands for, as a client would have written it. */
static const struct {
    const char *name, *request;
} presets[] = {
    {"activations", "{\"name\": \"activations\", \"base\": {\"model\": {\"blocks\": {}}},"
                    " \"parameters\": {\"/model/blocks/activation\": [\"relu\", \"sigmoid\", \"tanh\"]}}"},
    {"architecture", "{\"name\": \"architecture\", \"base\": {\"model\": {\"blocks\": {}}}, \"parameters\": {"
                     " \"/model/blocks/conv_blocks\": [2, 3], \"/model/blocks/filters\": [32, 64],"
                     " \"/model/blocks/kernel_size\": [3, 5], \"/model/blocks/pool_size\": [2, 3],"
                     " \"/model/blocks/dense_layers\": [1, 2], \"/model/blocks/dense_units\": [256, 512]}}"},
};
#define PRESETS (sizeof presets / sizeof *presets)

const char *sweep_preset_name(size_t index)
{
    return index < PRESETS ? presets[index].name : NULL;
}

/* The request with what its preset stands for below its own fields: a new reference. Fields of `base` replace the preset's
 * one by one. NULL after a problem. */
static json_t *add_preset(const json_t *json, struct problems *problems)
{
    const char *names[PRESETS + 1] = {NULL};
    int preset = -1;
    for (size_t i = 0; i < PRESETS; i++)
        names[i] = presets[i].name;
    input_choice(json, "", "preset", names, &preset, problems);
    if (preset < 0)
        return json_deep_copy(json);
    json_t *whole = json_loads(presets[preset].request, 0, NULL);
    json_t *base = json_incref(json_object_get(whole, "base")), *own = json_object_get(json, "base");
    json_object_update(whole, (json_t *)json);
    if (json_is_object(own)) {
        json_object_update(base, own);
        json_object_set(whole, "base", base);
    }
    json_decref(base);
    return whole;
}

/* ---- Parameters ------------------------------------------------------------------------------------ */

static bool leads_into_a_job(const char *pointer)
{
    static const char *const roots[] = {"/model", "/training"};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        size_t length = strlen(roots[i]);
        if (strncmp(pointer, roots[i], length) == 0 && (pointer[length] == '/' || pointer[length] == '\0'))
            return strlen(pointer) < JSON_POINTER_SIZE;
    }
    return false;
}

static void check_range(const json_t *range, const char *place, enum sweep_method method, int draws,
                        struct problems *problems)
{
    static const char *const fields[] = {"min", "max", "scale", NULL};
    double min = 0, max = 0;
    int scale = SCALE_LINEAR;
    size_t before = problems->count;
    if (method == SWEEP_GRID || draws == 0) {
        problems_add(problems, ERR_ARGUMENT, place,
                     "every combination is tried, so this needs a list of values; a range is drawn from by "
                     "method random, or halving with trials");
        return;
    }
    input_known_fields(range, place, fields, problems);
    for (size_t i = 0; i < 2; i++)
        if (!json_object_get(range, fields[i]))
            problems_add(problems, ERR_ARGUMENT, place, "%s is missing", fields[i]);
    input_number(range, place, "min", -1e15, 1e15, &min, problems);
    input_number(range, place, "max", -1e15, 1e15, &max, problems);
    input_choice(range, place, "scale", scale_names, &scale, problems);
    if (problems->count == before && min >= max)
        problems_add(problems, ERR_ARGUMENT, place, "min must be below max");
    if (problems->count == before && scale == SCALE_LOG && min <= 0)
        problems_add(problems, ERR_ARGUMENT, place, "a log scale begins above 0, not at %g", min);
}

static void check_parameter(const char *pointer, const json_t *values, enum sweep_method method, int draws,
                            struct problems *problems)
{
    char place[JSON_POINTER_SIZE];
    json_pointer_join(place, sizeof place, "/parameters", pointer);
    if (!leads_into_a_job(pointer))
        problems_add(problems, ERR_ARGUMENT, place,
                     "not a JSON pointer to a field of a job's model or training, such as "
                     "/training/learning_rate");
    else if (json_is_object(values))
        check_range(values, place, method, draws, problems);
    else if (!json_is_array(values) || json_array_size(values) < 1 || json_array_size(values) > VALUES_MAX)
        problems_add(problems, ERR_ARGUMENT, place, "expected a list of 1 to %d values to try", VALUES_MAX);
}

/* Keeps those that are sound. What a preset that there is not would have varied is not missed. */
static void read_parameters(const json_t *json, struct sweep_request *request, struct problems *problems)
{
    json_t *parameters = json_object_get(json, "parameters");
    size_t count = json_object_size(parameters);
    request->parameters = json_object();
    if (!parameters && json_object_get(json, "preset"))
        return;
    if (!json_is_object(parameters) || count < 1 || count > SWEEP_PARAMETERS_MAX) {
        problems_add(problems, ERR_ARGUMENT, "/parameters",
                     "expected an object of 1 to %d JSON pointers, each with the values to try there",
                     SWEEP_PARAMETERS_MAX);
        return;
    }
    const char *pointer;
    json_t *values;
    json_object_foreach(parameters, pointer, values)
    {
        size_t before = problems->count;
        check_parameter(pointer, values, request->method, request->draws, problems);
        if (problems->count == before)
            json_object_set(request->parameters, pointer, values);
    }
}

/* ---- Seeds ----------------------------------------------------------------------------------------- */

static void read_seed_list(const json_t *seeds, struct sweep_request *request, struct problems *problems)
{
    size_t count = json_array_size(seeds);
    if (count < 1 || count > SWEEP_SEEDS_MAX) {
        problems_add(problems, ERR_ARGUMENT, "/seeds", "expected 1 to %d seeds", SWEEP_SEEDS_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *seed = json_array_get(seeds, i);
        json_int_t value = json_integer_value(seed);
        if (!json_is_integer(seed) || value < 0 || value > SEED_MAX) {
            problems_add(problems, ERR_ARGUMENT, "/seeds", "a seed is a whole number from 0 to 2^53 - 1");
            return;
        }
        for (size_t j = 0; j < i; j++)
            if (request->seeds[j] == (uint64_t)value)
                problems_add(problems, ERR_ARGUMENT, "/seeds", "%lld is there twice", (long long)value);
        request->seeds[i] = (uint64_t)value;
    }
    request->seed_count = count;
}

/* A list, or a number: the seeds from 1 on. */
static void read_seeds(const json_t *json, struct sweep_request *request, struct problems *problems)
{
    const json_t *seeds = json_object_get(json, "seeds");
    int64_t count = 0;
    if (json_is_array(seeds)) {
        read_seed_list(seeds, request, problems);
    } else if (seeds) {
        input_integer(json, "", "seeds", 1, SWEEP_SEEDS_MAX, &count, problems);
        for (int64_t i = 0; i < count; i++)
            request->seeds[i] = (uint64_t)i + 1;
        request->seed_count = (size_t)count;
    }
    if (request->seed_count && json_object_get(request->parameters, "/training/seed"))
        problems_add(problems, ERR_ARGUMENT, "/seeds", "/training/seed is a parameter already");
}

/* ---- All of it ------------------------------------------------------------------------------------- */

static void read_base(const json_t *json, struct sweep_request *request, struct problems *problems)
{
    json_t *base = json_object_get(json, "base");
    if (base && !json_is_object(base))
        problems_add(problems, ERR_ARGUMENT, "/base", "expected an object: a job's request");
    if (json_object_get(base, "promotion"))
        problems_add(problems, ERR_ARGUMENT, "/base/promotion",
                     "no trial goes into production by itself; promote says what becomes of the best");
    request->base = json_is_object(base) ? json_incref(base) : json_object();
}

static void read_plain_fields(const json_t *json, struct sweep_request *request, struct problems *problems)
{
    const char *name = DEFAULT_NAME, *preset = json_string_value(json_object_get(json, "preset"));
    int method = -1, promote = PROMOTION_NEVER;
    int64_t draws = 0, seed = 1, keep = DEFAULT_KEEP, min_epochs = 1, factor = DEFAULT_FACTOR;
    input_name(json, "", "name", &name, problems);
    input_choice(json, "", "method", method_names, &method, problems);
    input_choice(json, "", "promote", promotion_names, &promote, problems);
    if (method < 0) /* of one that there is not nothing more is said: random ones may have all fields */
        method = json_object_get(json, "method") ? SWEEP_RANDOM : SWEEP_GRID;
    if (method == SWEEP_RANDOM || (method == SWEEP_HALVING && json_object_get(json, "trials")))
        draws = DEFAULT_DRAWS;
    if (method == SWEEP_GRID && json_object_get(json, "trials"))
        problems_add(problems, ERR_ARGUMENT, "/trials", "a grid tries every combination; leave this out");
    input_integer(json, "", "trials", 1, SWEEP_TRIALS_MAX, &draws, problems);
    input_integer(json, "", "seed", 0, SEED_MAX, &seed, problems);
    input_integer(json, "", "keep", 1, SWEEP_TRIALS_MAX, &keep, problems);
    input_integer(json, "", "min_epochs", 1, 1000, &min_epochs, problems);
    input_integer(json, "", "factor", 2, 10, &factor, problems);
    snprintf(request->name, sizeof request->name, "%s", name);
    snprintf(request->preset, sizeof request->preset, "%s", preset ? preset : "");
    request->method = (enum sweep_method)method;
    request->promote = (enum promotion)promote;
    request->draws = (int)draws;
    request->draw_seed = (uint64_t)seed;
    request->keep = (int)keep;
    request->min_epochs = (int)min_epochs;
    request->factor = (int)factor;
}

static void check_halving(const struct sweep_request *request, struct problems *problems)
{
    if (request->method == SWEEP_HALVING && json_object_get(request->parameters, "/training/epochs"))
        problems_add(
            problems, ERR_ARGUMENT, "/parameters/~1training~1epochs",
            "halving itself decides for how many epochs each trial trains: put the most of them into "
            "base, as training.epochs");
}

enum status sweep_request_from_json(const json_t *json, struct sweep_request *ret_request,
                                    struct problems *problems)
{
    static const char *const fields[] = {"name",       "preset", "method", "parameters", "base",
                                         "trials",     "seed",   "seeds",  "promote",    "keep",
                                         "min_epochs", "factor", NULL};
    struct sweep_request request = {0};
    size_t before = problems->count;
    input_known_fields(json, "", fields, problems);
    json_t *whole = add_preset(json, problems);
    if (!whole)
        return problems_add(problems, ERR_MEMORY, "", "no memory for this request"), ERR_MEMORY;
    read_plain_fields(whole, &request, problems);
    read_base(whole, &request, problems);
    read_parameters(whole, &request, problems);
    read_seeds(whole, &request, problems);
    check_halving(&request, problems);
    json_decref(whole);
    *ret_request = request;
    return problems->count > before ? ERR_ARGUMENT : OK;
}

static json_t *seeds_to_json(const struct sweep_request *request)
{
    json_t *seeds = json_array();
    for (size_t i = 0; i < request->seed_count; i++)
        json_array_append_new(seeds, json_integer((json_int_t)request->seeds[i]));
    return seeds;
}

json_t *sweep_request_to_json(const struct sweep_request *request)
{
    json_t *json =
        json_pack("{s:s, s:s, s:O, s:O, s:s, s:i}", "name", request->name, "method",
                  method_names[request->method], "parameters", request->parameters, "base", request->base,
                  "promote", promotion_names[request->promote], "keep", request->keep);
    if (*request->preset)
        json_object_set_new(json, "preset", json_string(request->preset));
    if (request->seed_count)
        json_object_set_new(json, "seeds", seeds_to_json(request));
    if (request->draws) {
        json_object_set_new(json, "trials", json_integer(request->draws));
        json_object_set_new(json, "seed", json_integer((json_int_t)request->draw_seed));
    }
    if (request->method == SWEEP_HALVING) {
        json_object_set_new(json, "min_epochs", json_integer(request->min_epochs));
        json_object_set_new(json, "factor", json_integer(request->factor));
    }
    return json;
}

/* ---- Combinations ---------------------------------------------------------------------------------- */

size_t sweep_request_combinations(const struct sweep_request *request)
{
    size_t count = 1;
    const char *pointer;
    json_t *values;
    if (request->draws)
        return (size_t)request->draws;
    json_object_foreach(
        request->parameters, pointer,
        values) if (__builtin_mul_overflow(count, json_array_size(values), &count)) return SIZE_MAX;
    return count;
}

/* Number `index` of the sequence that `seed` begins: splitmix64 (Steele, Lea and Flood, 2014), in which any of them can be
 * had without those before it. */
static uint64_t draw_bits(uint64_t seed, uint64_t index)
{
    uint64_t bits = seed + (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

/* To six digits: what is shown is what was tried. */
static json_t *draw_from_range(const json_t *range, double share)
{
    const json_t *low = json_object_get(range, "min"), *high = json_object_get(range, "max");
    const char *scale = json_string_value(json_object_get(range, "scale"));
    double min = json_number_value(low), max = json_number_value(high);
    if (json_is_integer(low) && json_is_integer(high)) {
        double span = scale && strcmp(scale, "log") == 0 ? min * pow((max + 1) / min, share)
                                                         : min + share * (max + 1 - min);
        return json_integer((json_int_t)fmin(floor(span), max));
    }
    char text[32];
    double value =
        scale && strcmp(scale, "log") == 0 ? min * pow(max / min, share) : min + share * (max - min);
    snprintf(text, sizeof text, "%.6g", value);
    return json_real(fmin(fmax(strtod(text, NULL), min), max));
}

static json_t *draw(const json_t *values, uint64_t bits)
{
    double share = (double)(bits >> 11) * 0x1p-53; /* 0 <= share < 1 */
    if (json_is_object(values))
        return draw_from_range(values, share);
    return json_incref(json_array_get(values, (size_t)(share * (double)json_array_size(values))));
}

json_t *sweep_request_settings(const struct sweep_request *request, uint64_t index)
{
    size_t count = json_object_size(request->parameters), number = 0;
    uint64_t rest = request->draws ? 1 : sweep_request_combinations(request);
    json_t *settings = json_object(), *values;
    const char *pointer;
    json_object_foreach(request->parameters, pointer, values)
    {
        if (request->draws) {
            json_object_set_new(settings, pointer,
                                draw(values, draw_bits(request->draw_seed, index * count + number++)));
        } else { /* the last parameter changes fastest */
            size_t size = json_array_size(values);
            rest /= size;
            json_object_set(settings, pointer, json_array_get(values, (size_t)(index / rest) % size));
        }
    }
    return settings;
}
