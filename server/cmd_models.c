/* digitd models: the models of a running server, their versions and aliases. */
#include "server/actions.h"
#include "server/cli.h"
#include "server/client_items.h"
#include "server/client_json.h"
#include "server/commands.h"
#include "server/input.h"
#include "server/model_evaluation.h"
#include "server/names.h"
#include "server/table.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    struct client_settings client;
    const char *alias, *spec, *output, *dataset;
    int limit, format, split;
};

#define AT(member)     offsetof(struct settings, member)
#define LISTED_AT_MOST 1000

static int no_memory(const struct client *client)
{
    return cli_failed(client_command(client), "no memory for the table");
}

/* ---- Which version ------------------------------------------------------------------------------- */

/* A version as the command line names it: digits:3, digits:candidate, or digits for the one in production. */
struct reference {
    char model[NAME_MAX_LENGTH + 1];
    char alias[NAME_MAX_LENGTH + 1]; /* "" where a number was given */
    int version;
};

static int read_reference(struct client *client, const char *text, struct reference *ret_reference)
{
    struct reference reference = {.alias = "production"};
    const char *colon = strchr(text, ':'), *rest = colon ? colon + 1 : "production";
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    int64_t version = 0;
    if (length < sizeof reference.model)
        memcpy(reference.model, text, length);
    bool numbered = input_parse_integer(rest, 1, INT_MAX, &version);
    snprintf(reference.alias, sizeof reference.alias, "%s", numbered ? "" : rest);
    reference.version = (int)version;
    if (!name_is_valid(reference.model) || !name_is_valid(rest)) {
        cli_failed(client_command(client), "\"%s\" names no version: expected digits:3 or digits:ALIAS",
                   text);
        return EXIT_USAGE;
    }
    *ret_reference = reference;
    return EXIT_SUCCESS;
}

/* The same with the number that an alias stands for. */
static int find_version(struct client *client, const char *text, struct reference *ret_reference)
{
    json_t *model = NULL;
    int exit_code = read_reference(client, text, ret_reference);
    if (exit_code != EXIT_SUCCESS || ret_reference->version)
        return exit_code;
    exit_code = client_get(client, &model, "/api/v1/models/%s?limit=1", ret_reference->model);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    const json_t *aliases = json_object_get(model, "aliases");
    ret_reference->version = (int)json_integer_value(json_object_get(aliases, ret_reference->alias));
    if (ret_reference->version == 0)
        exit_code = cli_failed(client_command(client), "%s has no alias %s; name a version, as %s:1",
                               ret_reference->model, ret_reference->alias, ret_reference->model);
    json_decref(model);
    return exit_code;
}

/* The same where only a number will do. */
static int read_version(struct client *client, const char *text, struct reference *ret_reference)
{
    int exit_code = read_reference(client, text, ret_reference);
    if (exit_code != EXIT_SUCCESS || ret_reference->version)
        return exit_code;
    cli_failed(client_command(client), "\"%s\": expected a number behind the model's name, as digits:3",
               text);
    return EXIT_USAGE;
}

/* ---- list, show ---------------------------------------------------------------------------------- */

static const struct option_spec plain_specs[] = {CLIENT_OPTIONS};

/* "production 3, candidate 4" */
static void join_aliases(const json_t *aliases, char *ret_text, size_t size)
{
    const char *alias;
    json_t *version;
    size_t used = 0;
    ret_text[0] = '\0';
    json_object_foreach((json_t *)aliases, alias, version)
    {
        if (used < size)
            used += (size_t)snprintf(ret_text + used, size - used, "%s%s %lld", used ? ", " : "", alias,
                                     (long long)json_integer_value(version));
    }
}

static enum status print_models(const json_t *models)
{
    static const struct table_column columns[] = {{.title = "MODEL"},
                                                  {.title = "NEWEST", .right = true},
                                                  {.title = "CREATED", .leaves = 1},
                                                  {.title = "ALIASES", .least = 12}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *model;
    size_t i;
    json_array_foreach((json_t *)models, i, model)
    {
        char created[FORMAT_SIZE], aliases[512];
        join_aliases(json_object_get(model, "aliases"), aliases, sizeof aliases);
        table_cell(&table, "%s", client_text_at(model, "/name"));
        table_cell(&table, "%.0f", client_number_at(model, "/last_version"));
        table_cell(&table, "%s", client_time_at(model, "/created_at", created));
        table_cell(&table, "%s", aliases);
    }
    return table_print(&table, stdout);
}

static int run_list(struct client *client, const void *context, char **arguments)
{
    (void)context, (void)arguments;
    json_t *page = NULL;
    int exit_code = client_get(client, &page, "/api/v1/models?limit=%d", LISTED_AT_MOST);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, page, &exit_code))
        return exit_code;
    const json_t *models = json_object_get(page, "data");
    if (json_array_size(models) == 0)
        puts("No models.");
    else if (print_models(models) != OK)
        exit_code = no_memory(client);
    json_decref(page);
    return exit_code;
}

