#include "server/sweep_view.h"

#include "server/cli.h"
#include "server/client_json.h"
#include "server/clock.h"
#include "server/job_watch.h"
#include "server/progress.h"
#include "server/sweep_request.h"
#include "server/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* No event has such an id: a stream after it tells what happens from now on. */
#define FROM_NOW 9007199254740991LL

/* ---- Figures ------------------------------------------------------------------------------------- */

static int count_of(const json_t *sweep, const char *state)
{
    return (int)json_integer_value(json_object_get(json_object_get(sweep, "counts"), state));
}

int sweep_valid(const json_t *sweep)
{
    return count_of(sweep, "total") - count_of(sweep, "invalid");
}

static const char *const ends[] = {"succeeded", "failed", "cancelled", "stopped"};

static bool is_end(const char *state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++)
        if (strcmp(ends[i], state) == 0)
            return true;
    return false;
}

int sweep_ended(const json_t *sweep)
{
    int ended = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++)
        ended += count_of(sweep, ends[i]);
    return ended;
}

void sweep_print_estimate(FILE *stream, const json_t *estimate)
{
    char duration[FORMAT_SIZE], memory[FORMAT_SIZE];
    double trials = client_number_at(estimate, "/trials"), valid = client_number_at(estimate, "/valid");
    fprintf(stream, "%.0f trial%s", trials, trials == 1 ? "" : "s");
    if (valid < trials)
        fprintf(stream, ", of which %.0f can be built", valid);
    fprintf(stream, ": about %s with nothing else to do, %s of memory\n",
            client_duration_at(estimate, "/seconds", duration),
            client_bytes_at(estimate, "/memory_bytes", memory));
}

/* "32", "relu" */
static void describe_value(const json_t *value, char *ret_text, size_t size)
{
    char *text = json_is_string(value)
                     ? NULL
                     : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    snprintf(ret_text, size, "%s", json_is_string(value) ? json_string_value(value) : text ? text : "");
    free(text);
}

/* What a pointer is called for short: its last part. */
static const char *short_name(const char *pointer)
{
    const char *last = strrchr(pointer, '/');
    return last ? last + 1 : pointer;
}

/* ---- Results ------------------------------------------------------------------------------------- */

/* What there is to say about a trial beside its figures. */
static const char *remark_on(const json_t *trial, json_int_t best)
{
    const json_t *detail = client_at(trial, "/error/detail");
    if (detail)
        return json_string_value(detail);
    if (json_is_true(json_object_get(trial, "never_learned")))
        return "never learned";
    return json_integer_value(json_object_get(trial, "trial")) == best ? "best" : "";
}

/* Whether combinations were repeated with several seeds. */
static bool has_spread(const json_t *trials)
{
    const json_t *trial;
    size_t i;
    json_array_foreach((json_t *)trials, i, trial)
    {
        if (!isnan(client_number_at(trial, "/validation_accuracy_spread")))
            return true;
    }
    return false;
}

static void add_trial(struct table *table, const json_t *trial, const json_t *pointers, json_int_t best,
                      bool spreads)
{
    char validation[FORMAT_SIZE], mean[FORMAT_SIZE], spread[FORMAT_SIZE], test[FORMAT_SIZE];
    char seconds[FORMAT_SIZE], value[64];
    const json_t *pointer;
    size_t i;
    table_cell(table, "%.0f", client_number_at(trial, "/trial"));
    table_cell(table, "%s", client_text_at(trial, "/state"));
    json_array_foreach((json_t *)pointers, i, pointer)
    {
        const json_t *values = json_object_get(trial, "values");
        describe_value(json_object_get(values, json_string_value(pointer)), value, sizeof value);
        table_cell(table, "%s", value);
    }
    if (spreads) {
        table_cell(table, "%.0f", client_number_at(trial, "/seed"));
        table_cell(table, "%s", client_percent_at(trial, "/validation_accuracy_mean", mean));
        table_cell(table, "%s", client_percent_at(trial, "/validation_accuracy_spread", spread));
    }
    table_cell(table, "%s", client_percent_at(trial, "/validation_accuracy", validation));
    table_cell(table, "%s", client_percent_at(trial, "/test_accuracy", test));
    table_cell(table, "%s", client_duration_at(trial, "/training_seconds", seconds));
    table_cell(table, "%s", remark_on(trial, best));
}

