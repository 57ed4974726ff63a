/* What handlers of models share. */
#ifndef DIGITD_HANDLE_MODELS_H
#define DIGITD_HANDLE_MODELS_H

struct request;

/* The model in the path; NULL after a 404 when it cannot be one. */
const char *read_model_name(struct request *request);

#endif
