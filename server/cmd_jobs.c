/* digitd jobs: training jobs of a running server. */
#include "server/actions.h"
#include "server/cli.h"
#include "server/client_items.h"
#include "server/client_json.h"
#include "server/client_request.h"
#include "server/commands.h"
#include "server/input.h"
#include "server/job_request.h"
#include "server/job_watch.h"
#include "server/report.h"
#include "server/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    struct client_settings client;
    struct training_options training;
    struct request_options request;
    const char *name, *status, *sweep, *after;
    int limit, priority, promotion;
    bool all, watch;
};

#define AT(member) offsetof(struct settings, member)

static const struct item_kind kind = {"/api/v1/jobs", "job"};

/* ---- list ---------------------------------------------------------------------------------------- */

static const struct option_spec list_specs[] = {
    {"status", OPTION_STRING, AT(status), "STATE",
     .help = "Only those: queued, running, paused, succeeded, failed or cancelled"},
    {"sweep", OPTION_STRING, AT(sweep), "ID", .help = "The trials of this sweep"},
    {"all", OPTION_FLAG, AT(all), .help = "Trials of sweeps as well"},
    {"limit", OPTION_INT, AT(limit), "N", .help = "So many at most", .min = 1, .max = 1000},
    {"after", OPTION_STRING, AT(after), "ID", .help = "Those older than this one"},
    CLIENT_OPTIONS,
};

/* The last column: what is worth knowing about a job in its state. */
static void describe_job(const json_t *job, char *ret_text, size_t size)
{
    const char *state = client_text_at(job, "/state");
    char number[FORMAT_SIZE];
    double position = client_number_at(job, "/position");
    ret_text[0] = '\0';
    if (strcmp(state, "running") == 0 && !isnan(client_number_at(job, "/progress/eta_seconds")))
        snprintf(ret_text, size, "%s, %s left", client_text_at(job, "/progress/phase"),
                 client_duration_at(job, "/progress/eta_seconds", number));
    else if (client_at(job, "/progress/phase"))
        snprintf(ret_text, size, "%s", client_text_at(job, "/progress/phase"));
    else if (!isnan(position))
        snprintf(ret_text, size, position > 1 ? "number %.0f in the queue" : "next", position);
    else if (client_at(job, "/error/detail"))
        snprintf(ret_text, size, "%s", client_text_at(job, "/error/detail"));
    else if (!isnan(client_number_at(job, "/result/model/version")))
        snprintf(ret_text, size, "version %.0f%s", client_number_at(job, "/result/model/version"),
                 json_is_true(client_at(job, "/result/promoted")) ? ", promoted" : "");
}

static void describe_epochs(const json_t *job, char *ret_text, size_t size)
{
    double epochs = client_number_at(job, "/config/training/epochs");
    double epoch = client_number_at(job, "/progress/epoch"), done = client_number_at(job, "/result/epochs");
    if (isnan(epoch) && isnan(done))
        snprintf(ret_text, size, "%.0f", epochs);
    else
        snprintf(ret_text, size, "%.0f/%.0f", isnan(done) ? epoch : done, epochs);
}