/* "production, candidate" */
static void join_texts(const json_t *texts, char *ret_text, size_t size)
{
    const json_t *text;
    size_t i, used = 0;
    ret_text[0] = '\0';
    json_array_foreach((json_t *)texts, i, text)
    {
        if (used < size)
            used += (size_t)snprintf(ret_text + used, size - used, "%s%s", used ? ", " : "",
                                     json_string_value(text));
    }
}

static enum status print_versions(const json_t *versions)
{
    static const struct table_column columns[] = {
        {.title = "VERSION", .right = true},    {.title = "TEST", .right = true},
        {.title = "VALIDATION", .right = true}, {.title = "PARAMETERS", .right = true, .leaves = 3},
        {.title = "CREATED", .leaves = 2},      {.title = "JOB", .leaves = 1},
        {.title = "ALIASES", .least = 12}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *version;
    size_t i;
    json_array_foreach((json_t *)versions, i, version)
    {
        char test[FORMAT_SIZE], validation[FORMAT_SIZE], parameters[FORMAT_SIZE], created[FORMAT_SIZE];
        char aliases[512];
        join_texts(json_object_get(version, "aliases"), aliases, sizeof aliases);
        table_cell(&table, "%.0f", client_number_at(version, "/version"));
        table_cell(&table, "%s", client_percent_at(version, "/metrics/test_accuracy", test));
        table_cell(&table, "%s", client_percent_at(version, "/metrics/validation_accuracy", validation));
        table_cell(&table, "%s", client_count_at(version, "/parameters", parameters));
        table_cell(&table, "%s", client_time_at(version, "/created_at", created));
        table_cell(&table, "%s", client_text_at(version, "/job"));
        table_cell(&table, "%s", aliases);
    }
    return table_print(&table, stdout);
}

static void print_version(const json_t *version)
{
    char text[FORMAT_SIZE], aliases[512];
    join_texts(json_object_get(version, "aliases"), aliases, sizeof aliases);
    client_print_field("version", "%s:%.0f", client_text_at(version, "/model"),
                       client_number_at(version, "/version"));
    client_print_field("aliases", "%s", *aliases ? aliases : CLIENT_NOTHING);
    client_print_field("created", "%s", client_time_at(version, "/created_at", text));
    client_print_field("job", "%s", client_text_at(version, "/job"));
    client_print_field("dataset", "%s", client_text_at(version, "/config/dataset"));
    client_print_field("test", "%s", client_percent_at(version, "/metrics/test_accuracy", text));
    client_print_field("validation", "%s", client_percent_at(version, "/metrics/validation_accuracy", text));
    client_print_field("training time", "%s", client_duration_at(version, "/metrics/training_seconds", text));
    client_print_field("parameters", "%s", client_count_at(version, "/parameters", text));
    client_print_field("size", "%s", client_bytes_at(version, "/file_bytes", text));
    client_print_field("weights", "%s", client_text_at(version, "/weights_digest"));
    client_print_field("trained on", "%s", client_text_at(version, "/dataset_digest"));
    client_print_field("made by", "digitd %s, core type %s", client_text_at(version, "/code_version"),
                       client_text_at(version, "/core_type"));
}

static int show_model(struct client *client, const char *name)
{
    json_t *model = NULL;
    int exit_code = client_get(client, &model, "/api/v1/models/%s?limit=%d", name, LISTED_AT_MOST);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, model, &exit_code))
        return exit_code;
    if (print_versions(json_object_get(model, "versions")) != OK)
        exit_code = no_memory(client);
    json_decref(model);
    return exit_code;
}

static int run_show(struct client *client, const void *context, char **arguments)
{
    (void)context;
    struct reference reference;
    json_t *version = NULL;
    if (!strchr(arguments[0], ':'))
        return client_check_name(client, "a model's name", arguments[0]) ? show_model(client, arguments[0])
                                                                         : EXIT_USAGE;
    int exit_code = find_version(client, arguments[0], &reference);
    if (exit_code == EXIT_SUCCESS)
        exit_code =
            client_get(client, &version, "/api/v1/models/%s/versions/%d", reference.model, reference.version);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, version, &exit_code))
        return exit_code;
    print_version(version);
    json_decref(version);
    return EXIT_SUCCESS;
}

