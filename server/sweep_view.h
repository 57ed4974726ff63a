/* Sweeps of a server on the command line: watching one, and its results as a table. For the main thread. */
#ifndef DIGITD_SWEEP_VIEW_H
#define DIGITD_SWEEP_VIEW_H

#include "server/client.h"

/* Shows each trial that ends, and a bar, until the sweep ends; the verdict is on stdout. With --json the sweep is a line of
 * JSON each time that something of it changed. Exit codes as job_watch's. */
MUST_CHECK int sweep_watch(struct client *client, const char *id);

/* The trials, in the server's order, `top` of them at most (0: all), then the verdict. */
MUST_CHECK enum status sweep_print_results(const json_t *results, int top);

/* "64 trials, of which 40 can be built: about 12:05 with nothing else to do, 180 MiB of memory" */
void sweep_print_estimate(FILE *stream, const json_t *estimate);

/* How many trials there are that can be built, and how many of those have ended. */
int sweep_valid(const json_t *sweep);
int sweep_ended(const json_t *sweep);

#endif
