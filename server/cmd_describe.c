#include "server/cli.h"
#include "server/commands.h"
#include "server/forecast.h"
#include "server/format.h"
#include "server/report.h"
#include "server/training_options.h"

#include <stdlib.h>

struct settings {
    const char *preset, *model;
    struct training_options training;
    int threads;
    int64_t images;
    bool time, json;
};

#define AT(member) offsetof(struct settings, member)

static const struct option_spec specs[] = {
    {"preset", OPTION_STRING, AT(preset), "NAME",
     .help = "Another model than the recipe's: reference, reference_dropout, small or large"},
    {"model", OPTION_STRING, AT(model), "FILE.json", .help = "A model of your own, as the HTTP API takes it"},
    TRAINING_OPTIONS,
    {"threads", OPTION_INT, AT(threads), "N",
     .help = "Threads that training would use (default: one a processor)", .min = 1, .max = 256},
    {"time", OPTION_FLAG, AT(time), .help = "Train for a second, and tell how long all of it would take"},
    {"images", OPTION_INT64, AT(images), "N",
     .help = "Training images that --time reckons with, and a sixth as many to test", .min = 1, .max = 1e8},
    {"json", OPTION_FLAG, AT(json), .help = "Print a JSON object"},
};
static const struct options options = {
    .command = "describe",
    .arguments = "[OPTION]... [FILE.safetensors]",
    .about = "Shows the layers of a model: output shape (height x width x channels), parameters,\n"
             "multiply-adds of one image; and the memory that training it takes. The model is that\n"
             "of a recipe, a preset, a description in JSON, or a saved file. With options of train,\n"
             "shows the recipe that they make.",
    .specs = specs,
    .count = ARRAY_LENGTH(specs),
    .max_arguments = 1,
};

/* What there is to tell. */
struct description {
    struct model_plan plan;
    struct train_config config;
    size_t weights, training; /* bytes */
    int threads;
    bool timed;
    struct forecast forecast;
};

static int read_plan(const struct settings *settings, const char *file, const struct model_spec *recipe,
                     struct model_plan *ret_plan)
{
    struct model *model = NULL;
    struct error err;
    if (!file)
        return cli_read_plan(options.command, settings->preset, settings->model, recipe, ret_plan);
    if (settings->preset || settings->model)
        return options_wrong(&options, "give a file, --preset or --model, only one of them");
    if (model_load(file, &model, &err) != OK)
        return cli_failed_with(options.command, &err);
    *ret_plan = *model_plan_of(model);
    model_unref(model);
    return EXIT_SUCCESS;
}

static enum status measure_time(const struct settings *settings, struct description *description,
                                struct error *err)
{
    struct thread_team *team;
    enum status status = cli_start_engine(settings->threads, &team, err);
    if (status != OK)
        return status;
    status = forecast_training(&description->plan, &description->config, settings->images,
                               settings->images / 6, team, &description->forecast, err);
    thread_team_free(team);
    description->timed = status == OK;
    return status;
}

static json_t *describe_json(const struct description *description)
{
    json_t *json = report_plan_json(&description->plan);
    json_t *memory = json_pack("{s:I, s:{s:I, s:i, s:i}}", "weights_bytes", (json_int_t)description->weights,
                               "training", "bytes", (json_int_t)description->training, "threads",
                               description->threads, "batch_size", description->config.batch_size);
    json_t *time = !description->timed
                       ? json_null()
                       : json_pack("{s:f, s:f}", "images_per_second", description->forecast.images_per_second,
                                   "seconds", description->forecast.seconds);
    json_t *more = json_pack("{s:o, s:o, s:o}", "memory", memory, "training",
                             train_config_to_json(&description->config), "time", time);
    if (json && json_object_update_new(json, more) == 0)
        return json;
    json_decref(json);
    return NULL;
}

static void print_description(const struct description *description, bool with_training)
{
    char text[FORMAT_SIZE], rate[FORMAT_SIZE];
    const char *plural = description->threads == 1 ? "" : "s";
    report_layers(stdout, &description->plan);
    putchar('\n');
    if (with_training) {
        report_training(stdout, &description->config);
        putchar('\n');
    }
    printf("Weights:  %s\n", format_bytes((double)description->weights, text));
    printf("Training: %s with %d thread%s and batches of %d, beside the images\n",
           format_bytes((double)description->training, text), description->threads, plural,
           description->config.batch_size);
    if (description->timed)
        printf("Time:     about %s for %d epoch%s and the test: %s images/s with %d thread%s\n",
               format_duration(description->forecast.seconds, text), description->config.epochs,
               description->config.epochs == 1 ? "" : "s",
               format_count(description->forecast.images_per_second, rate), description->threads, plural);
}

int cmd_describe(int argc, char **argv)
{
    struct settings settings = {.images = 60000};
    struct description description = {0};
    struct model_spec recipe;
    struct error err;
    int first;
    int exit_code = options_parse(&options, argc, argv, &settings, &first);
    if (exit_code != OPTIONS_PARSED)
        return exit_code;
    exit_code = training_options_read(options.command, &settings.training, &recipe, &description.config);
    if (exit_code == EXIT_SUCCESS)
        exit_code = read_plan(&settings, first < argc ? argv[first] : NULL, &recipe, &description.plan);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;

    description.threads = settings.threads > 0 ? settings.threads : cpu_count();
    description.weights = description.plan.parameters * sizeof(float);
    description.training = trainer_memory(&description.plan, &description.config, description.threads);
    if (settings.time && measure_time(&settings, &description, &err) != OK)
        return cli_failed_with(options.command, &err);
    if (settings.json)
        return cli_print_json_take(options.command, describe_json(&description));
    print_description(&description, training_options_given(&settings.training));
    return EXIT_SUCCESS;
}
