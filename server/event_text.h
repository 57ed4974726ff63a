/* Events as clients read them. Texts are on the heap, NULL without memory. Any thread. */
#ifndef DIGITD_EVENT_TEXT_H
#define DIGITD_EVENT_TEXT_H

#include "server/store_events.h"

#include <stdbool.h>

/* One message of an event stream: id and type, and as its data
 * {"id": 7, "time": "…", "job": "job_…", "sweep": null, "type": "state", "data": {…}}. Without an id line, and with null
 * in its place, for id 0. */
char *event_to_message(const struct event_record *event);

/* {"data": […], "has_more": true} */
char *events_to_page(const struct event_record *events, size_t count, bool has_more);

/* The last change of state of its job, or of its sweep. */
bool event_ends_job(const struct event_record *event);
bool event_ends_sweep(const struct event_record *event);

#endif
