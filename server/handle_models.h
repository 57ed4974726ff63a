/* What handlers of models share. */
#ifndef DIGITD_HANDLE_MODELS_H
#define DIGITD_HANDLE_MODELS_H

#include <stdbool.h>

struct app;
struct request;
struct version_record;

/* The model in the path; NULL after a 404 when it cannot be one. */
const char *read_model_name(struct request *request);

/* The version in the path; false after the reply is written. The caller clears the record. */
bool read_version(struct app *app, struct request *request, struct version_record *ret_version);

#endif
