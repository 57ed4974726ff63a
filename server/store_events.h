/* The log of what happened to jobs, sweeps and models: durable, in order, and bounded. See store.h for the rules.
 *
 * An event is written in the transaction of what it tells (store_event_insert in store_db.h), so that neither is there
 * without the other. The newest STORE_EVENTS_KEPT are kept; older ones go in steps of a hundredth of that. */
#ifndef DIGITD_STORE_EVENTS_H
#define DIGITD_STORE_EVENTS_H

#include "engine/engine.h"
#include "server/names.h"
#include "server/store.h"

#define STORE_EVENTS_KEPT 100000

enum event_type {
    EVENT_STATE,    /* of a job: {"from", "to", "error"?}, "from" null for a new one */
    EVENT_METRICS,  /* of an epoch of a job */
    EVENT_PROGRESS, /* of a running job; never in the log, only in streams */
    EVENT_LOG,      /* what a job has to say: {"level", "message"} */
    EVENT_ALIAS,    /* {"model", "alias", "version", "previous"} */
    EVENT_SWEEP,    /* of a sweep */
    EVENT_TYPES
};

const char *event_type_name(enum event_type type);

#define EVENT_SUBJECT_SIZE 32

struct event_record {
    int64_t id;   /* in the order in which things happened */
    int64_t time; /* ms since 1970 */
    enum event_type type;
    char job[EVENT_SUBJECT_SIZE], sweep[EVENT_SUBJECT_SIZE]; /* "" for none */
    char *data;                                              /* JSON object as text, on the heap */
};

void event_record_clear(struct event_record *record);

/* In a transaction of its own. */
MUST_CHECK enum status store_event_add(struct store *store, enum event_type type, const char *job,
                                       const char *sweep, const char *data, struct error *err);

struct event_filter {
    int64_t after, up_to; /* after < id <= up_to */
    const char *job;      /* only those about it; NULL: of all */
    const char *sweep;    /* only those about it and its jobs, unless `job` is set; NULL: of all */
    size_t limit;         /* 1..STORE_LIST_MAX */
};

/* Oldest first. The caller clears each record and frees the array. */
MUST_CHECK enum status store_event_list(struct store *store, const struct event_filter *filter,
                                        struct event_record **ret_records, size_t *ret_count,
                                        bool *ret_has_more, struct error *err);

/* The id of the newest event ever; 0 before the first. */
MUST_CHECK enum status store_event_last(struct store *store, int64_t *ret_id, struct error *err);

/* Calls `on_events` after each commit that added events, on the thread that committed, which holds the store: it must do
 * no more than wake somebody. NULL ends it. */
void store_on_events(struct store *store, void (*on_events)(void *context), void *context);

#endif
