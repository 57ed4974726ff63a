#include "server/events.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_SIZE 640 /* longer ones are cut */

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

void events_tell(struct store *store, enum log_level level, const char *job, const char *sweep,
                 const char *format, ...)
{
    char message[MESSAGE_SIZE];
    struct error err;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    log_at(level, "job %s: %s", job, message);
    json_t *data = json_pack("{s:s, s:s}", "level", log_level_names[level], "message", message);
    if (events_append(store, EVENT_LOG, job, sweep, data, &err))
        log_warning("the log of events lacks that: %s", err.message);
}
