#include "server/client_request.h"

#include "server/cli.h"
#include "server/input.h"
#include "server/report.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_FILE_LIMIT ((size_t)1 << 20)

static int read_model(const char *command, const char *file, json_t **ret_json)
{
    struct error err;
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (cli_read_file(file, MODEL_FILE_LIMIT, &bytes, &size, &err) != OK)
        return cli_failed_with(command, &err);
    enum status status = input_json_parse(bytes, size, ret_json, &err);
    free(bytes);
    return status == OK ? EXIT_SUCCESS : cli_failed(command, "%s: %s", file, err.message);
}

static int add_model(const char *command, const struct request_options *request, json_t *json)
{
    json_t *model = NULL;
    int exit_code = EXIT_SUCCESS;
    if (request->preset && request->model) {
        cli_failed(command, "give --preset or --model, not both");
        return EXIT_USAGE;
    }
    if (request->preset)
        model = json_pack("{s:o}", "preset", report_text(request->preset));
    else if (request->model)
        exit_code = read_model(command, request->model, &model);
    if (model)
        json_object_set_new(json, "model", model);
    return exit_code;
}

/* "digits:3" */
static int add_origin(const char *command, const char *origin, json_t *json)
{
    const char *colon = origin ? strrchr(origin, ':') : NULL;
    int64_t version;
    if (!origin)
        return EXIT_SUCCESS;
    if (!colon || !input_parse_integer(colon + 1, 1, INT_MAX, &version)) {
        cli_failed(command, "--init-from: expected a model and its version, as digits:3, found \"%s\"",
                   origin);
        return EXIT_USAGE;
    }
    char *name = strndup(origin, (size_t)(colon - origin));
    json_object_set_new(
        json, "init_from",
        json_pack("{s:o, s:I}", "model", name ? report_text(name) : NULL, "version", (json_int_t)version));
    free(name);
    return EXIT_SUCCESS;
}

/* "mine:10", or a name alone: a part of a mix. */
static int add_part(const char *command, char *text, json_t *list)
{
    int64_t repeat = 1;
    char *colon = strchr(text, ':');
    if (colon)
        *colon = '\0';
    if (*text == '\0' || (colon && !input_parse_integer(colon + 1, 1, MIX_REPEAT_MAX, &repeat))) {
        cli_failed(command,
                   "--dataset: expected names, each with 1 to %d repetitions of its images if need be, as "
                   "mnist,mine:10, found \"%s%s%s\"",
                   MIX_REPEAT_MAX, text, colon ? ":" : "", colon ? colon + 1 : "");
        return EXIT_USAGE;
    }
    json_array_append_new(list,
                          json_pack("{s:o, s:I}", "name", report_text(text), "repeat", (json_int_t)repeat));
    return EXIT_SUCCESS;
}

/* "mnist", or "mnist,mine:10" */
static int add_datasets(const char *command, const char *names, json_t *json)
{
    if (!names || !strpbrk(names, ",:"))
        return names && json_object_set_new(json, "dataset", report_text(names))
                   ? cli_failed(command, "no memory for the request")
                   : EXIT_SUCCESS;
    json_t *list = json_array();
    char *copy = strdup(names), *rest = copy, *text;
    int exit_code = copy ? EXIT_SUCCESS : cli_failed(command, "no memory for the request");
    while (exit_code == EXIT_SUCCESS && (text = strsep(&rest, ",")))
        exit_code = add_part(command, text, list);
    free(copy);
    json_object_set_new(json, "datasets", list);
    return exit_code;
}

int request_from_options(const char *command, const struct request_options *request,
                         const struct training_options *training, json_t **ret_json)
{
    json_t *json = json_object(), *given = training_options_to_json(training);
    int exit_code = json && given ? EXIT_SUCCESS : cli_failed(command, "no memory for the request");
    if (exit_code == EXIT_SUCCESS && json_object_size(given) > 0)
        json_object_set(json, "training", given);
    json_decref(given);
    if (exit_code == EXIT_SUCCESS && training->recipe)
        json_object_set_new(json, "recipe", report_text(training->recipe));
    if (exit_code == EXIT_SUCCESS)
        exit_code = add_datasets(command, request->dataset, json);
    if (exit_code == EXIT_SUCCESS)
        exit_code = add_model(command, request, json);
    if (exit_code == EXIT_SUCCESS)
        exit_code = add_origin(command, request->init_from, json);
    if (exit_code == EXIT_SUCCESS)
        *ret_json = json;
    else
        json_decref(json);
    return exit_code;
}
