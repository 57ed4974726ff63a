/* The threads that run training jobs, each one after the other, from its dataset to a registered version.
 *
 * A job is a loop over pieces of some milliseconds; between two of them the runner reports and hears whether to go on.
 * After every epoch metrics and a checkpoint are on disk, so a process that dies costs at most one epoch, and the job
 * ends in the same bytes as if nothing had happened. */
#ifndef DIGITD_JOB_RUNNER_H
#define DIGITD_JOB_RUNNER_H

#include "engine/engine.h"

struct app;
struct job_runner;

/* Starts as many threads as jobs may run at once, each with its share of `threads` to train on, all at idle priority.
 * Borrows the services: store, datasets, registry, predictions (which get the models in training after every epoch) and
 * jobs, which was made for as many. What a job comes to does not depend on any of these numbers. */
MUST_CHECK enum status job_runner_create(const struct app *app, int threads, int concurrent,
                                         struct job_runner **ret_runner, struct error *err);

/* How many of `threads` the jobs in place `lane`, from 0, of `concurrent` get: at least 1, and the most in place 0. */
int job_runner_share(int threads, int concurrent, int lane);

/* Stops the jobs service, waits until the jobs in hand have a checkpoint, ends the threads. */
void job_runner_free(struct job_runner *runner);

#endif
