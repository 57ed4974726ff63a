#include "server/cli.h"
#include "server/commands.h"
#include "server/format.h"
#include "server/report.h"

#include <stdlib.h>

struct settings {
    const char *preset, *model;
    int threads, batch_size;
    bool json;
};

#define AT(member) offsetof(struct settings, member)

static const struct option_spec specs[] = {
    {"preset", OPTION_STRING, AT(preset), "NAME", .help = "reference, reference_dropout, small or large"},
    {"model", OPTION_STRING, AT(model), "FILE.json", .help = "A model of your own, as the HTTP API takes it"},
    {"batch-size", OPTION_INT, AT(batch_size), "N", .help = "Images a training step", .min = 1, .max = 1024},
    {"threads", OPTION_INT, AT(threads), "N",
     .help = "Threads that training would use (default: one a processor)", .min = 1, .max = 256},
    {"json", OPTION_FLAG, AT(json), .help = "Print a JSON object"},
};
static const struct options options = {
    .command = "describe",
    .arguments = "[OPTION]... [FILE.safetensors]",
    .about = "Shows the layers of a model: output shape (height x width x channels), parameters,\n"
             "multiply-adds of one image; and the memory that training it takes. The model is a\n"
             "preset, a description in JSON, or a saved file.",
    .specs = specs,
    .count = ARRAY_LENGTH(specs),
    .max_arguments = 1,
};

static int read_plan(const struct settings *settings, const char *file, struct model_plan *ret_plan)
{
    struct model *model = NULL;
    struct error err;
    if (!file)
        return cli_read_plan(options.command, settings->preset, settings->model, ret_plan);
    if (settings->preset || settings->model)
        return options_wrong(&options, "give a file, --preset or --model, only one of them");
    if (model_load(file, &model, &err) != OK)
        return cli_failed_with(options.command, &err);
    *ret_plan = *model_plan_of(model);
    model_unref(model);
    return EXIT_SUCCESS;
}

static json_t *describe_json(const struct model_plan *plan, size_t weights, size_t training,
                             const struct settings *settings)
{
    json_t *json = report_plan_json(plan);
    json_t *memory =
        json_pack("{s:I, s:{s:I, s:i, s:i}}", "weights_bytes", (json_int_t)weights, "training", "bytes",
                  (json_int_t)training, "threads", settings->threads, "batch_size", settings->batch_size);
    if (json_object_set_new(json, "memory", memory) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

int cmd_describe(int argc, char **argv)
{
    struct settings settings = {.batch_size = train_config_default().batch_size};
    int first;
    int exit_code = options_parse(&options, argc, argv, &settings, &first);
    if (exit_code != OPTIONS_PARSED)
        return exit_code;
    struct model_plan plan;
    exit_code = read_plan(&settings, first < argc ? argv[first] : NULL, &plan);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;

    struct train_config config = train_config_default();
    config.batch_size = settings.batch_size;
    settings.threads = settings.threads > 0 ? settings.threads : cpu_count();
    size_t weights = plan.parameters * sizeof(float);
    size_t training = trainer_memory(&plan, &config, settings.threads);
    if (settings.json)
        return cli_print_json_take(options.command, describe_json(&plan, weights, training, &settings));
    char text[FORMAT_SIZE];
    report_layers(stdout, &plan);
    printf("\nWeights:  %s\n", format_bytes((double)weights, text));
    printf("Training: %s with %d thread%s and batches of %d, beside the images\n",
           format_bytes((double)training, text), settings.threads, settings.threads == 1 ? "" : "s",
           settings.batch_size);
    return EXIT_SUCCESS;
}
