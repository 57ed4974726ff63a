#include "server/cli.h"
#include "server/commands.h"
#include "server/engine_start.h"
#include "server/png.h"
#include "server/report.h"

#include <stdlib.h>
#include <string.h>

/* 1024x1024 pixels of 16-bit RGBA are 8 MiB before compression. */
#define PNG_FILE_LIMIT ((size_t)16 << 20)

struct settings {
    const char *model;
    enum drawing_mode mode;
    bool json;
};

#define AT(member) offsetof(struct settings, member)

static const char *const mode_names[] = {
    [DRAWING_AUTO] = "auto",
    [DRAWING_RAW] = "raw",
    [DRAWING_DRAWING] = "drawing",
    [DRAWING_DRAWING + 1] = NULL,
};

static const struct option_spec specs[] = {
    {"model", OPTION_STRING, AT(model), "FILE", .help = "The model, as train saved it; needed"},
    {"mode", OPTION_CHOICE, AT(mode), "NAME",
     .help = "auto: pictures like MNIST's pass unchanged, others are taken for drawings; raw: 28x28 grey "
             "levels as "
             "they are; drawing: find the ink, scale and centre it",
     .choices = mode_names},
    {"json", OPTION_FLAG, AT(json), .help = "Print a JSON object, with all ten probabilities"},
};
static const struct options options = {
    .command = "predict",
    .arguments = "--model MODEL.safetensors [OPTION]... FILE.png...",
    .about = "Recognises the digit in each PNG file and prints a line for it: the digit, how sure\n"
             "the model is, and the file. - reads from stdin.",
    .specs = specs,
    .count = ARRAY_LENGTH(specs),
    .min_arguments = 1,
    .max_arguments = -1,
};

/* The picture as the network sees it. */
static enum status read_image(const char *file, enum drawing_mode mode, float ret_image[IMAGE_PIXELS],
                              struct error *err)
{
    uint8_t *bytes = NULL, levels[IMAGE_PIXELS];
    size_t size = 0;
    struct pixels pixels = {0};
    struct error reason;
    if (cli_read_file(file, PNG_FILE_LIMIT, &bytes, &size, err) != OK)
        return ERR_IO;
    enum status status = png_decode(bytes, size, &pixels, &reason);
    if (status == OK)
        status = drawing_from_pixels(pixels.rgba, pixels.width, pixels.height, mode, levels, &reason);
    free(pixels.rgba);
    free(bytes);
    if (status != OK)
        return error_set(err, status, "%s: %s", file, reason.message);
    for (int i = 0; i < IMAGE_PIXELS; i++)
        ret_image[i] = (float)levels[i] / 255.0f;
    return OK;
}

static int most_likely(const float probabilities[CLASSES])
{
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        best = probabilities[i] > probabilities[best] ? i : best;
    return best;
}

static json_t *prediction_json(const char *file, const float probabilities[CLASSES])
{
    json_t *list = json_array();
    for (int i = 0; i < CLASSES; i++)
        json_array_append_new(list, report_number((double)probabilities[i]));
    int digit = most_likely(probabilities);
    return json_pack("{s:o, s:i, s:o, s:o}", "file", report_text(file), "digit", digit, "confidence",
                     report_number((double)probabilities[digit]), "probabilities", list);
}

/* One file: a line on stdout, or an object for `list`. False when it could not be read. */
static bool predict_file(struct predictor *predictor, const char *file, const struct settings *settings,
                         json_t *list)
{
    float image[IMAGE_PIXELS], probabilities[CLASSES];
    struct error err;
    if (read_image(file, settings->mode, image, &err) != OK) {
        cli_failed_with(options.command, &err);
        json_array_append_new(
            list, json_pack("{s:o, s:o}", "file", report_text(file), "error", report_text(err.message)));
        return false;
    }
    predictor_run(predictor, image, 1, probabilities);
    if (settings->json) {
        json_array_append_new(list, prediction_json(file, probabilities));
    } else {
        int digit = most_likely(probabilities);
        printf("%d  %5.1f%%  %s\n", digit, 100 * (double)probabilities[digit], file);
    }
    return true;
}

static int predict_files(struct model *model, const struct settings *settings, char **files, int count)
{
    struct predictor *predictor = NULL;
    struct error err;
    if (predictor_create(model, 1, &predictor, &err) != OK)
        return cli_failed_with(options.command, &err);
    json_t *list = json_array();
    int exit_code = EXIT_SUCCESS;
    for (int i = 0; i < count; i++)
        if (!predict_file(predictor, files[i], settings, list))
            exit_code = EXIT_FAILURE;
    predictor_free(predictor);
    if (!settings->json) {
        json_decref(list);
        return exit_code;
    }
    char digest[65];
    model_digest(model, digest);
    int printed = cli_print_json_take(options.command, json_pack("{s:{s:o, s:s}, s:o}", "model", "file",
                                                                 report_text(settings->model), "sha256",
                                                                 digest, "predictions", list));
    return printed == EXIT_SUCCESS ? exit_code : printed;
}

int cmd_predict(int argc, char **argv)
{
    struct settings settings = {.mode = DRAWING_AUTO};
    int first;
    int exit_code = options_parse(&options, argc, argv, &settings, &first);
    if (exit_code != OPTIONS_PARSED)
        return exit_code;
    if (!settings.model)
        return options_wrong(&options, "--model is missing");

    struct model *model = NULL;
    struct error err;
    if (engine_start(&err) != OK || model_load(settings.model, &model, &err) != OK)
        return cli_failed_with(options.command, &err);
    exit_code = predict_files(model, &settings, argv + first, argc - first);
    model_unref(model);
    return exit_code;
}
