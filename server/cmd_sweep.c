/* digitd sweep: many trainings of a running server, compared. */
#include "server/actions.h"
#include "server/cli.h"
#include "server/client_items.h"
#include "server/client_json.h"
#include "server/client_request.h"
#include "server/commands.h"
#include "server/report.h"
#include "server/sweep_view.h"
#include "server/table.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    struct client_settings client;
    struct training_options training;
    struct request_options request; /* without a preset: that is the sweep's */
    const char *preset, *name, *seeds, *model, *alias;
    int64_t draw_seed;
    int method, promote, trials, keep, min_epochs, factor, limit, top, trial;
    bool estimate, yes, watch, csv;
};

#define AT(member)   offsetof(struct settings, member)
#define LONG_SECONDS 600 /* of an estimate: then a person is asked first */
#define RESULTS_MAX  4096

static const struct item_kind kind = {"/api/v1/sweeps", "sweep"};

/* ---- start --------------------------------------------------------------------------------------- */

static const char *const methods[] = {"grid", "random", "halving", NULL};
static const char *const promotions[] = {"never", "if_better", "always", NULL};

static const struct option_spec start_specs[] = {
    {"preset", OPTION_STRING, AT(preset), "NAME",
     .help = "What to compare: architecture (64 networks) or activations (relu, sigmoid, tanh)"},
    {"name", OPTION_STRING, AT(name), "NAME", .help = "What to call it"},
    {"method", OPTION_CHOICE, AT(method), "NAME",
     .help = "grid: every combination; random: some of them; halving: all for few epochs, the better ones "
             "for more",
     .choices = methods},
    {"trials", OPTION_INT, AT(trials), "N", .help = "How many to draw, with random and halving", .min = 1,
     .max = RESULTS_MAX},
    {"draw-seed", OPTION_INT64, AT(draw_seed), "N", .help = "Draw them from this seed", .min = 1,
     .max = 9007199254740991},
    {"seeds", OPTION_STRING, AT(seeds), "N,N...",
     .help = "Repeat each combination with these training seeds; a single N: with so many"},
    {"min-epochs", OPTION_INT, AT(min_epochs), "N", .help = "Of halving: epochs of the first rung", .min = 1,
     .max = 1000},
    {"factor", OPTION_INT, AT(factor), "N", .help = "Of halving: one in N goes on, for N times as long",
     .min = 2, .max = 10},
    {"promote", OPTION_CHOICE, AT(promote), "WHEN",
     .help = "Whether production moves to the best in the end: never, if_better or always",
     .choices = promotions},
    {"keep", OPTION_INT, AT(keep), "N", .help = "Keep the weights of so many of the best", .min = 1,
     .max = RESULTS_MAX},
    REQUEST_COMMON_OPTIONS,
    TRAINING_OPTIONS,
    {"estimate", OPTION_FLAG, AT(estimate), .help = "Only say how long it would take"},
    {"yes", OPTION_FLAG, AT(yes), .help = "Do not ask before one that takes more than ten minutes"},
    {"watch", OPTION_FLAG, AT(watch), .help = "Watch it until it ends; Ctrl-C leaves it running"},
    CLIENT_OPTIONS,
};

/* A number, true or false where the text is one; the text itself otherwise. */
static json_t *read_value(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    return json ? json : report_text(text);
}

/* "1e-4..1e-2:log" as {"min", "max", "scale"}; NULL when it is no range. */
static json_t *read_range(const char *text)
{
    char copy[128];
    snprintf(copy, sizeof copy, "%s", text);
    char *dots = strstr(copy, ".."), *colon = strrchr(copy, ':');
    if (!dots || dots == copy)
        return NULL;
    if (colon)
        *colon++ = '\0';
    *dots = '\0';
    json_t *range = json_pack("{s:o, s:o}", "min", read_value(copy), "max", read_value(dots + 2));
    if (range && colon)
        json_object_set_new(range, "scale", report_text(colon));
    return range;
}

/* "1,2,3" */
static json_t *read_list(const char *text)
{
    json_t *list = json_array();
    char *copy = strdup(text), *rest = NULL;
    for (char *item = copy ? strtok_r(copy, ",", &rest) : NULL; item; item = strtok_r(NULL, ",", &rest))
        json_array_append_new(list, read_value(item));
    free(copy);
    return list;
}

