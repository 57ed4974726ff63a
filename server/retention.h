/* Forgets the oldest jobs and sweeps that are over when there are more than shall be kept, so that the store does not grow
 * without end: at the start, and whenever a job has ended. A thread of its own does it, some jobs at a time, and lets others
 * write in between. Versions stay, with all that is known of where they came from; store_retention.h says what else. */
#ifndef DIGITD_RETENTION_H
#define DIGITD_RETENTION_H

#include "engine/engine.h"

struct retention;
struct store;
struct jobs;
struct sweeps;

/* Keeps `keep` finished jobs. Borrows the services. */
MUST_CHECK enum status retention_create(struct store *store, struct jobs *jobs, struct sweeps *sweeps,
                                        int64_t keep, struct retention **ret_retention, struct error *err);

/* Stops the jobs (jobs_stop), and waits for the thread. */
void retention_free(struct retention *retention);

#endif
