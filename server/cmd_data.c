/* digitd data: the datasets of a running server, and labelled drawings of one's own. */
#include "server/actions.h"
#include "server/cli.h"
#include "server/client_items.h"
#include "server/client_json.h"
#include "server/commands.h"
#include "server/input.h"
#include "server/table.h"

#include <stdlib.h>

struct settings {
    struct client_settings client;
    const char *label, *after;
    int limit, mode;
};

#define AT(member) offsetof(struct settings, member)
#define CLASS_MAX  9

static const struct item_kind kind = {"/api/v1/datasets", "dataset"};

/* ---- list, samples ------------------------------------------------------------------------------- */

static const struct option_spec plain_specs[] = {CLIENT_OPTIONS};

static enum status print_datasets(const json_t *datasets)
{
    static const struct table_column columns[] = {{.title = "DATASET"},
                                                  {.title = "TRAIN", .right = true},
                                                  {.title = "TEST", .right = true},
                                                  {.title = "", .least = 20}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *dataset;
    size_t i;
    json_array_foreach((json_t *)datasets, i, dataset)
    {
        char train[FORMAT_SIZE], test[FORMAT_SIZE];
        const char *fault = json_string_value(json_object_get(dataset, "error"));
        bool own = json_is_true(json_object_get(dataset, "own"));
        table_cell(&table, "%s", client_text_at(dataset, "/name"));
        table_cell(&table, "%s", client_count_at(dataset, "/train/images", train));
        table_cell(&table, "%s", client_count_at(dataset, "/test/images", test));
        table_cell(&table, "%s", fault ? fault : own ? "own" : "");
    }
    return table_print(&table, stdout);
}

static int print_page(struct client *client, json_t *page, const char *none,
                      enum status (*print)(const json_t *data))
{
    int exit_code = EXIT_SUCCESS;
    if (items_print_json(client, page, &exit_code))
        return exit_code;
    const json_t *data = json_object_get(page, "data");
    if (json_array_size(data) == 0)
        puts(none);
    else if (print(data) != OK)
        exit_code = cli_failed(client_command(client), "no memory for the table");
    json_decref(page);
    return exit_code;
}

static int run_list(struct client *client, const void *context, char **arguments)
{
    (void)context, (void)arguments;
    json_t *page = NULL;
    int exit_code = client_get(client, &page, "/api/v1/datasets");
    return exit_code == EXIT_SUCCESS ? print_page(client, page, "No datasets.", print_datasets) : exit_code;
}

static const struct option_spec samples_specs[] = {
    {"label", OPTION_STRING, AT(label), "DIGIT", .help = "Only those of this digit"},
    {"limit", OPTION_INT, AT(limit), "N", .help = "So many at most", .min = 1, .max = 1000},
    {"after", OPTION_STRING, AT(after), "SAMPLE", .help = "Those older than this one"},
    CLIENT_OPTIONS,
};

static enum status print_samples(const json_t *samples)
{
    static const struct table_column columns[] = {
        {.title = "SAMPLE", .right = true}, {.title = "LABEL", .right = true}, {.title = "CREATED"}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *sample;
    size_t i;
    json_array_foreach((json_t *)samples, i, sample)
    {
        char created[FORMAT_SIZE];
        table_cell(&table, "%.0f", client_number_at(sample, "/id"));
        table_cell(&table, "%.0f", client_number_at(sample, "/label"));
        table_cell(&table, "%s", client_time_at(sample, "/created_at", created));
    }
    return table_print(&table, stdout);
}

static int run_samples(struct client *client, const void *context, char **arguments)
{
    const struct settings *settings = context;
    char query[160] = "";
    size_t used = 0;
    json_t *page = NULL;
    if (!client_check_name(client, "a dataset's name", arguments[0]) ||
        (settings->label && !client_check_name(client, "a digit", settings->label)) ||
        (settings->after && !client_check_name(client, "a sample's number", settings->after)))
        return EXIT_USAGE;
    if (settings->label)
        used = (size_t)snprintf(query, sizeof query, "&label=%s", settings->label);
    if (settings->after)
        snprintf(query + used, sizeof query - used, "&after=%s", settings->after);
    int exit_code = client_get(client, &page, "%s/%s/samples?limit=%d%s", kind.path, arguments[0],
                               settings->limit, query);
    return exit_code == EXIT_SUCCESS ? print_page(client, page, "No samples.", print_samples) : exit_code;
}

/* ---- add ----------------------------------------------------------------------------------------- */

static const char *const modes[] = {"auto", "raw", "drawing", NULL};

static const struct option_spec add_specs[] = {
    {"mode", OPTION_CHOICE, AT(mode), "MODE",
     .help = "raw: take 28x28 pictures as they are; drawing: find the ink, scale and centre it",
     .choices = modes},
    CLIENT_OPTIONS,
};

static int add(struct client *client, const struct settings *settings, const char *name, int label,
               const char *file)
{
    json_t *sample = NULL;
    int exit_code =
        client_upload(client, &(struct client_file){"image", file}, 1, &sample,
                      "%s/%s/samples?label=%d&mode=%s", kind.path, name, label, modes[settings->mode]);
    if (exit_code != EXIT_SUCCESS)
        cli_failed(client_command(client), "%s was not added", file);
    if (exit_code != EXIT_SUCCESS || items_print_json(client, sample, &exit_code))
        return exit_code;
    printf("%s  sample %.0f, a %d: %.0f in all\n", name, client_number_at(sample, "/id"), label,
           client_number_at(sample, "/count"));
    json_decref(sample);
    return EXIT_SUCCESS;
}

static int run_add(struct client *client, const void *context, char **arguments)
{
    int64_t label;
    int worst = EXIT_SUCCESS;
    if (!client_check_name(client, "a dataset's name", arguments[0]))
        return EXIT_USAGE;
    if (!input_parse_integer(arguments[1], 0, CLASS_MAX, &label)) {
        cli_failed(client_command(client), "\"%s\" is no digit from 0 to 9", arguments[1]);
        return EXIT_USAGE;
    }
    for (char **file = arguments + 2; *file && !cli_interrupted(); file++) {
        int exit_code = add(client, context, arguments[0], (int)label, *file);
        worst = exit_code != EXIT_SUCCESS ? exit_code : worst;
    }
    return worst;
}

/* ---- import -------------------------------------------------------------------------------------- */

static void print_rejected(const struct client *client, const json_t *answer)
{
    const json_t *list = json_object_get(answer, "rejected"), *one;
    size_t i;
    json_array_foreach((json_t *)list, i, one) cli_failed(
        client_command(client), "%s %s", client_text_at(one, "/name"), client_text_at(one, "/detail"));
    double more = client_number_at(answer, "/rejected_count") - (double)json_array_size(list);
    if (more > 0)
        cli_failed(client_command(client), "and %.0f more", more);
}

/* An archive, or a pair of IDX files. */
static int import(struct client *client, const struct settings *settings, char **arguments,
                  json_t **ret_answer)
{
    const char *name = arguments[0], *first = arguments[1], *second = arguments[2],
               *mode = modes[settings->mode];
    const struct client_file pair[] = {{"images", first}, {"labels", second}};
    if (second)
        return client_upload(client, pair, 2, ret_answer, "%s/%s/samples?mode=%s", kind.path, name, mode);
    return client_send_file(client, "application/zip", first, ret_answer, "%s/%s/samples?mode=%s", kind.path,
                            name, mode);
}

static int run_import(struct client *client, const void *context, char **arguments)
{
    json_t *answer = NULL;
    char added[FORMAT_SIZE], count[FORMAT_SIZE];
    if (!client_check_name(client, "a dataset's name", arguments[0]))
        return EXIT_USAGE;
    int exit_code = import(client, context, arguments, &answer);
    if (exit_code != EXIT_SUCCESS)
        cli_failed(client_command(client), "nothing was added");
    if (exit_code != EXIT_SUCCESS || items_print_json(client, answer, &exit_code))
        return exit_code;
    print_rejected(client, answer);
    printf("%s  %s added: %s in all\n", arguments[0], client_count_at(answer, "/added", added),
           client_count_at(answer, "/count", count));
    exit_code = client_number_at(answer, "/rejected_count") > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    json_decref(answer);
    return exit_code;
}

/* ---- remove, delete ------------------------------------------------------------------------------ */

static int run_remove(struct client *client, const void *context, char **arguments)
{
    (void)context;
    char path[128];
    if (!client_check_name(client, "a dataset's name", arguments[0]))
        return EXIT_USAGE;
    snprintf(path, sizeof path, "%s/%s/samples", kind.path, arguments[0]);
    return items_delete(client, &(struct item_kind){path, "sample"}, arguments + 1);
}

static int run_delete(struct client *client, const void *context, char **arguments)
{
    (void)context;
    return items_delete(client, &kind, arguments);
}

/* ---- The actions --------------------------------------------------------------------------------- */

#define OPTIONS_OF(table) .specs = table, .count = ARRAY_LENGTH(table)

static const struct action actions[] = {
    {"list",
     run_list,
     "List what can be trained on",
     {.command = "data list",
      .arguments = "[OPTION]...",
      .about = "Lists the datasets of the server, and what is wrong with one that cannot be read.",
      OPTIONS_OF(plain_specs)}},
    {"add",
     run_add,
     "Add labelled drawings to data of your own",
     {.command = "data add",
      .arguments = "[OPTION]... NAME DIGIT FILE.png...",
      .about = "Adds pictures of a digit to a dataset of your own, which the first one makes.\n"
               "'digitd jobs start --dataset NAME' trains on it, '--dataset mnist,NAME:10' on a\n"
               "mix.",
      OPTIONS_OF(add_specs),
      .min_arguments = 3,
      .max_arguments = -1}},
    {"import",
     run_import,
     "Add many at once, from an archive or from MNIST's form",
     {.command = "data import",
      .arguments = "[OPTION]... NAME FILE.zip | NAME IMAGES LABELS",
      .about = "Adds to a dataset of your own what is in a ZIP archive of PNGs in folders 0 to\n"
               "9, or in two IDX files as MNIST's, plain or gzipped: images of 28x28 and their\n"
               "labels. Files of an archive that hold no digit are named and left out; then the\n"
               "exit code is 1.",
      OPTIONS_OF(add_specs),
      .min_arguments = 2,
      .max_arguments = 3}},
    {"samples",
     run_samples,
     "List the drawings of a dataset of your own",
     {.command = "data samples",
      .arguments = "[OPTION]... NAME",
      .about = "Lists the drawings of a dataset of your own, the newest first.",
      OPTIONS_OF(samples_specs),
      .min_arguments = 1,
      .max_arguments = 1}},
    {"remove",
     run_remove,
     "Remove drawings from it",
     {.command = "data remove",
      .arguments = "[OPTION]... NAME SAMPLE...",
      .about = "Removes drawings from a dataset of your own, by their numbers.",
      OPTIONS_OF(plain_specs),
      .min_arguments = 2,
      .max_arguments = -1}},
    {"delete",
     run_delete,
     "Delete datasets of your own",
     {.command = "data delete",
      .arguments = "[OPTION]... NAME...",
      .about = "Deletes datasets of your own for good. Versions that were trained on them stay.",
      OPTIONS_OF(plain_specs),
      .min_arguments = 1,
      .max_arguments = -1}},
};

static const struct settings defaults = {.client = {.server = CLIENT_DEFAULT_SERVER}, .limit = 20};

static const struct action_group group = {
    .command = "data",
    .about = "Shows the datasets of a running server (digitd serve), and keeps labelled drawings\n"
             "of your own there. Without an action it lists the datasets.",
    .actions = actions,
    .count = ARRAY_LENGTH(actions),
    .defaults = &defaults,
    .settings_size = sizeof defaults,
};

int cmd_data(int argc, char **argv)
{
    return actions_main(&group, argc, argv);
}
