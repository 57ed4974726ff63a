/* The log of events as services and handlers use it: adding to it, reading pages of it, and waiting for more.
 *
 * Changes of a job's state and the metrics of its epochs get there by themselves, in the transaction of the change
 * (store_jobs.c); services add what else happens with events_append, or with store_event_insert inside a transaction
 * of their own. Either way everyone who listens hears of it.
 *
 * Any thread may call; calls wait for the disk. */
#ifndef DIGITD_EVENTS_H
#define DIGITD_EVENTS_H

#include "engine/engine.h"
#include "server/log.h"
#include "server/store_events.h"

struct json_t;

/* Adds an event about `job` and `sweep` (NULL: none); it is durable on return. Takes `data`, a JSON object; NULL stands
 * for "no memory to build it". */
MUST_CHECK enum status events_append(struct store *store, enum event_type type, const char *job,
                                     const char *sweep, struct json_t *data, struct error *err);

/* What a job has to say: a line of the server's log, and the event {"level", "message"}. Without the event, say on a full
 * disk, the job goes on. `sweep`: NULL for none. */
void events_tell(struct store *store, enum log_level level, const char *job, const char *sweep,
                 const char *format, ...) PRINTF_LIKE(5, 6);

#endif
