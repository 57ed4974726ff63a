#include "server/cli.h"
#include "server/clock.h"
#include "server/commands.h"
#include "server/format.h"
#include "server/meter.h"
#include "server/report.h"
#include "server/training_options.h"

#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Options ------------------------------------------------------------------------------------- */

struct settings {
    const char *dataset, *data_dir, *preset, *model, *init_from, *output, *checkpoint;
    struct training_options training;
    int threads;
    bool resume, json;
};

#define AT(member) offsetof(struct settings, member)

static const struct option_spec specs[] = {
    {"dataset", OPTION_STRING, AT(dataset), "NAME",
     .help = "What to train on: a folder of the data directory"},
    {"data-dir", OPTION_STRING, AT(data_dir), "DIR", .help = "Where the datasets are, a folder each"},
    {"preset", OPTION_STRING, AT(preset), "NAME",
     .help = "Another model than the recipe's: reference, reference_dropout, small or large"},
    {"model", OPTION_STRING, AT(model), "FILE.json", .help = "A model of your own, as the HTTP API takes it"},
    {"init-from", OPTION_STRING, AT(init_from), "FILE.safetensors",
     .help = "Train this saved model further instead of a new one"},
    TRAINING_OPTIONS,
    {"threads", OPTION_INT, AT(threads), "N", .help = "Threads to use (default: one a processor)", .min = 1,
     .max = 256},
    {"output", OPTION_STRING, AT(output), "FILE", .help = "Where to save the model"},
    {"checkpoint", OPTION_STRING, AT(checkpoint), "FILE",
     .help = "Keep the run here after each epoch and on Ctrl-C, until it is done"},
    {"resume", OPTION_FLAG, AT(resume),
     .help = "Go on from the checkpoint, to the same bytes as without a break"},
    {"json", OPTION_FLAG, AT(json), .help = "Print the result as a JSON object"},
};
static const struct options options = {
    .command = "train",
    .arguments = "[OPTION]...",
    .about = "Trains a model, evaluates it on the test set and saves it. Progress goes to stderr,\n"
             "the result to stdout. Ctrl-C stops between two steps. 'digitd describe' with the same\n"
             "options shows the model and the recipe, and how long it would take.",
    .specs = specs,
    .count = ARRAY_LENGTH(specs),
};

/* ---- The run ------------------------------------------------------------------------------------- */

struct run {
    const struct settings *settings;
    struct model_plan plan;
    struct train_config config;
    struct dataset *train, *test;
    struct thread_team *team;
    struct trainer *trainer;
    struct model *origin; /* of --init-from */
    struct model *model;  /* when trained */
    struct evaluation evaluation;
    struct calibration calibration;
    struct progress progress;
    struct meter meter;
    json_t *epochs; /* report_epoch_json's, those of this process */
    double started;
};

static void run_clear(struct run *run)
{
    model_unref(run->model);
    model_unref(run->origin);
    trainer_free(run->trainer);
    thread_team_free(run->team);
    dataset_unref(run->test);
    dataset_unref(run->train);
    json_decref(run->epochs);
}

/* Finds out in time what would spoil the end of a long run. */
static enum status check_files(const struct settings *settings, struct error *err)
{
    if (!settings->resume && settings->checkpoint && access(settings->checkpoint, F_OK) == 0)
        return error_set(err, ERR_ARGUMENT,
                         "%s holds an earlier run: give --resume to go on with it, or remove the file",
                         settings->checkpoint);
    const char *const files[] = {settings->output, settings->checkpoint};
    for (size_t i = 0; i < ARRAY_LENGTH(files) && files[i]; i++) {
        char *copy = strdup(files[i]);
        if (!copy)
            return error_set(err, ERR_MEMORY, "no memory");
        const char *folder = dirname(copy);
        enum status status = OK;
        if (access(folder, W_OK | X_OK) != 0)
            status = error_set_errno(err, "%s: cannot write to %s", files[i], folder);
        free(copy);
        if (status != OK)
            return status;
    }
    return OK;
}