/* /training/epochs=1,2,3 */
static int add_parameter(const struct client *client, const char *argument, json_t *parameters)
{
    const char *equals = strchr(argument, '=');
    if (*argument != '/' || !equals || !equals[1]) {
        cli_failed(
            client_command(client),
            "\"%s\": expected a field of a job and values to try, as /training/learning_rate=0.001,0.003 or "
            "/training/learning_rate=1e-4..1e-2:log",
            argument);
        return EXIT_USAGE;
    }
    json_t *values = read_range(equals + 1);
    if (!values)
        values = read_list(equals + 1);
    char *pointer = strndup(argument, (size_t)(equals - argument));
    int failed = pointer ? json_object_set_new(parameters, pointer, values) : -1;
    free(pointer);
    return failed ? cli_failed(client_command(client), "\"%s\" is not UTF-8", argument) : EXIT_SUCCESS;
}

static int add_parameters(const struct client *client, char **arguments, json_t *body)
{
    json_t *parameters = json_object();
    int exit_code = EXIT_SUCCESS;
    for (; *arguments && exit_code == EXIT_SUCCESS; arguments++)
        exit_code = add_parameter(client, *arguments, parameters);
    if (json_object_size(parameters) > 0)
        json_object_set(body, "parameters", parameters);
    json_decref(parameters);
    return exit_code;
}

static void add_number(json_t *body, const char *field, json_int_t number)
{
    if (number > 0)
        json_object_set_new(body, field, json_integer(number));
}

static void add_text(json_t *body, const char *field, const char *text)
{
    if (text)
        json_object_set_new(body, field, report_text(text));
}

/* A lone number is how many. */
static void add_seeds(json_t *body, const char *text)
{
    if (text)
        json_object_set_new(body, "seeds", strchr(text, ',') ? read_list(text) : read_value(text));
}

static int make_request(const struct client *client, const struct settings *settings, char **arguments,
                        json_t **ret_body)
{
    json_t *base = NULL, *body = json_object();
    int exit_code =
        request_from_options(client_command(client), &settings->request, &settings->training, &base);
    if (exit_code == EXIT_SUCCESS)
        exit_code = add_parameters(client, arguments, body);
    if (json_object_size(base) > 0)
        json_object_set(body, "base", base);
    json_decref(base);
    add_text(body, "preset", settings->preset);
    add_text(body, "name", settings->name);
    add_text(body, "method", methods[settings->method]);
    add_text(body, "promote", promotions[settings->promote]);
    add_seeds(body, settings->seeds);
    add_number(body, "trials", settings->trials);
    add_number(body, "seed", settings->draw_seed);
    add_number(body, "keep", settings->keep);
    add_number(body, "min_epochs", settings->min_epochs);
    add_number(body, "factor", settings->factor);
    if (exit_code != EXIT_SUCCESS)
        json_decref(body);
    else
        *ret_body = body;
    return exit_code;
}

static int estimate(struct client *client, json_t *body, json_t **ret_estimate)
{
    return client_send_take(client, "POST", json_incref(body), ret_estimate, "/api/v1/sweeps/estimate");
}

static int print_estimate(struct client *client, json_t *body)
{
    json_t *answer = NULL;
    int exit_code = estimate(client, body, &answer);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, answer, &exit_code))
        return exit_code;
    sweep_print_estimate(stdout, answer);
    json_decref(answer);
    return EXIT_SUCCESS;
}

