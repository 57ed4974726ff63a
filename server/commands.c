#include "server/commands.h"
#include "server/nearest.h"
#include "server/options.h"
#include "server/serve.h"

#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    {"serve", serve_main, "Train, predict and show it in the browser, over HTTP"},
    {"train", cmd_train, "Train a model and save it to a file"},
    {"evaluate", cmd_evaluate, "Measure a saved model on a test set"},
    {"predict", cmd_predict, "Recognise digits in PNG files"},
    {"describe", cmd_describe, "Show a model's layers, parameters and memory"},
    {"export", cmd_export, "Write a saved model as ONNX, for other software"},
    {"jobs", cmd_jobs, "Start, watch and steer trainings of a running server"},
    {"sweep", cmd_sweep, "Compare many trainings on a running server"},
    {"models", cmd_models, "Manage the models of a running server"},
    {"data", cmd_data, "Show the datasets of a running server, and add drawings"},
    {"version", cmd_version, "Print the version"},
    {"help", cmd_help, "Explain the program or a command"},
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int command_unknown(const char *name)
{
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        nearest_offer(&nearest, commands[i].name);
    fprintf(stderr, "digitd: unknown command \"%s\"", name);
    if (nearest.name)
        fprintf(stderr, "; did you mean %s?", nearest.name);
    fputs("\nTry 'digitd help'.\n", stderr);
    return EXIT_USAGE;
}

void commands_print_help(void)
{
    puts("Usage: digitd COMMAND [OPTION]... [ARGUMENT]...\n\n"
         "Trains convolutional networks on handwritten digits and serves them.\n\n"
         "Commands:");
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts("\n'digitd help COMMAND' explains a command and its options.\n"
         "Exit codes: 0 done, 1 failed, 2 wrong usage.");
}