static bool specs_equal(const struct model_spec *a, const struct model_spec *b)
{
    json_t *left = model_spec_to_json(a), *right = model_spec_to_json(b);
    bool equal = json_equal(left, right);
    json_decref(right);
    json_decref(left);
    return equal;
}

/* A continued run keeps its recipe: options that ask for another one are refused, not ignored. */
static enum status resume(struct run *run, struct error *err)
{
    const struct settings *settings = run->settings;
    struct model *model = NULL;
    enum status status = trainer_load(settings->checkpoint, run->train, run->team, &run->trainer, err);
    if (status == OK)
        status = trainer_snapshot(run->trainer, &model, err);
    if (status != OK)
        return status;
    const struct train_config *config = trainer_config(run->trainer);
    const struct model_plan *plan = model_plan_of(model);
    bool model_asked_for = settings->preset || settings->model || run->origin || settings->training.recipe;
    const char *conflict = training_options_conflict(&settings->training, &run->config, config);
    if (conflict)
        status = error_set(err, ERR_ARGUMENT, "%s was made with another --%s; leave it out to go on",
                           settings->checkpoint, conflict);
    else if (model_asked_for && !specs_equal(&plan->spec, &run->plan.spec))
        status = error_set(err, ERR_ARGUMENT, "%s holds another model than the one asked for",
                           settings->checkpoint);
    run->plan = *plan;
    run->config = *config;
    model_unref(model);
    return status;
}

static enum status load_origin(struct run *run, struct error *err)
{
    if (!run->settings->init_from)
        return OK;
    enum status status = model_load(run->settings->init_from, &run->origin, err);
    if (status == OK)
        run->plan = *model_plan_of(run->origin);
    return status;
}

static enum status make_trainer(struct run *run, struct error *err)
{
    if (run->settings->resume)
        return resume(run, err);
    if (run->origin)
        return trainer_create_from(run->origin, &run->config, run->train, run->team, &run->trainer, err);
    return trainer_create(&run->plan, &run->config, run->train, run->team, &run->trainer, err);
}

static enum status prepare(struct run *run, struct error *err)
{
    const struct settings *settings = run->settings;
    enum status status = check_files(settings, err);
    if (status == OK)
        status = cli_open_dataset(settings->data_dir, settings->dataset, SPLIT_TRAIN, &run->train, err);
    if (status == OK)
        status = cli_open_dataset(settings->data_dir, settings->dataset, SPLIT_TEST, &run->test, err);
    if (status == OK)
        status = cli_start_engine(settings->threads, &run->team, err);
    if (status == OK)
        status = load_origin(run, err);
    return status == OK ? make_trainer(run, err) : status;
}

/* ---- Training ------------------------------------------------------------------------------------ */

static void announce(struct run *run)
{
    char parameters[FORMAT_SIZE], images[FORMAT_SIZE];
    struct train_progress place = trainer_progress(run->trainer);
    int threads = thread_team_size(run->team);
    progress_print(&run->progress,
                   "%s parameters, %s images an epoch, %d thread%s, OpenBLAS core type %s, %s kernels",
                   format_count((double)run->plan.parameters, parameters),
                   format_count((double)place.images_total / place.epochs, images), threads,
                   threads == 1 ? "" : "s", engine_core_type(), engine_instruction_set());
}

static void start_meter(struct run *run)
{
    struct train_progress place = trainer_progress(run->trainer);
    struct meter_plan plan =
        meter_plan_of(trainer_config(run->trainer), dataset_split(run->train, trainer_config(run->trainer)),
                      dataset_count(run->test));
    run->started = clock_seconds();
    run->progress = progress_begin(stderr, run->started);
    meter_start(&run->meter, &plan, run->started, place.images,
                (int)(place.images * place.epochs / place.images_total));
}