/* Asks a person about a long one. EXIT_SUCCESS: go ahead. */
static int ask(struct client *client, const struct settings *settings, json_t *body)
{
    json_t *answer = NULL;
    if (settings->yes || settings->client.json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return EXIT_SUCCESS;
    int exit_code = estimate(client, body, &answer);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    if (client_number_at(answer, "/seconds") > LONG_SECONDS) {
        sweep_print_estimate(stderr, answer);
        fputs("Start it? [y/N] ", stderr);
        int reply = getchar();
        if (tolower(reply) != 'y')
            exit_code = cli_failed(client_command(client), "not started");
    }
    json_decref(answer);
    return exit_code;
}

static int start(struct client *client, const struct settings *settings, json_t *body)
{
    json_t *sweep = NULL;
    char id[ITEM_ID_SIZE];
    int exit_code = client_send_take(client, "POST", json_incref(body), &sweep, "/api/v1/sweeps");
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    snprintf(id, sizeof id, "%s", client_text_at(sweep, "/id"));
    if (!settings->watch && items_print_json(client, sweep, &exit_code))
        return exit_code;
    if (!settings->client.json)
        sweep_print_estimate(stderr, json_object_get(sweep, "estimate"));
    if (settings->watch && !settings->client.json)
        fprintf(stderr, "%s\n", id);
    else if (!settings->watch)
        printf("%s\n", id);
    json_decref(sweep);
    return settings->watch ? sweep_watch(client, id) : EXIT_SUCCESS;
}

static int run_start(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    json_t *body = NULL;
    int exit_code = make_request(client, settings, arguments, &body);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    if (settings->estimate) {
        exit_code = print_estimate(client, body);
    } else {
        exit_code = ask(client, settings, body);
        if (exit_code == EXIT_SUCCESS)
            exit_code = start(client, settings, body);
    }
    json_decref(body);
    return exit_code;
}

/* ---- list, show ---------------------------------------------------------------------------------- */

static const struct option_spec plain_specs[] = {CLIENT_OPTIONS};
static const struct option_spec list_specs[] = {
    {"limit", OPTION_INT, AT(limit), "N", .help = "So many at most", .min = 1, .max = 1000},
    CLIENT_OPTIONS,
};

static enum status print_sweeps(const json_t *sweeps)
{
    static const struct table_column columns[] = {{.title = "SWEEP"},
                                                  {.title = "NAME", .least = 12},
                                                  {.title = "STATE", .state = true},
                                                  {.title = "TRIALS", .right = true},
                                                  {.title = "LEFT", .right = true},
                                                  {.title = "CREATED", .leaves = 1}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *sweep;
    size_t i;
    json_array_foreach((json_t *)sweeps, i, sweep)
    {
        char created[FORMAT_SIZE], left[FORMAT_SIZE];
        table_cell(&table, "%s", client_text_at(sweep, "/id"));
        table_cell(&table, "%s", client_text_at(sweep, "/name"));
        table_cell(&table, "%s", client_text_at(sweep, "/state"));
        table_cell(&table, "%d/%d", sweep_ended(sweep), sweep_valid(sweep));
        table_cell(&table, "%s", client_duration_at(sweep, "/eta_seconds", left));
        table_cell(&table, "%s", client_time_at(sweep, "/created_at", created));
    }
    return table_print(&table, stdout);
}

static int run_list(struct client *client, const void *context, char **arguments)
{
    (void)arguments;
    const struct settings *settings = context;
    json_t *page = NULL;
    int exit_code = client_get(client, &page, "/api/v1/sweeps?limit=%d", settings->limit);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, page, &exit_code))
        return exit_code;
    const json_t *sweeps = json_object_get(page, "data");
    if (json_array_size(sweeps) == 0)
        puts("No sweeps.");
    else if (print_sweeps(sweeps) != OK)
        exit_code = cli_failed(client_command(client), "no memory for the table");
    json_decref(page);
    return exit_code;
}

static void print_sweep(const json_t *sweep)
{
    char text[FORMAT_SIZE];
    const char *pointer;
    json_t *values;
    client_print_field("sweep", "%s", client_text_at(sweep, "/id"));
    client_print_field("name", "%s", client_text_at(sweep, "/name"));
    client_print_field("state", "%s", client_text_at(sweep, "/state"));
    client_print_field("created", "%s", client_time_at(sweep, "/created_at", text));
    client_print_field("method", "%s", client_text_at(sweep, "/request/method"));
    client_print_field("trials", "%d of %d ended, %s could not be built", sweep_ended(sweep),
                       sweep_valid(sweep), client_count_at(sweep, "/counts/invalid", text));
    client_print_field("left", "%s", client_duration_at(sweep, "/eta_seconds", text));
    client_print_field("best", "%s", client_count_at(sweep, "/best", text));
    puts("parameters");
    json_object_foreach((json_t *)client_at(sweep, "/request/parameters"), pointer, values)
    {
        char *list = json_dumps(values, JSON_COMPACT | JSON_REAL_PRECISION(6));
        printf("  %s  %s\n", pointer, list ? list : "");
        free(list);
    }
}