/* The columns of figures; `spreads`: with the mean and spread of a combination. */
static size_t add_figures(struct table_column *columns, bool spreads)
{
    static const struct table_column figures[] = {
        {.title = "SEED", .right = true},   {.title = "MEAN", .right = true},
        {.title = "SPREAD", .right = true}, {.title = "VALIDATION", .right = true},
        {.title = "TEST", .right = true},   {.title = "TIME", .right = true, .leaves = 1},
        {.title = "", .least = 12}};
    size_t count = 0;
    for (size_t i = spreads ? 0 : 3; i < ARRAY_LENGTH(figures); i++)
        columns[count++] = figures[i];
    return count;
}

enum status sweep_print_results(const json_t *results, int top)
{
    struct table_column columns[TABLE_COLUMNS_MAX] = {{.title = "TRIAL", .right = true},
                                                      {.title = "STATE", .state = true}};
    const json_t *pointers = json_object_get(results, "parameters"), *data = json_object_get(results, "data");
    const json_t *pointer, *trial;
    size_t i, count = 2;
    bool spreads = has_spread(data);
    if (json_array_size(pointers) > SWEEP_PARAMETERS_MAX)
        return ERR_FORMAT;
    json_array_foreach((json_t *)pointers, i, pointer)
    {
        columns[count++] =
            (struct table_column){.title = short_name(json_string_value(pointer)), .right = true};
    }
    count += add_figures(&columns[count], spreads);
    struct table table = table_begin(columns, count);
    json_array_foreach((json_t *)data, i, trial)
    {
        if (top == 0 || (int)i < top)
            add_trial(&table, trial, pointers, json_integer_value(json_object_get(results, "best")), spreads);
    }
    enum status status = table_print(&table, stdout);
    printf("\n%s\n", client_text_at(results, "/verdict"));
    return status;
}

/* ---- Watching ------------------------------------------------------------------------------------ */

struct watch {
    struct client *client;
    const char *id;
    struct progress progress;
    json_t *told;    /* jobs whose end was told, as the keys of an object */
    json_t *running; /* of jobs that train, how much each has done: {job: 0..1} */
    json_t *sweep;   /* as it was seen last; NULL before */
    double seen;     /* clock_seconds() then */
    char state[16];
};

static void tell_trial(struct watch *watch, const json_t *trial)
{
    char validation[FORMAT_SIZE], test[FORMAT_SIZE], seconds[FORMAT_SIZE], values[400] = "";
    const char *pointer;
    json_t *value;
    size_t used = 0;
    json_object_foreach(json_object_get(trial, "values"), pointer, value)
    {
        char text[64];
        describe_value(value, text, sizeof text);
        if (used < sizeof values)
            used += (size_t)snprintf(values + used, sizeof values - used, "%s%s %s", used ? ", " : "",
                                     short_name(pointer), text);
    }
    const char *remark = remark_on(trial, -1);
    progress_print(&watch->progress, "trial %.0f  %s: %s  validation %s, test %s, %s%s%s",
                   client_number_at(trial, "/trial"), values, client_text_at(trial, "/state"),
                   client_percent_at(trial, "/validation_accuracy", validation),
                   client_percent_at(trial, "/test_accuracy", test),
                   client_duration_at(trial, "/training_seconds", seconds), *remark ? "; " : "", remark);
}

/* The trials that ended since. */
static void tell_trials(struct watch *watch)
{
    json_t *results = NULL, *trial;
    size_t i;
    if (client_get(watch->client, &results, "/api/v1/sweeps/%s/results", watch->id) != EXIT_SUCCESS)
        return; /* it was there a moment ago; the next look says more */
    json_array_foreach(json_object_get(results, "data"), i, trial)
    {
        const char *job = client_text_at(trial, "/job");
        if (!*job || !is_end(client_text_at(trial, "/state")) || json_object_get(watch->told, job))
            continue;
        json_object_set_new(watch->told, job, json_true());
        tell_trial(watch, trial);
    }
    json_decref(results);
}

/* Trials that ended, and what those that train have done. */
static double count_done(const struct watch *watch)
{
    double done = sweep_ended(watch->sweep);
    const char *job;
    json_t *fraction;
    json_object_foreach(watch->running, job, fraction) done += json_number_value(fraction);
    return done;
}

/* What was left when the sweep was seen last, less the time since. */
static double seconds_left(const struct watch *watch)
{
    double left = client_number_at(watch->sweep, "/eta_seconds");
    if (strcmp(watch->state, "running") != 0 || isnan(left))
        return left;
    return fmax(left - (clock_seconds() - watch->seen), 0);
}