static void show_step(struct run *run, enum trainer_event event)
{
    double now = clock_seconds();
    struct train_progress place = trainer_progress(run->trainer);
    if (event == TRAINER_STEP)
        meter_step(&run->meter, now, place.images);
    char label[48];
    snprintf(label, sizeof label, "epoch %d/%d", place.epoch, place.epochs);
    struct progress_state state = {label, (double)place.images / (double)place.images_total,
                                   meter_rate(&run->meter), meter_eta(&run->meter, now)};
    progress_show(&run->progress, &state, now);
}

static enum status end_epoch(struct run *run, struct error *err)
{
    struct epoch_metrics metrics = trainer_last_epoch(run->trainer);
    char validation[80] = "";
    if (!isnan(metrics.validation_accuracy))
        snprintf(validation, sizeof validation, "  validation loss %.4f accuracy %.2f %%",
                 metrics.validation_loss, 100 * metrics.validation_accuracy);
    progress_print(&run->progress, "epoch %d/%d  loss %.4f accuracy %.2f %%%s  %.1f s", metrics.epoch,
                   run->config.epochs, metrics.train_loss, 100 * metrics.train_accuracy, validation,
                   metrics.seconds);
    if (json_array_append_new(run->epochs, report_epoch_json(&metrics)) != 0)
        return error_set(err, ERR_MEMORY, "no memory for the metrics");
    enum status status =
        run->settings->checkpoint ? trainer_save(run->trainer, run->settings->checkpoint, err) : OK;
    meter_epoch(&run->meter, clock_seconds());
    return status;
}

/* Keeps what there is, if asked to, and says how to go on. */
static enum status interrupt(struct run *run, struct error *err)
{
    struct train_progress place = trainer_progress(run->trainer);
    const char *file = run->settings->checkpoint;
    progress_clear(&run->progress);
    if (!file)
        return error_set(err, ERR_IO,
                         "interrupted in epoch %d of %d; --checkpoint FILE would have kept the run",
                         place.epoch, place.epochs);
    enum status status = trainer_save(run->trainer, file, err);
    if (status != OK)
        return status;
    return error_set(err, ERR_IO,
                     "interrupted in epoch %d of %d and kept in %s; the same command with --resume goes on",
                     place.epoch, place.epochs, file);
}

static void say_if_early(struct run *run)
{
    struct train_progress place = trainer_progress(run->trainer);
    if (place.stopped_early)
        progress_print(&run->progress,
                       "ends early: no lower validation loss since epoch %d, whose weights are kept",
                       place.best_epoch);
}

static enum status train(struct run *run, struct error *err)
{
    start_meter(run);
    announce(run);
    for (;;) {
        enum trainer_event event;
        if (cli_interrupted())
            return interrupt(run, err);
        enum status status = trainer_advance(run->trainer, &event, err);
        if (status == OK && event == TRAINER_EPOCH)
            status = end_epoch(run, err);
        if (status == OK && event == TRAINER_DONE)
            say_if_early(run);
        if (status != OK || event == TRAINER_DONE) {
            progress_clear(&run->progress);
            return status;
        }
        show_step(run, event);
    }
}

/* ---- The result ---------------------------------------------------------------------------------- */

static enum status save(struct run *run, const char *digest, struct error *err)
{
    const struct settings *settings = run->settings;
    char accuracy[32];
    snprintf(accuracy, sizeof accuracy, "%.6g", run->evaluation.accuracy);
    json_t *config = train_config_to_json(&run->config);
    char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;
    json_t *metadata = text ? json_pack("{s:s, s:s, s:s, s:s, s:s}", "config", text, "dataset",
                                        settings->dataset, "train_digest", dataset_digest(run->train),
                                        "weights_digest", digest, "test_accuracy", accuracy)
                            : NULL;
    enum status status = metadata ? model_save(run->model, metadata, settings->output, err)
                                  : error_set(err, ERR_MEMORY, "no memory for the model's metadata");
    json_decref(metadata);
    free(text);
    json_decref(config);
    if (status == OK && settings->checkpoint && unlink(settings->checkpoint) != 0 && errno != ENOENT)
        status = error_set_errno(err, "%s: cannot remove it", settings->checkpoint);
    return status;
}

