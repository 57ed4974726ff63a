#include "server/cli.h"
#include "server/commands.h"

#include <stdlib.h>
#include <string.h>

struct settings {
    const char *onnx;
};

#define AT(member) offsetof(struct settings, member)

static const struct option_spec specs[] = {
    {"onnx", OPTION_STRING, AT(onnx), "FILE",
     .help = "Where to write the model as ONNX; - for stdout; needed"},
};
static const struct options options = {
    .command = "export",
    .arguments = "MODEL.safetensors --onnx FILE",
    .about = "Writes a saved model in the form that other software reads. ONNX: its input \"image\" is\n"
             "float [N,1,28,28], grey levels 0 to 1 with high ink, its output \"probabilities\" float\n"
             "[N,10].",
    .specs = specs,
    .count = ARRAY_LENGTH(specs),
    .min_arguments = 1,
    .max_arguments = 1,
};

static enum status print_onnx(const struct model *model, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    enum status status = model_to_onnx(model, &bytes, &size, err);
    if (status != OK)
        return status;
    fwrite(bytes, 1, size, stdout); /* main says so if that fails */
    free(bytes);
    return OK;
}

int cmd_export(int argc, char **argv)
{
    struct settings settings = {0};
    int first;
    int exit_code = options_parse(&options, argc, argv, &settings, &first);
    if (exit_code != OPTIONS_PARSED)
        return exit_code;
    if (!settings.onnx)
        return options_wrong(&options, "--onnx is missing");

    struct model *model = NULL;
    struct error err;
    enum status status = model_load(argv[first], &model, &err);
    if (status == OK)
        status = strcmp(settings.onnx, "-") == 0 ? print_onnx(model, &err)
                                                 : model_export_onnx(model, settings.onnx, &err);
    model_unref(model);
    return status == OK ? EXIT_SUCCESS : cli_failed_with(options.command, &err);
}