/* ---- Aliases ------------------------------------------------------------------------------------- */

static const struct option_spec alias_specs[] = {
    {"alias", OPTION_STRING, AT(alias), "NAME", .help = "Which alias"},
    CLIENT_OPTIONS,
};

/* "production of digits  3 (before: 2)" */
static int print_move(struct client *client, const char *model, json_t *move)
{
    int exit_code = EXIT_SUCCESS;
    if (items_print_json(client, move, &exit_code))
        return exit_code;
    char version[FORMAT_SIZE], previous[FORMAT_SIZE];
    printf("%s of %s  %s (before: %s)\n", client_text_at(move, "/alias"), model,
           client_count_at(move, "/version", version), client_count_at(move, "/previous", previous));
    json_decref(move);
    return EXIT_SUCCESS;
}

static bool check_names(const struct client *client, const char *model, const char *alias)
{
    return client_check_name(client, "a model's name", model) && client_check_name(client, "an alias", alias);
}

static int run_use(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    struct reference reference;
    json_t *move = NULL;
    int exit_code = find_version(client, arguments[0], &reference);
    if (exit_code == EXIT_SUCCESS && !client_check_name(client, "an alias", settings->alias))
        exit_code = EXIT_USAGE;
    if (exit_code == EXIT_SUCCESS)
        exit_code = client_send_take(client, "PUT", json_pack("{s:i}", "version", reference.version), &move,
                                     "/api/v1/models/%s/aliases/%s", reference.model, settings->alias);
    return exit_code == EXIT_SUCCESS ? print_move(client, reference.model, move) : exit_code;
}

static int run_rollback(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    json_t *move = NULL;
    if (!check_names(client, arguments[0], settings->alias))
        return EXIT_USAGE;
    int exit_code = client_send_take(client, "POST", NULL, &move, "/api/v1/models/%s/aliases/%s/rollback",
                                     arguments[0], settings->alias);
    return exit_code == EXIT_SUCCESS ? print_move(client, arguments[0], move) : exit_code;
}

static int run_unalias(struct client *client, const void *context, char **arguments)
{
    (void)context;
    if (!check_names(client, arguments[0], arguments[1]))
        return EXIT_USAGE;
    int exit_code = client_send_take(client, "DELETE", NULL, NULL, "/api/v1/models/%s/aliases/%s",
                                     arguments[0], arguments[1]);
    if (exit_code == EXIT_SUCCESS && client_settings(client)->json)
        return cli_print_json_take(client_command(client),
                                   json_pack("{s:s, s:n}", "alias", arguments[1], "version"));
    if (exit_code == EXIT_SUCCESS)
        printf("%s of %s  removed\n", arguments[1], arguments[0]);
    return exit_code;
}

static const struct option_spec history_specs[] = {
    {"alias", OPTION_STRING, AT(alias), "NAME", .help = "Which alias"},
    {"limit", OPTION_INT, AT(limit), "N", .help = "So many moves at most", .min = 1, .max = 1000},
    CLIENT_OPTIONS,
};

static enum status print_history(const json_t *moves)
{
    static const struct table_column columns[] = {{.title = "TIME"},
                                                  {.title = "VERSION", .right = true},
                                                  {.title = "BEFORE", .right = true},
                                                  {.title = "BY"},
                                                  {.title = "JOB", .leaves = 1}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *move;
    size_t i;
    json_array_foreach((json_t *)moves, i, move)
    {
        char time[FORMAT_SIZE], version[FORMAT_SIZE], previous[FORMAT_SIZE];
        table_cell(&table, "%s", client_time_at(move, "/time", time));
        table_cell(&table, "%s", client_count_at(move, "/version", version));
        table_cell(&table, "%s", client_count_at(move, "/previous", previous));
        table_cell(&table, "%s", client_text_at(move, "/reason"));
        table_cell(&table, "%s", client_text_at(move, "/job"));
    }
    return table_print(&table, stdout);
}

static int run_history(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    json_t *page = NULL;
    if (!check_names(client, arguments[0], settings->alias))
        return EXIT_USAGE;
    int exit_code = client_get(client, &page, "/api/v1/models/%s/aliases/%s/history?limit=%d", arguments[0],
                               settings->alias, settings->limit);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, page, &exit_code))
        return exit_code;
    if (print_history(json_object_get(page, "data")) != OK)
        exit_code = no_memory(client);
    json_decref(page);
    return exit_code;
}