static json_t *result_json(const struct run *run, const char *digest, double seconds)
{
    struct train_progress place = trainer_progress(run->trainer);
    const char *recipe = run->settings->training.recipe, *origin = run->settings->init_from;
    json_t *json =
        json_pack("{s:o, s:s, s:o, s:{s:s, s:s, s:s}, s:o, s:O, s:o, s:f, s:i, s:s, s:s}", "file",
                  report_text(run->settings->output), "sha256", digest, "model", report_plan_json(&run->plan),
                  "dataset", "name", run->settings->dataset, "train_sha256", dataset_digest(run->train),
                  "test_sha256", dataset_digest(run->test), "training", train_config_to_json(&run->config),
                  "epochs", run->epochs, "evaluation", report_evaluation_json(&run->evaluation), "seconds",
                  seconds, "threads", thread_team_size(run->team), "core_type", engine_core_type(),
                  "instruction_set", engine_instruction_set());
    json_t *more = json_pack("{s:s?, s:o, s:b, s:o}", "recipe", recipe, "init_from",
                             origin ? report_text(origin) : json_null(), "stopped_early", place.stopped_early,
                             "best_epoch", place.best_epoch ? json_integer(place.best_epoch) : json_null());
    if (json && json_object_update_new(json, more) == 0)
        return json;
    json_decref(json);
    return NULL;
}

static int finish(struct run *run)
{
    struct error err;
    char digest[65], duration[FORMAT_SIZE];
    enum status status = trainer_snapshot(run->trainer, &run->model, &err);
    if (status == OK)
        status = cli_evaluate(run->model, run->test, run->team, &run->progress, &run->evaluation,
                              &run->calibration, &err);
    if (status == OK) {
        model_digest(run->model, digest);
        status = save(run, digest, &err);
    }
    if (status != OK)
        return cli_failed_with(options.command, &err);
    double seconds = clock_seconds() - run->started;
    if (run->settings->json)
        return cli_print_json_take(options.command, result_json(run, digest, seconds));
    printf("test accuracy  %.2f %%\ntest loss      %.4f\ntime           %s\nmodel          %s\nsha256        "
           " %s\n",
           100 * run->evaluation.accuracy, run->evaluation.loss, format_duration(seconds, duration),
           run->settings->output, digest);
    return EXIT_SUCCESS;
}

/* Options that contradict each other; returns what to exit with. */
static int check_settings(const struct settings *settings)
{
    if (settings->resume && !settings->checkpoint)
        return options_wrong(&options, "--resume needs --checkpoint FILE");
    if (settings->init_from && (settings->preset || settings->model))
        return options_wrong(&options, "give --init-from, --preset or --model, only one of them");
    return EXIT_SUCCESS;
}

int cmd_train(int argc, char **argv)
{
    struct settings settings = {
        .dataset = "mnist", .data_dir = "data/datasets", .output = "model.safetensors"};
    int exit_code = options_parse(&options, argc, argv, &settings, NULL);
    if (exit_code != OPTIONS_PARSED)
        return exit_code;

    struct run run = {.settings = &settings, .epochs = json_array()};
    struct model_spec recipe;
    struct error err;
    exit_code = check_settings(&settings);
    if (exit_code == EXIT_SUCCESS)
        exit_code = training_options_read(options.command, &settings.training, &recipe, &run.config);
    if (exit_code == EXIT_SUCCESS)
        exit_code = cli_read_plan(options.command, settings.preset, settings.model, &recipe, &run.plan);
    if (exit_code == EXIT_SUCCESS) {
        cli_catch_interrupts();
        enum status status = prepare(&run, &err);
        if (status == OK)
            status = train(&run, &err);
        exit_code = status == OK ? finish(&run) : cli_failed_with(options.command, &err);
    }
    run_clear(&run);
    return exit_code;
}
