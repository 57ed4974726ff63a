/* The thread that runs training jobs, one after the other, each from its dataset to a registered version.
 *
 * A job is a loop over pieces of some milliseconds; between two of them the runner reports and hears whether to go on.
 * After every epoch metrics and a checkpoint are on disk, so a process that dies costs at most one epoch, and the job
 * ends in the same bytes as if nothing had happened. */
#ifndef DIGITD_JOB_RUNNER_H
#define DIGITD_JOB_RUNNER_H

#include "engine/engine.h"

struct app;
struct job_runner;

/* Starts the thread and a team of `threads` with it, all at idle priority. Borrows the services: store, datasets,
 * registry, predictions (which get the model in training after every epoch) and jobs. */
MUST_CHECK enum status job_runner_create(const struct app *app, int threads, struct job_runner **ret_runner,
                                         struct error *err);

/* Stops the jobs service, waits until the job in hand has a checkpoint, ends the thread. */
void job_runner_free(struct job_runner *runner);

#endif