/* ---- delete, import, export ---------------------------------------------------------------------- */

static int delete_version(struct client *client, const char *text)
{
    struct reference reference;
    int exit_code = read_version(client, text, &reference);
    if (exit_code == EXIT_SUCCESS)
        exit_code = client_send_take(client, "DELETE", NULL, NULL, "/api/v1/models/%s/versions/%d",
                                     reference.model, reference.version);
    if (exit_code == EXIT_SUCCESS && client_settings(client)->json)
        return cli_print_json_take(client_command(client),
                                   json_pack("{s:s, s:i, s:b}", "model", reference.model, "version",
                                             reference.version, "deleted", true));
    if (exit_code == EXIT_SUCCESS)
        printf("%s:%d  deleted\n", reference.model, reference.version);
    return exit_code;
}

static int run_delete(struct client *client, const void *context, char **arguments)
{
    (void)context;
    int worst = EXIT_SUCCESS;
    for (; *arguments && !cli_interrupted(); arguments++) {
        int exit_code = delete_version(client, *arguments);
        worst = exit_code != EXIT_SUCCESS ? exit_code : worst;
    }
    return worst;
}

static const struct option_spec import_specs[] = {
    {"spec", OPTION_STRING, AT(spec), "FILE.json",
     .help = "The model that the weights belong to, for a file that does not say so itself"},
    CLIENT_OPTIONS,
};

static int run_import(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    json_t *version = NULL;
    if (!client_check_name(client, "a model's name", arguments[0]))
        return EXIT_USAGE;
    const struct client_file parts[] = {{"weights", arguments[1]}, {"spec", settings->spec}};
    int exit_code = client_upload(client, parts, settings->spec ? 2 : 1, &version,
                                  "/api/v1/models/%s/versions", arguments[0]);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, version, &exit_code))
        return exit_code;
    char parameters[FORMAT_SIZE];
    printf("%s:%.0f  %s parameters\n", arguments[0], client_number_at(version, "/version"),
           client_count_at(version, "/parameters", parameters));
    json_decref(version);
    return EXIT_SUCCESS;
}

static const char *const formats[] = {"safetensors", "onnx", NULL};
static const char *const files[] = {"weights.safetensors", "model.onnx"};

static const struct option_spec export_specs[] = {
    {"format", OPTION_CHOICE, AT(format), "NAME", .help = "safetensors or onnx", .choices = formats},
    {"output", OPTION_STRING, AT(output), "FILE",
     .help = "Where to write it, - for stdout (default: MODEL-VERSION and the format here)"},
    CLIENT_OPTIONS,
};

static int run_export(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    struct reference reference;
    char name[NAME_MAX_LENGTH + 32];
    int exit_code = find_version(client, arguments[0], &reference);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    snprintf(name, sizeof name, "%s-%d.%s", reference.model, reference.version, formats[settings->format]);
    const char *output = settings->output ? settings->output : name;
    exit_code = client_download(client, output, "/api/v1/models/%s/versions/%d/%s", reference.model,
                                reference.version, files[settings->format]);
    if (exit_code != EXIT_SUCCESS || strcmp(output, "-") == 0)
        return exit_code;
    if (settings->client.json)
        return cli_print_json_take(client_command(client),
                                   json_pack("{s:s, s:i, s:s}", "model", reference.model, "version",
                                             reference.version, "file", output));
    puts(output);
    return EXIT_SUCCESS;
}

/* ---- evaluation ---------------------------------------------------------------------------------- */

static const char *const splits[] = {"test", "train", NULL};

static const struct option_spec evaluation_specs[] = {
    {"dataset", OPTION_STRING, AT(dataset), "NAME",
     .help = "On this dataset instead of the one that it was trained on"},
    {"split", OPTION_CHOICE, AT(split), "NAME", .help = "Which of its images: test or train",
     .choices = splits},
    CLIENT_OPTIONS,
};

static int run_evaluation(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    struct reference reference;
    char dataset[NAME_MAX_LENGTH + 16] = "";
    json_t *evaluation = NULL;
    int exit_code = find_version(client, arguments[0], &reference);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    if (settings->dataset && !client_check_name(client, "a dataset's name", settings->dataset))
        return EXIT_USAGE;
    if (settings->dataset)
        snprintf(dataset, sizeof dataset, "&dataset=%s", settings->dataset);
    exit_code =
        client_get(client, &evaluation, "/api/v1/models/%s/versions/%d/evaluation?limit=20&split=%s%s",
                   reference.model, reference.version, splits[settings->split], dataset);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, evaluation, &exit_code))
        return exit_code;
    if (model_evaluation_print(evaluation) != OK)
        exit_code = no_memory(client);
    json_decref(evaluation);
    return exit_code;
}

