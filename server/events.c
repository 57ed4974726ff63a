#include "server/events.h"

#include <jansson.h>
#include <stdlib.h>

enum status events_append(struct store *store, enum event_type type, const char *job, const char *sweep,
                          json_t *data, struct error *err)
{
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;
    json_decref(data);
    if (!text)
        return error_set(err, ERR_MEMORY, "no memory for an event");
    enum status status = store_event_add(store, type, job, sweep, text, err);
    free(text);
    return status;
}
