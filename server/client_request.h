/* The options that say what to train and on what, of the commands that ask a server for it; with training_options.h they
 * make a job's request. A command has `struct request_options request` and `struct training_options training` in its
 * settings. */
#ifndef DIGITD_CLIENT_REQUEST_H
#define DIGITD_CLIENT_REQUEST_H

#include "server/training_options.h"

struct request_options {
    const char *dataset, *preset, *model, *init_from;
};

#define REQUEST_AT(member) offsetof(struct settings, request.member)

/* Rows of the table: those that both jobs and sweeps have, and the preset of a model. */
#define REQUEST_COMMON_OPTIONS                                                                               \
    {"dataset", OPTION_STRING, REQUEST_AT(dataset), "NAME[:TIMES],...",                                      \
     .help = "What to train on: one of the server's datasets, or a mix of them; mnist,mine:10 takes each "   \
             "image of mine ten times"},                                                                     \
    {                                                                                                        \
        "model", OPTION_STRING, REQUEST_AT(model), "FILE.json",                                              \
            .help = "A model of your own, as the HTTP API takes it"                                          \
    }
#define REQUEST_OPTIONS                                                                                      \
    REQUEST_COMMON_OPTIONS,                                                                                  \
        {"preset", OPTION_STRING, REQUEST_AT(preset), "NAME",                                                \
         .help = "Another model than the recipe's: reference, reference_dropout, small or large"},           \
    {                                                                                                        \
        "init-from", OPTION_STRING, REQUEST_AT(init_from), "NAME:VERSION",                                   \
            .help = "Train this version of a model further instead of a new one"                             \
    }

/* A job's request with what was given, for the server to judge; a new reference. Returns what to exit with, after a
 * message. */
MUST_CHECK int request_from_options(const char *command, const struct request_options *request,
                                    const struct training_options *training, json_t **ret_json);

#endif
