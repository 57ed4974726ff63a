#include "server/sweep_results.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- States ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool is_final;
} states[TRIAL_STATES] = {
    [TRIAL_INVALID] = {"invalid", true},     [TRIAL_QUEUED] = {"queued", false},
    [TRIAL_RUNNING] = {"running", false},    [TRIAL_PAUSED] = {"paused", false},
    [TRIAL_SUCCEEDED] = {"succeeded", true}, [TRIAL_STOPPED] = {"stopped", true},
    [TRIAL_FAILED] = {"failed", true},       [TRIAL_CANCELLED] = {"cancelled", true},
};

const char *trial_state_name(enum trial_state state)
{
    return states[state].name;
}

bool trial_state_is_final(enum trial_state state)
{
    return states[state].is_final;
}

static const enum trial_state of_jobs[JOB_STATES] = {
    [JOB_QUEUED] = TRIAL_QUEUED,       [JOB_RUNNING] = TRIAL_RUNNING, [JOB_PAUSED] = TRIAL_PAUSED,
    [JOB_SUCCEEDED] = TRIAL_SUCCEEDED, [JOB_FAILED] = TRIAL_FAILED,   [JOB_CANCELLED] = TRIAL_CANCELLED,
};

static enum trial_state state_of(const struct trial_record *trial, bool cancelled)
{
    if (!trial->is_possible)
        return TRIAL_INVALID;
    if (trial->pending)
        return cancelled ? TRIAL_CANCELLED : TRIAL_QUEUED;
    if (trial->has_job && trial->job_state != JOB_SUCCEEDED)
        return of_jobs[trial->job_state];
    if (!trial->outcome) /* somebody has deleted its job */
        return TRIAL_CANCELLED;
    return trial->stopped ? TRIAL_STOPPED : TRIAL_SUCCEEDED;
}

/* ---- Outcomes -------------------------------------------------------------------------------------- */

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

char *trial_outcome_to_text(const struct version_record *version, int64_t validation_images)
{
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:I, s:i, s:i, s:b, s:s, s:s, s:s, s:s, s:I}", "validation_accuracy",
        real_or_null(version->validation_accuracy), "validation_loss", real_or_null(version->validation_loss),
        "test_accuracy", real_or_null(version->test_accuracy), "test_loss", real_or_null(version->test_loss),
        "training_seconds", real_or_null(version->training_seconds), "parameters",
        (json_int_t)version->parameters, "epochs", version->epochs, "best_epoch", version->best_epoch,
        "stopped_early", version->stopped_early, "weights_digest", version->weights_digest, "train_digest",
        version->train_digest, "test_digest", version->test_digest, "core_type", version->core_type,
        "validation_images", (json_int_t)validation_images);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static double read_real(const json_t *json, const char *field)
{
    const json_t *value = json_object_get(json, field);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void copy_text(const json_t *json, const char *field, char *ret_text, size_t size)
{
    const char *text = json_string_value(json_object_get(json, field));
    snprintf(ret_text, size, "%s", text ? text : "");
}

/* The store's own text: written by trial_outcome_to_text. */
static void read_outcome(struct sweep_row *row, const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    struct version_record *version = &row->version;
    version->validation_accuracy = read_real(json, "validation_accuracy");
    version->validation_loss = read_real(json, "validation_loss");
    version->test_accuracy = read_real(json, "test_accuracy");
    version->test_loss = read_real(json, "test_loss");
    version->training_seconds = read_real(json, "training_seconds");
    version->parameters = json_integer_value(json_object_get(json, "parameters"));
    version->epochs = (int)json_integer_value(json_object_get(json, "epochs"));
    version->best_epoch = (int)json_integer_value(json_object_get(json, "best_epoch"));
    version->stopped_early = json_is_true(json_object_get(json, "stopped_early"));
    row->validation_images = json_integer_value(json_object_get(json, "validation_images"));
    copy_text(json, "weights_digest", version->weights_digest, sizeof version->weights_digest);
    copy_text(json, "train_digest", version->train_digest, sizeof version->train_digest);
    copy_text(json, "test_digest", version->test_digest, sizeof version->test_digest);
    copy_text(json, "core_type", version->core_type, sizeof version->core_type);
    snprintf(version->job_id, sizeof version->job_id, "%s", row->trial->job);
    row->has_figures = json != NULL;
    json_decref(json);
}

/* ---- Ranking --------------------------------------------------------------------------------------- */

static struct sweep_row make_row(const struct trial_record *trial, bool cancelled)
{
    struct sweep_row row = {.trial = trial, .state = state_of(trial, cancelled), .mean = NAN, .spread = NAN};
    if (trial->outcome)
        read_outcome(&row, trial->outcome);
    row.never_learned = row.has_figures && trial->best_accuracy <= SWEEP_CHANCE;
    return row;
}

/* Over the trials of one combination that are on the same rung; their rows lie side by side. */
static void add_statistics(struct sweep_row *rows, size_t count)
{
    double sum = 0, squares = 0;
    int runs = 0;
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].has_figures)
            continue;
        sum += rows[i].version.validation_accuracy;
        runs++;
    }
    for (size_t i = 0; i < count; i++)
        if (rows[i].has_figures)
            squares += pow(rows[i].version.validation_accuracy - sum / runs, 2);
    for (size_t i = 0; i < count; i++) {
        rows[i].mean = sum / runs;
        rows[i].spread = runs > 1 ? sqrt(squares / (runs - 1)) : NAN;
    }
}