static enum status print_jobs(const json_t *jobs)
{
    static const struct table_column columns[] = {{.title = "JOB"},
                                                  {.title = "STATE", .state = true},
                                                  {.title = "MODEL", .least = 10, .leaves = 2},
                                                  {.title = "EPOCHS", .right = true},
                                                  {.title = "TEST", .right = true, .leaves = 3},
                                                  {.title = "CREATED", .leaves = 1},
                                                  {.title = "", .least = 20}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *job;
    size_t i;
    json_array_foreach((json_t *)jobs, i, job)
    {
        char accuracy[FORMAT_SIZE], created[FORMAT_SIZE], epochs[FORMAT_SIZE], detail[600];
        describe_job(job, detail, sizeof detail);
        describe_epochs(job, epochs, sizeof epochs);
        table_cell(&table, "%s", client_text_at(job, "/id"));
        table_cell(&table, "%s", client_text_at(job, "/state"));
        table_cell(&table, "%s", client_text_at(job, "/config/name"));
        table_cell(&table, "%s", epochs);
        table_cell(&table, "%s", client_percent_at(job, "/result/test_accuracy", accuracy));
        table_cell(&table, "%s", client_time_at(job, "/created_at", created));
        table_cell(&table, "%s", detail);
    }
    return table_print(&table, stdout);
}

/* ?status=…&limit=…, of what was given. */
static bool make_query(const struct client *client, const struct settings *settings, char *ret_query,
                       size_t size)
{
    const char *const given[][2] = {
        {"status", settings->status}, {"sweep", settings->sweep}, {"after", settings->after}};
    size_t used =
        (size_t)snprintf(ret_query, size, "?limit=%d%s", settings->limit, settings->all ? "&all=true" : "");
    for (size_t i = 0; i < ARRAY_LENGTH(given); i++) {
        if (!given[i][1])
            continue;
        if (!client_check_name(client, "a state or an id", given[i][1]))
            return false;
        used += (size_t)snprintf(ret_query + used, size - used, "&%s=%s", given[i][0], given[i][1]);
    }
    return true;
}

static int run_list(struct client *client, const void *context, char **arguments)
{
    (void)arguments;
    char query[400];
    json_t *page = NULL;
    if (!make_query(client, context, query, sizeof query))
        return EXIT_USAGE;
    int exit_code = client_get(client, &page, "/api/v1/jobs%s", query);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, page, &exit_code))
        return exit_code;
    const json_t *jobs = json_object_get(page, "data");
    size_t count = json_array_size(jobs);
    if (count == 0)
        puts("No jobs.");
    else if (print_jobs(jobs) != OK)
        exit_code = cli_failed(client_command(client), "no memory for the table");
    if (json_is_true(json_object_get(page, "has_more")))
        fprintf(stderr, "There are more: --after %s\n",
                client_text_at(json_array_get(jobs, count - 1), "/id"));
    json_decref(page);
    return exit_code;
}

/* ---- start --------------------------------------------------------------------------------------- */

static const char *const promotions[] = {"if_better", "always", "never", NULL};

static const struct option_spec start_specs[] = {
    {"name", OPTION_STRING, AT(name), "NAME", .help = "The model that it becomes a version of"},
    REQUEST_OPTIONS,
    TRAINING_OPTIONS,
    {"promotion", OPTION_CHOICE, AT(promotion), "WHEN",
     .help = "Whether production moves to the new version: if_better, always or never",
     .choices = promotions},
    {"priority", OPTION_INT, AT(priority), "N", .help = "Before jobs of a lower one",
     .min = -JOB_PRIORITY_MAX, .max = JOB_PRIORITY_MAX},
    {"watch", OPTION_FLAG, AT(watch), .help = "Watch it until it ends; Ctrl-C leaves it running"},
    CLIENT_OPTIONS,
};

static int run_start(struct client *client, const void *context, char **arguments)
{
    (void)arguments;
    const struct settings *settings = context;
    json_t *body = NULL, *job = NULL;
    int exit_code =
        request_from_options(client_command(client), &settings->request, &settings->training, &body);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    if (settings->name)
        json_object_set_new(body, "name", report_text(settings->name));
    json_object_set_new(body, "promotion", json_string(promotions[settings->promotion]));
    json_object_set_new(body, "priority", json_integer(settings->priority));
    exit_code = client_send_take(client, "POST", body, &job, "/api/v1/jobs");
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    char id[ITEM_ID_SIZE];
    snprintf(id, sizeof id, "%s", client_text_at(job, "/id"));
    if (settings->watch) {
        if (!settings->client.json)
            fprintf(stderr, "%s\n", id);
        json_decref(job);
        return job_watch(client, id);
    }
    if (items_print_json(client, job, &exit_code))
        return exit_code;
    printf("%s\n", id);
    json_decref(job);
    return EXIT_SUCCESS;
}

/* ---- show ---------------------------------------------------------------------------------------- */

static const struct option_spec plain_specs[] = {CLIENT_OPTIONS};

static void print_training(const json_t *training)
{
    const char *field;
    json_t *value;
    json_object_foreach((json_t *)training, field, value)
    {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        char name[40];
        snprintf(name, sizeof name, "  %s", field);
        client_print_field(name, "%s", json_is_string(value) ? json_string_value(value) : text ? text : "");
        free(text);
    }
}

/* As --dataset takes them: "mnist,mine:10". */
static void print_datasets(const json_t *config)
{
    char text[MIX_PARTS_MAX * (NAME_MAX_LENGTH + 8)];
    const json_t *part;
    size_t i, used = (size_t)snprintf(text, sizeof text, "%s", client_text_at(config, "/dataset"));
    json_array_foreach(json_object_get(config, "datasets"), i, part)
    {
        double repeat = client_number_at(part, "/repeat");
        used = i == 0 ? 0 : used;
        if (used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, repeat > 1 ? "%s%s:%.0f" : "%s%s",
                                     i ? "," : "", client_text_at(part, "/name"), repeat);
    }
    client_print_field("dataset", "%s", text);
}