static void show_bar(struct watch *watch)
{
    char label[64];
    int valid = sweep_valid(watch->sweep);
    if (client_settings(watch->client)->no_progress || client_settings(watch->client)->json)
        return;
    snprintf(label, sizeof label, "%d/%d trials", sweep_ended(watch->sweep), valid);
    struct progress_state state = {label, valid > 0 ? fmin(count_done(watch) / valid, 1) : 0, NAN,
                                   seconds_left(watch)};
    progress_show(&watch->progress, &state, clock_seconds());
}

/* Takes what the server says of the sweep, and tells what is new in it. */
static void see(struct watch *watch, json_t *sweep)
{
    const char *state = client_text_at(sweep, "/state");
    bool moved = strcmp(watch->state, state) != 0;
    bool changed =
        moved || !json_equal(json_object_get(sweep, "counts"), json_object_get(watch->sweep, "counts"));
    bool json = client_settings(watch->client)->json;
    snprintf(watch->state, sizeof watch->state, "%s", state);
    json_decref(watch->sweep);
    watch->sweep = sweep;
    watch->seen = clock_seconds();
    if (changed && json) {
        json_dumpf(sweep, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
        putchar('\n');
        fflush(stdout);
    }
    if (moved && !json && !is_end(state))
        progress_print(&watch->progress, "%s", state);
    if (changed && !json)
        tell_trials(watch);
    show_bar(watch);
}

/* When there is a connection, and when something of the sweep has changed that the stream does not tell. */
static void look(void *context)
{
    struct watch *watch = context;
    json_t *sweep = NULL;
    if (client_get(watch->client, &sweep, "/api/v1/sweeps/%s", watch->id) == EXIT_SUCCESS)
        see(watch, sweep);
}

static void tell_progress(struct watch *watch, const json_t *event)
{
    json_object_set_new(watch->running, client_text_at(event, "/job"),
                        json_real(job_fraction(json_object_get(event, "data"))));
    show_bar(watch);
}

/* The trial that a job was made for waits, or trains, or has ended; only that shows, but for --json, and when it is the first
 * of a sweep that waited. */
static void tell_state(struct watch *watch, const json_t *event)
{
    json_object_del(watch->running, client_text_at(event, "/job")); /* until it tells again how far it is */
    if (is_end(client_text_at(event, "/data/to")) || strcmp(watch->state, "queued") == 0 ||
        client_settings(watch->client)->json)
        look(watch);
}

static bool tell(void *context, const char *type, const json_t *event)
{
    struct watch *watch = context;
    if (strcmp(type, "progress") == 0)
        tell_progress(watch, event);
    else if (strcmp(type, "state") == 0)
        tell_state(watch, event);
    else if (strcmp(type, "sweep") == 0)
        look(watch);
    return !is_end(watch->state);
}

static void tell_loss(void *context)
{
    struct watch *watch = context;
    progress_print(&watch->progress, "the server is gone; waiting for it to come back");
}

static int end(struct watch *watch)
{
    json_t *results = NULL;
    bool json = client_settings(watch->client)->json;
    int exit_code =
        json ? EXIT_SUCCESS : client_get(watch->client, &results, "/api/v1/sweeps/%s/results", watch->id);
    if (exit_code == EXIT_SUCCESS && !json)
        printf("%s  %s\n%s\n", watch->id, watch->state, client_text_at(results, "/verdict"));
    json_decref(results);
    if (exit_code != EXIT_SUCCESS || strcmp(watch->state, "succeeded") == 0)
        return exit_code;
    return strcmp(watch->state, "cancelled") == 0 ? EXIT_CANCELLED : EXIT_FAILURE;
}

int sweep_watch(struct client *client, const char *id)
{
    static const struct client_listener listener = {.tell = tell, .opened = look, .lost = tell_loss};
    char path[128];
    struct watch watch = {.client = client,
                          .id = id,
                          .progress = progress_begin(stderr, clock_seconds()),
                          .told = json_object(),
                          .running = json_object()};
    snprintf(path, sizeof path, "/api/v1/sweeps/%s/events?after=%lld", id, FROM_NOW);
    int exit_code = client_follow(client, path, &listener, &watch);
    if (exit_code == EXIT_SUCCESS)
        look(&watch); /* one that is over has no stream */
    progress_clear(&watch.progress);
    if (exit_code == EXIT_INTERRUPTED)
        fprintf(stderr,
                "Stopped watching; the sweep goes on. 'digitd sweep watch %s' shows it again, 'digitd sweep "
                "cancel %s' ends it.\n",
                id, id);
    if (exit_code == EXIT_SUCCESS)
        exit_code = end(&watch);
    json_decref(watch.sweep);
    json_decref(watch.running);
    json_decref(watch.told);
    return exit_code;
}