static int compare(double a, double b)
{
    return (a > b) - (a < b);
}

/* Whoever got further in successive halving, then higher means, then higher accuracies; what came first decides ties. */
static int compare_rows(const void *left, const void *right)
{
    const struct sweep_row *a = left, *b = right;
    int order = b->has_figures - a->has_figures;
    if (order == 0)
        order = b->trial->rung - a->trial->rung;
    if (order == 0 && a->has_figures)
        order = compare(b->mean, a->mean);
    if (order == 0)
        order = a->trial->combination - b->trial->combination;
    if (order == 0 && a->has_figures)
        order = compare(b->version.validation_accuracy, a->version.validation_accuracy);
    return order ? order : a->trial->trial - b->trial->trial;
}

enum status sweep_results_create(const struct trial_record *trials, size_t count, bool cancelled,
                                 struct sweep_results *ret_results, struct error *err)
{
    struct sweep_results results = {.rows = calloc(count ? count : 1, sizeof *results.rows), .count = count};
    if (!results.rows)
        return error_set(err, ERR_MEMORY, "no memory for the results of %zu trials", count);
    for (size_t i = 0; i < count; i++) {
        results.rows[i] = make_row(&trials[i], cancelled);
        results.counts[results.rows[i].state]++;
    }
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && trials[next].combination == trials[i].combination;)
            next++;
        add_statistics(&results.rows[i], next - i);
    }
    qsort(results.rows, count, sizeof *results.rows, compare_rows);
    if (count && results.rows[0].has_figures)
        results.best = &results.rows[0];
    *ret_results = results;
    return OK;
}

void sweep_results_clear(struct sweep_results *results)
{
    free(results->rows);
    *results = (struct sweep_results){0};
}

/* ---- The verdict ----------------------------------------------------------------------------------- */

struct sentence {
    char *text;
    size_t length;
};

static void PRINTF_LIKE(2, 3) say(struct sentence *sentence, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = SWEEP_VERDICT_SIZE - sentence->length;
    int length = vsnprintf(sentence->text + sentence->length, room, format, arguments);
    va_end(arguments);
    sentence->length += length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
}