static void print_job(const json_t *job)
{
    char created[FORMAT_SIZE], detail[600], epochs[FORMAT_SIZE], rate[FORMAT_SIZE];
    describe_job(job, detail, sizeof detail);
    describe_epochs(job, epochs, sizeof epochs);
    client_print_field("job", "%s", client_text_at(job, "/id"));
    client_print_field("state", "%s%s%s", client_text_at(job, "/state"), *detail ? ": " : "", detail);
    client_print_field("created", "%s", client_time_at(job, "/created_at", created));
    client_print_field("model", "%s", client_text_at(job, "/config/name"));
    print_datasets(client_at(job, "/config"));
    client_print_field("epochs", "%s", epochs);
    if (!isnan(client_number_at(job, "/progress/images_per_second")))
        client_print_field("images/s", "%s", client_count_at(job, "/progress/images_per_second", rate));
    if (client_at(job, "/result/test_accuracy")) {
        client_print_field("test", "%s, loss %.4f", client_percent_at(job, "/result/test_accuracy", rate),
                           client_number_at(job, "/result/test_loss"));
        client_print_field("time", "%s", client_duration_at(job, "/result/training_seconds", rate));
    }
    client_print_field("training", "%s", "");
    print_training(client_at(job, "/config/training"));
}

static enum status print_epochs(const json_t *epochs)
{
    static const struct table_column columns[] = {
        {.title = "EPOCH", .right = true},    {.title = "LOSS", .right = true},
        {.title = "ACCURACY", .right = true}, {.title = "VALIDATION LOSS", .right = true},
        {.title = "ACCURACY", .right = true}, {.title = "SECONDS", .right = true}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *epoch;
    size_t i;
    json_array_foreach((json_t *)epochs, i, epoch)
    {
        char train[FORMAT_SIZE], validation[FORMAT_SIZE];
        table_cell(&table, "%.0f", client_number_at(epoch, "/epoch"));
        table_cell(&table, "%.4f", client_number_at(epoch, "/train_loss"));
        table_cell(&table, "%s", client_percent_at(epoch, "/train_accuracy", train));
        table_cell(&table, "%.4f", client_number_at(epoch, "/validation_loss"));
        table_cell(&table, "%s", client_percent_at(epoch, "/validation_accuracy", validation));
        table_cell(&table, "%.1f", client_number_at(epoch, "/seconds"));
    }
    return table_print(&table, stdout);
}

static int run_show(struct client *client, const void *context, char **arguments)
{
    (void)context;
    char id[ITEM_ID_SIZE];
    json_t *job = NULL, *metrics = NULL;
    int exit_code = items_choose(client, &kind, arguments[0], id);
    if (exit_code == EXIT_SUCCESS)
        exit_code = client_get(client, &job, "/api/v1/jobs/%s", id);
    if (exit_code == EXIT_SUCCESS)
        exit_code = client_get(client, &metrics, "/api/v1/jobs/%s/metrics?max_points=2", id);
    const json_t *epochs = json_object_get(metrics, "epochs");
    if (exit_code == EXIT_SUCCESS && client_settings(client)->json) {
        json_object_set(job, "epochs", (json_t *)epochs);
        exit_code = cli_print_json_take(client_command(client), json_incref(job));
    } else if (exit_code == EXIT_SUCCESS) {
        print_job(job);
        if (json_array_size(epochs) > 0 && putchar('\n') && print_epochs(epochs) != OK)
            exit_code = cli_failed(client_command(client), "no memory for the table");
    }
    json_decref(metrics);
    json_decref(job);
    return exit_code;
}

/* ---- watch, pause, resume, cancel, delete, priority ---------------------------------------------- */

static int run_watch(struct client *client, const void *context, char **arguments)
{
    (void)context;
    char id[ITEM_ID_SIZE];
    int exit_code = items_choose(client, &kind, arguments[0], id);
    return exit_code == EXIT_SUCCESS ? job_watch(client, id) : exit_code;
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

static int run_priority(struct client *client, const void *context, char **arguments)
{
    (void)context;
    json_t *job = NULL;
    int64_t priority;
    if (!client_check_name(client, "a job's id", arguments[0]))
        return EXIT_USAGE;
    if (!input_parse_integer(arguments[1], -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, &priority)) {
        cli_failed(client_command(client), "\"%s\" is no whole number from %d to %d", arguments[1],
                   -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX);
        return EXIT_USAGE;
    }
    int exit_code = client_send_take(client, "POST", json_pack("{s:I}", "priority", (json_int_t)priority),
                                     &job, "/api/v1/jobs/%s/priority", arguments[0]);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, job, &exit_code))
        return exit_code;
    double position = client_number_at(job, "/position");
    printf("%s  priority %.0f, ", arguments[0], client_number_at(job, "/priority"));
    if (isnan(position)) /* it is paused, or its turn came just now */
        printf("%s\n", client_text_at(job, "/state"));
    else
        printf("number %.0f in the queue\n", position);
    json_decref(job);
    return EXIT_SUCCESS;
}

