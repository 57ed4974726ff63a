#include "server/event_text.h"

#include "server/clock.h"
#include "server/job_state.h"
#include "server/sweep_state.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* Ids and types need no escapes, and `data` is JSON already. */
static void write_subject(FILE *out, const char *name, const char *id)
{
    fprintf(out, *id ? ",\"%s\":\"%s\"" : ",\"%s\":null", name, id);
}

static void write_event(FILE *out, const struct event_record *event)
{
    char time[CLOCK_TEXT_SIZE];
    clock_format(event->time, time);
    if (event->id)
        fprintf(out, "{\"id\":%lld", (long long)event->id);
    else
        fputs("{\"id\":null", out);
    fprintf(out, ",\"time\":\"%s\"", time);
    write_subject(out, "job", event->job);
    write_subject(out, "sweep", event->sweep);
    fprintf(out, ",\"type\":\"%s\",\"data\":%s}", event_type_name(event->type), event->data);
}

/* Ends a text that was written to open_memstream's stream. */
static char *end_text(FILE *out, char **text)
{
    bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return *text;
    free(*text);
    return NULL;
}

char *event_to_message(const struct event_record *event)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    if (event->id)
        fprintf(out, "id: %lld\n", (long long)event->id);
    fprintf(out, "event: %s\ndata: ", event_type_name(event->type));
    write_event(out, event);
    fputs("\n\n", out);
    return end_text(out, &text);
}

char *events_to_page(const struct event_record *events, size_t count, bool has_more)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fputs("{\"data\":[", out);
    for (size_t i = 0; i < count; i++) {
        if (i)
            fputc(',', out);
        write_event(out, &events[i]);
    }
    fprintf(out, "],\"has_more\":%s}", has_more ? "true" : "false");
    return end_text(out, &text);
}

/* Whether the event brings what it is about into a state that `is_final` knows as an end. */
static bool ends(const struct event_record *event, enum event_type type, bool (*is_final)(const char *name))
{
    if (event->type != type)
        return false;
    json_t *data = json_loads(event->data, 0, NULL);
    const char *to = json_string_value(json_object_get(data, "to"));
    bool final = to && is_final(to);
    json_decref(data);
    return final;
}

/* A state that is none is "deleted". */
static bool is_end_of_job(const char *name)
{
    enum job_state state;
    return !job_state_from_name(name, &state) || job_state_is_final(state);
}

static bool is_end_of_sweep(const char *name)
{
    enum sweep_state state;
    return !sweep_state_from_name(name, &state) || sweep_state_is_final(state);
}

bool event_ends_job(const struct event_record *event)
{
    return ends(event, EVENT_STATE, is_end_of_job);
}

bool event_ends_sweep(const struct event_record *event)
{
    return ends(event, EVENT_SWEEP, is_end_of_sweep);
}