/* "activation relu, filters 32": the last token of each pointer, and its value. */
static void say_settings(struct sentence *sentence, const struct sweep_row *row)
{
    json_t *settings = json_loads(row->trial->settings, 0, NULL), *value;
    const char *pointer, *comma = "";
    json_object_foreach(settings, pointer, value)
    {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        const char *field = strrchr(pointer, '/');
        say(sentence, "%s%s %s", comma, field ? field + 1 : pointer,
            json_is_string(value) ? json_string_value(value)
            : text                ? text
                                  : "");
        free(text);
        comma = ", ";
    }
    json_decref(settings);
}

/* The best row of another combination; NULL when there is none. */
static const struct sweep_row *find_second(const struct sweep_results *results)
{
    for (size_t i = 1; i < results->count && results->rows[i].has_figures; i++) {
        if (results->rows[i].trial->combination != results->best->trial->combination)
            return &results->rows[i];
    }
    return NULL;
}

/* Two standard errors of the difference of two accuracies on `images` images each. */
static double chance_of(const struct sweep_row *best, const struct sweep_row *second)
{
    double images = (double)best->validation_images;
    double variance = best->mean * (1 - best->mean) + second->mean * (1 - second->mean);
    return 2 * sqrt(variance / images);
}

static void say_lead(struct sentence *sentence, const struct sweep_results *results)
{
    const struct sweep_row *second = find_second(results);
    if (!second)
        return;
    double lead = results->best->mean - second->mean, chance = chance_of(results->best, second);
    say(sentence, "; the next (");
    say_settings(sentence, second);
    say(sentence, ") is %.2f points behind, %s than the %.2f that chance makes on %lld images", 100 * lead,
        lead > chance ? "more" : "no more", 100 * chance, (long long)results->best->validation_images);
}

static void say_never_learned(struct sentence *sentence, const struct sweep_results *results)
{
    size_t count = 0;
    const struct sweep_row *row = NULL;
    for (size_t i = 0; i < results->count; i++) {
        if (!results->rows[i].never_learned)
            continue;
        row = &results->rows[i];
        count++;
    }
    if (count == 1) {
        say(sentence, "; ");
        say_settings(sentence, row);
        say(sentence, " never learned");
    } else if (count > 1) {
        say(sentence, "; %zu trials never learned", count);
    }
}

/* Of a combination with several seeds, what counts is their mean: the lead is one of means, too. */
static void say_accuracy(struct sentence *sentence, const struct sweep_results *results)
{
    const struct sweep_row *best = results->best;
    if (isnan(best->spread)) {
        say(sentence, ", %.2f %% of the validation images and %.2f %% of the test images",
            100 * best->version.validation_accuracy, 100 * best->version.test_accuracy);
        return;
    }
    int seeds = 0;
    for (size_t i = 0; i < results->count; i++)
        seeds +=
            results->rows[i].has_figures && results->rows[i].trial->combination == best->trial->combination;
    say(sentence,
        ", %.2f %% of the validation images in the mean of %d seeds, with a spread of %.2f points; the best "
        "of them has %.2f %%, and %.2f %% of the test images",
        100 * best->mean, seeds, 100 * best->spread, 100 * best->version.validation_accuracy,
        100 * best->version.test_accuracy);
}

void sweep_results_verdict(const struct sweep_results *results, char ret_text[SWEEP_VERDICT_SIZE])
{
    struct sentence sentence = {ret_text, 0};
    const struct sweep_row *best = results->best;
    if (!best) {
        say(&sentence, "No trial has succeeded%s.",
            results->counts[TRIAL_QUEUED] + results->counts[TRIAL_RUNNING] ? " yet" : "");
        return;
    }
    size_t waiting =
        results->counts[TRIAL_QUEUED] + results->counts[TRIAL_RUNNING] + results->counts[TRIAL_PAUSED];
    say(&sentence, "%s: ", waiting ? "Best so far" : "Best");
    say_settings(&sentence, best);
    say_accuracy(&sentence, results);
    say_lead(&sentence, results);
    say_never_learned(&sentence, results);
    say(&sentence, ".");
}