static int run_show(struct client *client, const void *context, char **arguments)
{
    (void)context;
    char id[ITEM_ID_SIZE];
    json_t *sweep = NULL;
    int exit_code = items_choose(client, &kind, arguments[0], id);
    if (exit_code == EXIT_SUCCESS)
        exit_code = client_get(client, &sweep, "/api/v1/sweeps/%s", id);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, sweep, &exit_code))
        return exit_code;
    print_sweep(sweep);
    json_decref(sweep);
    return EXIT_SUCCESS;
}

/* ---- watch, pause, resume, cancel, delete --------------------------------------------------------- */

static int run_watch(struct client *client, const void *context, char **arguments)
{
    (void)context;
    char id[ITEM_ID_SIZE];
    int exit_code = items_choose(client, &kind, arguments[0], id);
    return exit_code == EXIT_SUCCESS ? sweep_watch(client, id) : exit_code;
}

static int run_pause(struct client *client, const void *context, char **arguments)
{
    (void)context;
    return items_change(client, &kind, "pause", arguments);
}

static int run_resume(struct client *client, const void *context, char **arguments)
{
    (void)context;
    return items_change(client, &kind, "resume", arguments);
}

static int run_cancel(struct client *client, const void *context, char **arguments)
{
    (void)context;
    return items_change(client, &kind, "cancel", arguments);
}

static int run_delete(struct client *client, const void *context, char **arguments)
{
    (void)context;
    return items_delete(client, &kind, arguments);
}

/* ---- results, promote ----------------------------------------------------------------------------- */

static const struct option_spec results_specs[] = {
    {"csv", OPTION_FLAG, AT(csv), .help = "As CSV, for a spreadsheet"},
    {"top", OPTION_INT, AT(top), "N", .help = "Only the N best (default: all)", .min = 1, .max = RESULTS_MAX},
    CLIENT_OPTIONS,
};

static int run_results(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    char id[ITEM_ID_SIZE];
    json_t *results = NULL;
    int exit_code = items_choose(client, &kind, arguments[0], id);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    if (settings->csv)
        return client_download(client, "-", "/api/v1/sweeps/%s/results?format=csv", id);
    exit_code = client_get(client, &results, "/api/v1/sweeps/%s/results", id);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, results, &exit_code))
        return exit_code;
    if (sweep_print_results(results, settings->top) != OK)
        exit_code = cli_failed(client_command(client), "no memory for the table");
    json_decref(results);
    return exit_code;
}

static const struct option_spec promote_specs[] = {
    {"trial", OPTION_INT, AT(trial), "N", .help = "This trial instead of the best", .min = 1,
     .max = RESULTS_MAX},
    {"model", OPTION_STRING, AT(model), "NAME", .help = "The model that it becomes a version of"},
    {"alias", OPTION_STRING, AT(alias), "NAME",
     .help = "The alias that stands for it from then on; none: no alias moves"},
    CLIENT_OPTIONS,
};

static int run_promote(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    json_t *body = json_object(), *version = NULL;
    if (!client_check_name(client, "a sweep's id", arguments[0])) {
        json_decref(body);
        return EXIT_USAGE;
    }
    add_number(body, "trial", settings->trial);
    add_text(body, "model", settings->model);
    if (strcmp(settings->alias, "none") == 0)
        json_object_set_new(body, "alias", json_null());
    else
        add_text(body, "alias", settings->alias);
    int exit_code =
        client_send_take(client, "POST", body, &version, "/api/v1/sweeps/%s/promote", arguments[0]);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, version, &exit_code))
        return exit_code;
    char accuracy[FORMAT_SIZE];
    printf("%s:%.0f  test %s\n", client_text_at(version, "/model"), client_number_at(version, "/version"),
           client_percent_at(version, "/metrics/test_accuracy", accuracy));
    json_decref(version);
    return EXIT_SUCCESS;
}

/* ---- The actions --------------------------------------------------------------------------------- */

