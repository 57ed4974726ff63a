/* Sweeps as JSON and their results as CSV. Each JSON function gives a new reference, or NULL without memory. Any thread. */
#ifndef DIGITD_SWEEP_JSON_H
#define DIGITD_SWEEP_JSON_H

#include "server/sweeps.h"

#include <jansson.h>

json_t *sweep_to_json(const struct sweep_view *view);
json_t *sweep_results_to_json(const struct sweep_view *view);

/* RFC 4180: a line of names, a line a trial, best first. On the heap, NULL without memory. */
char *sweep_results_to_csv(const struct sweep_view *view, size_t *ret_size);

#endif
