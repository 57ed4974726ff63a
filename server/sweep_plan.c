#include "server/sweep_plan.h"

#include "server/forecast.h"
#include "server/jobs.h"
#include "server/json_pointer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct planning {
    const struct sweep_request *request;
    struct jobs *jobs;
    int threads;
    struct sweep_plan *plan;
    json_t *seen;      /* settings so far */
    json_t *revisions; /* of own data, the same for all trials */
    struct problems *problems;
};

void sweep_plan_clear(struct sweep_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->trials[i].plan.settings);
        free(plan->trials[i].plan.config);
        free(plan->trials[i].plan.error);
    }
    free(plan->trials);
    *plan = (struct sweep_plan){0};
}

/* ---- Faults ---------------------------------------------------------------------------------------- */

static bool is_below(const char *pointer, const char *place)
{
    size_t length = strlen(place);
    return strncmp(pointer, place, length) == 0 && (pointer[length] == '\0' || pointer[length] == '/');
}

/* Where in the sweep's request the field of a job's request came from. */
static void place_of(const struct sweep_request *request, const json_t *settings, const char *pointer,
                     char ret_place[JSON_POINTER_SIZE])
{
    const char *parameter;
    json_t *value;
    json_object_foreach((json_t *)settings, parameter, value)
    {
        if (!is_below(pointer, parameter))
            continue;
        json_pointer_join(ret_place, JSON_POINTER_SIZE, "/parameters", parameter);
        json_t *values = json_object_get(request->parameters, parameter);
        for (size_t i = 0; i < json_array_size(values); i++) {
            if (!json_equal(json_array_get(values, i), value))
                continue;
            size_t length = strlen(ret_place);
            snprintf(ret_place + length, JSON_POINTER_SIZE - length, "/%zu", i);
            return;
        }
        return;
    }
    snprintf(ret_place, JSON_POINTER_SIZE, "/base%s", pointer);
}

/* Every trial may have the same fault: it is told once. */
static void add_once(struct problems *problems, const struct error *fault, const char *place)
{
    for (size_t i = 0; i < problems->count && i < PROBLEMS_KEPT; i++) {
        if (strcmp(problems->items[i].pointer, place) == 0)
            return;
    }
    problems_add(problems, fault->code, place, "%s", fault->message);
}

static bool is_impossible(const struct error *fault)
{
    return fault->code == ERR_SHAPE || fault->code == ERR_MEMORY;
}