#define OPTIONS_OF(table) .specs = table, .count = ARRAY_LENGTH(table)
#define ON_SWEEPS                                                                                            \
    .arguments = "[OPTION]... ID...", OPTIONS_OF(plain_specs), .min_arguments = 1, .max_arguments = -1

enum { LIST, START }; /* indices of actions */

static const struct action actions[] = {
    [LIST] = {"list",
              run_list,
              "List sweeps, the newest first",
              {.command = "sweep list",
               .arguments = "[OPTION]...",
               .about = "Lists sweeps, the newest first.",
               OPTIONS_OF(list_specs)}},
    [START] = {"start",
               run_start,
               "Start a sweep; may be left out before options",
               {.command = "sweep start",
                .arguments = "[OPTION]... [/FIELD=VALUES]...",
                .about =
                    "Trains many networks and compares them. What varies are fields of a job's\n"
                    "request and the values to try: a list, or for random draws a range.\n\n"
                    "    digitd sweep --preset architecture --epochs 1 --train-limit 6000\n"
                    "    digitd sweep start /model/blocks/filters=16,32 /training/epochs=1,2\n"
                    "    digitd sweep start --method random /training/learning_rate=1e-4..1e-2:log\n\n"
                    "All else is as the options of 'digitd train' say. Prints the id. Says how long it will\n"
                    "take, and asks before a long one when a person is there. With --watch the exit\n"
                    "code is that of 'digitd sweep watch'.",
                OPTIONS_OF(start_specs),
                .max_arguments = -1}},
    {"show",
     run_show,
     "Show what a sweep varies, and how far it is",
     {.command = "sweep show",
      .arguments = "[OPTION]... [ID]",
      .about = "Shows a sweep: without an id the one that runs, or else the newest.",
      OPTIONS_OF(plain_specs),
      .max_arguments = 1}},
    {"watch",
     run_watch,
     "Watch a sweep until it ends",
     {.command = "sweep watch",
      .arguments = "[OPTION]... [ID]",
      .about = "Shows each trial that ends, and a bar, until the sweep ends. Waits for a server\n"
               "that is restarted. Ctrl-C leaves the sweep running. With --json it is a line each\n"
               "time that something of it changed.\n\n"
               "Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 cancelled, 130 Ctrl-C.",
      OPTIONS_OF(plain_specs),
      .max_arguments = 1}},
    {"results",
     run_results,
     "Show the trials, the best first",
     {.command = "sweep results",
      .arguments = "[OPTION]... [ID]",
      .about = "Shows the trials, the best by validation accuracy first, and a verdict.",
      OPTIONS_OF(results_specs),
      .max_arguments = 1}},
    {"promote",
     run_promote,
     "Make the best trial a version",
     {.command = "sweep promote",
      .arguments = "[OPTION]... ID",
      .about = "Makes the best trial, or another, the next version of a model.",
      OPTIONS_OF(promote_specs),
      .min_arguments = 1,
      .max_arguments = 1}},
    {"pause",
     run_pause,
     "Pause sweeps",
     {.command = "sweep pause",
      .about = "Pauses sweeps, and the trial that runs within one step.",
      ON_SWEEPS}},
    {"resume",
     run_resume,
     "Let paused sweeps go on",
     {.command = "sweep resume", .about = "Lets paused sweeps go on where they were.", ON_SWEEPS}},
    {"cancel",
     run_cancel,
     "Cancel sweeps, for good",
     {.command = "sweep cancel", .about = "Ends sweeps for good. The trials that ended stay.", ON_SWEEPS}},
    {"delete",
     run_delete,
     "Forget sweeps that are over",
     {.command = "sweep delete", .about = "Forgets sweeps that are over, and their trials.", ON_SWEEPS}},
};

static const struct settings defaults = {
    .client = {.server = CLIENT_DEFAULT_SERVER}, .alias = "production", .limit = 20};

static const struct action_group group = {
    .command = "sweep",
    .about = "Compares many trainings on a running server (digitd serve). Without an action it\n"
             "lists the sweeps.",
    .actions = actions,
    .count = ARRAY_LENGTH(actions),
    .bare = LIST,
    .unnamed = START,
    .defaults = &defaults,
    .settings_size = sizeof defaults,
};

int cmd_sweep(int argc, char **argv)
{
    return actions_main(&group, argc, argv);
}
