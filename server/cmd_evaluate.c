#include "server/cli.h"
#include "server/clock.h"
#include "server/commands.h"
#include "server/format.h"
#include "server/report.h"

#include <stdlib.h>

struct settings {
    const char *dataset, *data_dir;
    int threads;
    bool json;
};

#define AT(member) offsetof(struct settings, member)

static const struct option_spec specs[] = {
    {"dataset", OPTION_STRING, AT(dataset), "NAME", .help = "Whose test set: a folder of the data directory"},
    {"data-dir", OPTION_STRING, AT(data_dir), "DIR", .help = "Where the datasets are, a folder each"},
    {"threads", OPTION_INT, AT(threads), "N", .help = "Threads to use (default: one a processor)", .min = 1,
     .max = 256},
    {"json", OPTION_FLAG, AT(json), .help = "Print a JSON object"},
};
static const struct options options = {
    .command = "evaluate",
    .arguments = "[OPTION]... MODEL.safetensors",
    .about = "Runs a saved model on all images of a test set and prints its loss, its accuracy,\n"
             "which digits it takes for which, and precision, recall and F1 of each.",
    .specs = specs,
    .count = ARRAY_LENGTH(specs),
    .min_arguments = 1,
    .max_arguments = 1,
};

static int print_result(const struct evaluation *evaluation, const struct calibration *calibration,
                        const char *file, struct model *model, const struct dataset *data,
                        const struct settings *settings)
{
    char digest[65], count[FORMAT_SIZE];
    model_digest(model, digest);
    if (settings->json)
        return cli_print_json_take(options.command,
                                   json_pack("{s:{s:o, s:s}, s:{s:s, s:s}, s:o, s:o}", "model", "file",
                                             report_text(file), "sha256", digest, "dataset", "name",
                                             settings->dataset, "sha256", dataset_digest(data), "evaluation",
                                             report_evaluation_json(evaluation), "calibration",
                                             report_calibration_json(calibration)));
    printf("images    %s\naccuracy  %.2f %%\nloss      %.4f\n\n",
           format_count((double)evaluation->count, count), 100 * evaluation->accuracy, evaluation->loss);
    printf("confidence is off by %.2f points on average; %.2f before the temperature %.3f\n\n",
           100 * calibration->ece, 100 * calibration->ece_uncalibrated, calibration->temperature);
    report_confusion_matrix(stdout, evaluation);
    fputc('\n', stdout);
    report_classes(stdout, evaluation);
    return EXIT_SUCCESS;
}

int cmd_evaluate(int argc, char **argv)
{
    struct settings settings = {.dataset = "mnist", .data_dir = "data/datasets"};
    int first;
    int exit_code = options_parse(&options, argc, argv, &settings, &first);
    if (exit_code != OPTIONS_PARSED)
        return exit_code;

    struct model *model = NULL;
    struct dataset *data = NULL;
    struct thread_team *team = NULL;
    struct evaluation evaluation;
    struct calibration calibration;
    struct error err;
    struct progress progress = progress_begin(stderr, clock_seconds());
    cli_catch_interrupts();
    enum status status = cli_start_engine(settings.threads, &team, &err);
    if (status == OK)
        status = model_load(argv[first], &model, &err);
    if (status == OK)
        status = cli_open_dataset(settings.data_dir, settings.dataset, SPLIT_TEST, &data, &err);
    if (status == OK)
        status = cli_evaluate(model, data, team, &progress, &evaluation, &calibration, &err);
    exit_code = status == OK ? print_result(&evaluation, &calibration, argv[first], model, data, &settings)
                             : cli_failed_with(options.command, &err);
    dataset_unref(data);
    model_unref(model);
    thread_team_free(team);
    return exit_code;
}