/* ---- The actions --------------------------------------------------------------------------------- */

#define OPTIONS_OF(table) .specs = table, .count = ARRAY_LENGTH(table)
#define ONE_ARGUMENT      .min_arguments = 1, .max_arguments = 1
#define TWO_ARGUMENTS     .min_arguments = 2, .max_arguments = 2

static const struct action actions[] = {
    {"list",
     run_list,
     "List the models and their aliases",
     {.command = "models list",
      .arguments = "[OPTION]...",
      .about = "Lists the models of the server, and the version that each alias stands for.",
      OPTIONS_OF(plain_specs)}},
    {"show",
     run_show,
     "Show the versions of a model, or one of them",
     {.command = "models show",
      .arguments = "[OPTION]... NAME[:VERSION]",
      .about = "Shows the versions of a model, or one of them: NAME:3, or NAME:ALIAS.",
      OPTIONS_OF(plain_specs),
      ONE_ARGUMENT}},
    {"use",
     run_use,
     "Let an alias stand for a version",
     {.command = "models use",
      .arguments = "[OPTION]... NAME:VERSION",
      .about = "Lets an alias stand for a version. The alias production is what predictions use.",
      OPTIONS_OF(alias_specs),
      ONE_ARGUMENT}},
    {"rollback",
     run_rollback,
     "Move an alias back to where it was",
     {.command = "models rollback",
      .arguments = "[OPTION]... NAME",
      .about = "Moves an alias of a model back to the version that it stood for before.",
      OPTIONS_OF(alias_specs),
      ONE_ARGUMENT}},
    {"history",
     run_history,
     "Show when an alias was moved, and by whom",
     {.command = "models history",
      .arguments = "[OPTION]... NAME",
      .about = "Shows the moves of an alias, the newest first.",
      OPTIONS_OF(history_specs),
      ONE_ARGUMENT}},
    {"unalias",
     run_unalias,
     "Remove an alias",
     {.command = "models unalias",
      .arguments = "[OPTION]... NAME ALIAS",
      .about = "Removes an alias. The version that it stood for stays.",
      OPTIONS_OF(plain_specs),
      TWO_ARGUMENTS}},
    {"evaluation",
     run_evaluation,
     "Show what a version takes for what",
     {.command = "models evaluation",
      .arguments = "[OPTION]... NAME[:VERSION]",
      .about = "Shows how well a version (or the one in production, or NAME:ALIAS) knows the\n"
               "digits: confusion matrix, precision, recall, F1, and its worst mistakes.",
      OPTIONS_OF(evaluation_specs),
      ONE_ARGUMENT}},
    {"export",
     run_export,
     "Download a version as a file",
     {.command = "models export",
      .arguments = "[OPTION]... NAME[:VERSION]",
      .about = "Downloads a version: NAME:3, NAME:ALIAS, or of NAME the one in production.",
      OPTIONS_OF(export_specs),
      ONE_ARGUMENT}},
    {"import",
     run_import,
     "Make a file of weights a version",
     {.command = "models import",
      .arguments = "[OPTION]... NAME FILE.safetensors",
      .about = "Makes a file of weights the next version of a model. No alias moves.",
      OPTIONS_OF(import_specs),
      TWO_ARGUMENTS}},
    {"delete",
     run_delete,
     "Delete versions",
     {.command = "models delete",
      .arguments = "[OPTION]... NAME:VERSION...",
      .about = "Deletes versions for good. One that an alias stands for is refused.",
      OPTIONS_OF(plain_specs),
      .min_arguments = 1,
      .max_arguments = -1}},
};

static const struct settings defaults = {
    .client = {.server = CLIENT_DEFAULT_SERVER}, .alias = "production", .limit = 20};

static const struct action_group group = {
    .command = "models",
    .about = "Shows and manages the models of a running server (digitd serve): their versions,\n"
             "and the aliases that stand for one. Without an action it lists them.",
    .actions = actions,
    .count = ARRAY_LENGTH(actions),
    .defaults = &defaults,
    .settings_size = sizeof defaults,
};

int cmd_models(int argc, char **argv)
{
    return actions_main(&group, argc, argv);
}