/* ---- The actions --------------------------------------------------------------------------------- */

#define OPTIONS_OF(table) .specs = table, .count = ARRAY_LENGTH(table)
#define ON_JOBS                                                                                              \
    .arguments = "[OPTION]... ID...", OPTIONS_OF(plain_specs), .min_arguments = 1, .max_arguments = -1

static const struct action actions[] = {
    {"list",
     run_list,
     "List jobs, the newest first",
     {.command = "jobs list",
      .arguments = "[OPTION]...",
      .about = "Lists jobs, the newest first.",
      OPTIONS_OF(list_specs)}},
    {"start",
     run_start,
     "Start a training",
     {.command = "jobs start",
      .arguments = "[OPTION]...",
      .about = "Starts a training on the server and prints its id. The options are those of\n"
               "'digitd train'; what is not given is the recipe's. With --watch the exit code is\n"
               "that of 'digitd jobs watch'.",
      OPTIONS_OF(start_specs)}},
    {"show",
     run_show,
     "Show a job and its epochs",
     {.command = "jobs show",
      .arguments = "[OPTION]... [ID]",
      .about = "Shows a job: without an id the one that runs, or else the newest.",
      OPTIONS_OF(plain_specs),
      .max_arguments = 1}},
    {"watch",
     run_watch,
     "Watch a job until it ends",
     {.command = "jobs watch",
      .arguments = "[OPTION]... [ID]",
      .about = "Shows the epochs of a job and a bar until it ends: without an id those of the\n"
               "job that runs, or else of the newest. Waits for a server that is restarted.\n"
               "Ctrl-C leaves the job running. With --json each event is a line.\n\n"
               "Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 cancelled or deleted,\n"
               "130 Ctrl-C.",
      OPTIONS_OF(plain_specs),
      .max_arguments = 1}},
    {"pause",
     run_pause,
     "Pause jobs, within one step",
     {.command = "jobs pause",
      .about = "Pauses jobs within one step. They keep their place in the training.",
      ON_JOBS}},
    {"resume",
     run_resume,
     "Let paused jobs go on",
     {.command = "jobs resume",
      .about = "Lets paused jobs go on, to the same weights as without a pause.",
      ON_JOBS}},
    {"cancel",
     run_cancel,
     "Cancel jobs, for good",
     {.command = "jobs cancel", .about = "Ends jobs for good, within one step.", ON_JOBS}},
    {"delete",
     run_delete,
     "Forget finished jobs",
     {.command = "jobs delete",
      .about = "Forgets finished jobs and their metrics. The versions that they made stay.",
      ON_JOBS}},
    {"priority",
     run_priority,
     "Move a waiting job ahead, or back",
     {.command = "jobs priority",
      .arguments = "[OPTION]... ID N",
      .about = "Gives a waiting job another priority, from -100 to 100: the highest runs first.\n"
               "A negative one comes after --.",
      OPTIONS_OF(plain_specs),
      .min_arguments = 2,
      .max_arguments = 2}},
};

static const struct settings defaults = {.client = {.server = CLIENT_DEFAULT_SERVER}, .limit = 20};

static const struct action_group group = {
    .command = "jobs",
    .about = "Starts, shows and steers training jobs of a running server (digitd serve).\n"
             "Without an action it lists them.",
    .actions = actions,
    .count = ARRAY_LENGTH(actions),
    .defaults = &defaults,
    .settings_size = sizeof defaults,
};

int cmd_jobs(int argc, char **argv)
{
    return actions_main(&group, argc, argv);
}
