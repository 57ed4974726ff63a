/* Watching a job on a server: its epochs and a bar on stderr, its end on stdout. For the main thread. */
#ifndef DIGITD_JOB_WATCH_H
#define DIGITD_JOB_WATCH_H

#include "server/client.h"

/* Follows the job until its end, through restarts of the server. With --json each event is a line of JSON on stdout.
 * EXIT_SUCCESS: it succeeded; EXIT_FAILURE: it failed, or the server is gone; EXIT_CANCELLED: it was cancelled or deleted;
 * EXIT_INTERRUPTED: after Ctrl-C, which leaves the job alone. */
MUST_CHECK int job_watch(struct client *client, const char *id);

/* How much of its training a job has done, by what an event of type progress says: 0 to 1. */
double job_fraction(const json_t *progress);

/* What became of a job: prints that in a line. */
void job_print_end(const json_t *job);

#endif