/* {"detail", "layer"?, "shape"?}: for a layer that does not fit the engine says "conv2d_5: … its input, 1x1x64 (…". */
static char *explain(const struct error *fault)
{
    int height, width, channels, length = (int)strcspn(fault->message, ":");
    json_t *json = json_pack("{s:s}", "detail", fault->message);
    const char *shape = strstr(fault->message, "its input, ");
    if (fault->code == ERR_SHAPE)
        json_object_set_new(json, "layer", json_stringn(fault->message, (size_t)length));
    if (shape && sscanf(shape, "its input, %dx%dx%d", &height, &width, &channels) == 3)
        json_object_set_new(json, "shape", json_pack("[i, i, i]", height, width, channels));
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

/* ---- One trial ------------------------------------------------------------------------------------- */

static void set_seed(json_t *job, uint64_t seed)
{
    json_t *value = json_integer((json_int_t)seed);
    json_pointer_set(job, "/training/seed", value);
    json_decref(value);
}

/* The job's request of a combination: a new reference, NULL after a problem. */
static json_t *make_request(const struct sweep_request *request, const json_t *settings, const uint64_t *seed,
                            struct problems *problems)
{
    const char *pointer;
    char place[JSON_POINTER_SIZE];
    json_t *value, *job = json_deep_copy(request->base);
    json_object_set_new(job, "promotion", json_string(promotion_names[PROMOTION_NEVER]));
    json_object_foreach((json_t *)settings, pointer, value)
    {
        if (json_pointer_set(job, pointer, value))
            continue;
        json_pointer_join(place, sizeof place, "/parameters", pointer);
        const struct error fault = {.code = ERR_ARGUMENT, .message = "leads nowhere in the base request"};
        add_once(problems, &fault, place);
        json_decref(job);
        return NULL;
    }
    if (seed)
        set_seed(job, *seed);
    return job;
}

static void fill_trial(const struct job_request *job, int threads, struct sweep_trial *trial,
                       struct problems *problems)
{
    static const struct error no_validation = {
        .code = ERR_ARGUMENT,
        .message = "a sweep picks the best trial by its accuracy on validation images: validation_split must "
                   "leave some"};
    json_t *config = job_request_to_json(job);
    trial->plan.config = config ? json_dumps(config, JSON_COMPACT) : NULL;
    json_decref(config);
    if (!trial->plan.config) {
        problems_add(problems, ERR_MEMORY, "", "no memory for so many trials");
        return;
    }
    trial->plan.seed = job->training.seed;
    trial->multiply_adds = job->plan.multiply_adds;
    trial->memory = trainer_memory(&job->plan, &job->training, threads);
    trial->work = meter_plan_of(&job->training, job->split, job->test_images);
    if (trial->work.validation_images == 0)
        add_once(problems, &no_validation, "/base/training/validation_split");
}

/* What is wrong with the request goes to `problems`. */
static void check_trial(const struct planning *planning, const json_t *settings, const json_t *json,
                        struct sweep_trial *trial)
{
    struct job_request job;
    struct problems faults = {0};
    char place[JSON_POINTER_SIZE];
    trial->plan.seconds = NAN;
    if (jobs_check_alike(planning->jobs, json, planning->revisions, &job, &faults) == OK) {
        fill_trial(&job, planning->threads, trial, planning->problems);
        return;
    }
    for (size_t i = 0; i < faults.count && i < PROBLEMS_KEPT; i++) {
        if (is_impossible(&faults.items[i]))
            continue;
        place_of(planning->request, settings, faults.items[i].pointer, place);
        add_once(planning->problems, &faults.items[i], place);
    }
    trial->plan.seed =
        (uint64_t)json_integer_value(json_object_get(json_object_get(json, "training"), "seed"));
    trial->plan.error = explain(&faults.items[0]);
}

/* ---- All trials ------------------------------------------------------------------------------------ */

/* Draws may come twice, and a combination is worth one trial: so many more are drawn at most. */
#define DRAWS_A_TRIAL 20

static bool is_seen(const json_t *seen, const json_t *settings)
{
    for (size_t i = 0; i < json_array_size(seen); i++) {
        if (json_equal(json_array_get(seen, i), settings))
            return true;
    }
    return false;
}

/* A combination, with every seed. */
static void add_combination(struct planning *planning, const json_t *settings)
{
    const struct sweep_request *request = planning->request;
    struct sweep_plan *plan = planning->plan;
    size_t runs = request->seed_count ? request->seed_count : 1;
    int combination = (int)json_array_size(planning->seen);
    for (size_t i = 0; i < runs && planning->problems->count < PROBLEMS_KEPT; i++) {
        const uint64_t *seed = request->seed_count ? &request->seeds[i] : NULL;
        json_t *json = make_request(request, settings, seed, planning->problems);
        if (!json)
            return;
        struct sweep_trial *trial = &plan->trials[plan->count++];
        *trial = (struct sweep_trial){.plan.combination = combination};
        trial->plan.settings = json_dumps(settings, JSON_COMPACT | JSON_REAL_PRECISION(15));
        check_trial(planning, settings, json, trial);
        plan->possible += trial->plan.config != NULL;
        if (trial->memory > plan->memory)
            plan->memory = trial->memory;
        json_decref(json);
    }
}

static void add_combinations(struct planning *planning, size_t wanted)
{
    size_t attempts = planning->request->draws ? wanted * DRAWS_A_TRIAL : wanted;
    for (size_t i = 0; i < attempts && json_array_size(planning->seen) < wanted; i++) {
        json_t *settings = sweep_request_settings(planning->request, i);
        if (is_seen(planning->seen, settings)) {
            json_decref(settings);
            continue;
        }
        json_array_append_new(planning->seen, settings);
        add_combination(planning, settings);
    }
}

/* Whether no trial shows what the base request has at `pointer`. */
static bool is_replaced(const struct sweep_request *request, const char *pointer)
{
    const char *parameter;
    json_t *values;
    json_object_foreach(request->parameters, parameter, values) if (is_below(pointer, parameter)) return true;
    return request->seed_count && is_below(pointer, "/training/seed");
}

/* Faults of the base request where every trial has a value of its own. */
static void check_base(const struct planning *planning)
{
    struct job_request job;
    struct problems faults = {0};
    char place[JSON_POINTER_SIZE];
    if (jobs_check(planning->jobs, planning->request->base, &job, &faults) == OK)
        return;
    for (size_t i = 0; i < faults.count && i < PROBLEMS_KEPT; i++) {
        if (is_impossible(&faults.items[i]) || !is_replaced(planning->request, faults.items[i].pointer))
            continue;
        snprintf(place, sizeof place, "/base%s", faults.items[i].pointer);
        add_once(planning->problems, &faults.items[i], place);
    }
}

/* With every combination, or of too many to look at with the base request alone. */
static void add_all(struct planning *planning, size_t combinations)
{
    if (combinations) {
        check_base(planning);
        add_combinations(planning, combinations);
        return;
    }
    json_t *nothing = json_object();
    add_combination(planning, nothing);
    json_decref(nothing);
}

enum status sweep_plan_create(const struct sweep_request *request, struct jobs *jobs, int threads,
                              struct sweep_plan *ret_plan, struct problems *problems)
{
    size_t combinations = sweep_request_combinations(request), count;
    size_t runs = request->seed_count ? request->seed_count : 1;
    struct sweep_plan plan = {.seconds = NAN};
    if (__builtin_mul_overflow(combinations, runs, &count) || count > SWEEP_TRIALS_MAX) {
        problems_add(problems, ERR_ARGUMENT, "/parameters",
                     "more than %d trials; fewer values or seeds, or method random, make fewer",
                     SWEEP_TRIALS_MAX);
        combinations = 0;
        count = runs;
    }
    plan.trials = calloc(count, sizeof *plan.trials);
    struct planning planning = {request, jobs, threads, &plan, json_array(), json_object(), problems};
    if (plan.trials && planning.seen && planning.revisions)
        add_all(&planning, combinations);
    else
        problems_add(problems, ERR_MEMORY, "", "no memory for so many trials");
    json_decref(planning.seen);
    json_decref(planning.revisions);
    if (problems->count) {
        sweep_plan_clear(&plan);
        return ERR_ARGUMENT;
    }
    *ret_plan = plan;
    return OK;
}

/* ---- Time ------------------------------------------------------------------------------------------ */

void sweep_rates_clear(struct sweep_rates *rates)
{
    for (size_t i = 0; i < rates->count; i++)
        free(rates->items[i].key);
    rates->count = 0;
}

static int compare_work(const void *left, const void *right)
{
    double a = (*(struct sweep_trial *const *)left)->multiply_adds,
           b = (*(struct sweep_trial *const *)right)->multiply_adds;
    return (a > b) - (a < b);
}

static enum status measure_rate(const struct sweep_trial *trial, struct jobs *jobs, int threads,
                                double *ret_rate, struct error *err)
{
    struct job_request job;
    struct problems problems = {0};
    struct forecast forecast;
    struct thread_team *team;
    json_t *json = json_loads(trial->plan.config, 0, NULL);
    enum status status = jobs_check_kept(jobs, json, &job, &problems);
    json_decref(json);
    if (status)
        return problems_first(&problems, err);
    status = thread_team_create(threads, false, &team, err);
    if (status)
        return status;
    status = forecast_training(&job.plan, &job.training, trial->work.train_images, trial->work.test_images,
                               team, &forecast, err);
    thread_team_free(team);
    if (status == OK)
        *ret_rate = forecast.images_per_second;
    return status;
}

/* What of a trial's request the rate depends on: JSON text on the heap, NULL without memory. */
static char *rate_key(const struct sweep_trial *trial)
{
    static const char *const beside[] = {"epochs",   "learning_rate",    "schedule",
                                         "warmup",   "validation_split", "seed",
                                         "patience", "train_limit",      NULL};
    json_t *config = json_loads(trial->plan.config, 0, NULL);
    json_t *training = json_object_get(config, "training");
    for (size_t i = 0; beside[i]; i++)
        json_object_del(training, beside[i]);
    json_t *key = json_pack("[O, O]", json_object_get(config, "model"), training);
    char *text = key ? json_dumps(key, JSON_COMPACT) : NULL;
    json_decref(key);
    json_decref(config);
    return text;
}

static void keep_rate(struct sweep_rates *rates, char *key, double rate)
{
    if (rates->count == SWEEP_RATES)
        sweep_rates_clear(rates);
    rates->items[rates->count].key = key;
    rates->items[rates->count++].rate = rate;
}

/* With the mutex held: images a second. */
static enum status find_rate(struct sweep_rates *rates, const struct sweep_trial *trial, struct jobs *jobs,
                             int threads, double *ret_rate, struct error *err)
{
    double rate;
    char *key = rate_key(trial);
    if (!key)
        return error_set(err, ERR_MEMORY, "no memory to reckon the time of a sweep");
    for (size_t i = 0; i < rates->count; i++) {
        if (strcmp(rates->items[i].key, key) == 0) {
            *ret_rate = rates->items[i].rate;
            free(key);
            return OK;
        }
    }
    enum status status = measure_rate(trial, jobs, threads, &rate, err);
    if (status) {
        free(key);
        return status;
    }
    keep_rate(rates, key, rate);
    *ret_rate = rate;
    return OK;
}

/* Rungs of successive halving train a part of the trials for a part of the epochs. */
static double share_of_work(const struct sweep_request *request, const struct sweep_trial *trial,
                            size_t combinations)
{
    double share = 0;
    size_t left = combinations;
    if (request->method != SWEEP_HALVING)
        return 1;
    for (int rung = 0;; rung++) {
        int epochs = sweep_rung_epochs(request, trial->work.epochs, rung);
        share += (double)left / (double)combinations * epochs / trial->work.epochs;
        left = sweep_rung_survivors(request, left);
        if (epochs >= trial->work.epochs)
            return share;
    }
}

#define POINTS 3 /* that are measured of more trials than that */

/* Seconds of an image of trial number `index` of those sorted by their work, of which `measured` are known: on the line
 * through the two that it lies between. */
static double seconds_an_image(struct sweep_trial *const *sorted, size_t index, const size_t measured[POINTS],
                               const double seconds[POINTS])
{
    size_t left = index > measured[1] ? 1 : 0;
    double low = sorted[measured[left]]->multiply_adds, high = sorted[measured[left + 1]]->multiply_adds;
    double share = high > low ? (sorted[index]->multiply_adds - low) / (high - low) : 0;
    return seconds[left] + share * (seconds[left + 1] - seconds[left]);
}

/* With the mutex of the rates held. Up to POINTS trials are each measured. */
static enum status measure_sorted(struct sweep_trial *const *sorted, size_t count, struct jobs *jobs,
                                  int threads, struct sweep_rates *rates, struct error *err)
{
    size_t measured[POINTS];
    double seconds[POINTS], rate = NAN;
    for (size_t i = 0; i < POINTS; i++) {
        measured[i] = count > POINTS ? i * (count - 1) / (POINTS - 1) : i < count ? i : count - 1;
        enum status status = find_rate(rates, sorted[measured[i]], jobs, threads, &rate, err);
        if (status)
            return status;
        seconds[i] = 1 / rate;
    }
    for (size_t i = 0; i < count; i++) {
        double an_image = count > POINTS ? seconds_an_image(sorted, i, measured, seconds) : seconds[i];
        sorted[i]->plan.seconds = meter_forecast(&sorted[i]->work, 1 / an_image);
    }
    return OK;
}

enum status sweep_plan_measure(struct sweep_plan *plan, const struct sweep_request *request,
                               struct jobs *jobs, int threads, struct sweep_rates *rates, struct error *err)
{
    size_t runs = request->seed_count ? request->seed_count : 1, count = 0;
    if (plan->possible == 0)
        return OK;
    struct sweep_trial **sorted = calloc(plan->possible, sizeof *sorted);
    if (!sorted)
        return error_set(err, ERR_MEMORY, "no memory to reckon the time of a sweep");
    for (size_t i = 0; i < plan->count; i++)
        if (plan->trials[i].plan.config)
            sorted[count++] = &plan->trials[i];
    qsort(sorted, count, sizeof *sorted, compare_work);
    pthread_mutex_lock(&rates->mutex);
    enum status status = measure_sorted(sorted, count, jobs, threads, rates, err);
    pthread_mutex_unlock(&rates->mutex);
    if (status == OK)
        plan->seconds = 0;
    for (size_t i = 0; i < count && status == OK; i++)
        plan->seconds += sorted[i]->plan.seconds * share_of_work(request, sorted[i], plan->possible / runs);
    free(sorted);
    return status;
}

json_t *sweep_plan_to_json(const struct sweep_plan *plan)
{
    json_t *seconds = isfinite(plan->seconds) ? json_real(round(plan->seconds * 10) / 10) : json_null();
    return json_pack("{s:I, s:I, s:I, s:o, s:I}", "trials", (json_int_t)plan->count, "valid",
                     (json_int_t)plan->possible, "invalid", (json_int_t)(plan->count - plan->possible),
                     "seconds", seconds, "memory_bytes", (json_int_t)plan->memory);
}

/* ---- Successive halving ------------------------------------------------------------------------------ */

int sweep_rung_epochs(const struct sweep_request *request, int epochs, int rung)
{
    double wanted = request->min_epochs * pow(request->factor, rung);
    return request->method != SWEEP_HALVING || wanted >= epochs ? epochs : (int)wanted;
}

size_t sweep_rung_survivors(const struct sweep_request *request, size_t count)
{
    size_t factor = (size_t)request->factor;
    return (count + factor - 1) / factor;
}
