#include "server/store_events.h"

#include "server/clock.h"
#include "server/store_db.h"

#include <stdlib.h>
#include <string.h>

#define PRUNE_STEP (STORE_EVENTS_KEPT / 100)

static const char *const type_names[EVENT_TYPES] = {
    [EVENT_STATE] = "state", [EVENT_METRICS] = "metrics", [EVENT_PROGRESS] = "progress",
    [EVENT_LOG] = "log",     [EVENT_ALIAS] = "alias",     [EVENT_SWEEP] = "sweep",
};

const char *event_type_name(enum event_type type)
{
    return type_names[type];
}

void event_record_clear(struct event_record *record)
{
    free(record->data);
    *record = (struct event_record){0};
}

/* ---- Writing --------------------------------------------------------------------------------------- */

enum status store_event_run(sqlite3 *db, const char *insert, const struct db_values *values,
                            struct error *err)
{
    enum status status = db_run(db, insert, values, err);
    int64_t id = sqlite3_last_insert_rowid(db);
    if (status || id <= STORE_EVENTS_KEPT || id % PRUNE_STEP)
        return status;
    return db_run(db, "DELETE FROM events WHERE id <= ?", DB_VALUES(db_integer(id - STORE_EVENTS_KEPT)), err);
}

enum status store_event_insert(sqlite3 *db, enum event_type type, const char *job, const char *sweep,
                               const char *data, struct error *err)
{
    return store_event_run(db, EVENT_INSERT "VALUES (?, ?, ?, ?, ?)",
                           DB_VALUES(db_integer(clock_wall_ms()), db_text(type_names[type]), db_text(job),
                                     db_text(sweep), db_text(data)),
                           err);
}

enum status store_event_add(struct store *store, enum event_type type, const char *job, const char *sweep,
                            const char *data, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    return store_end(store, store_event_insert(db, type, job, sweep, data, err), err);
}

/* ---- Reading --------------------------------------------------------------------------------------- */

static bool read_type(sqlite3_stmt *statement, int column, enum event_type *ret_type)
{
    const char *name = (const char *)sqlite3_column_text(statement, column);
    for (int type = 0; name && type < EVENT_TYPES; type++) {
        if (strcmp(type_names[type], name) == 0) {
            *ret_type = (enum event_type)type;
            return true;
        }
    }
    return false;
}

static enum status read_event(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    struct event_record event = {.id = sqlite3_column_int64(statement, 0),
                                 .time = sqlite3_column_int64(statement, 1)};
    if (!read_type(statement, 2, &event.type))
        return error_set(err, ERR_FORMAT, "database: event %lld has an unknown type", (long long)event.id);
    db_column_copy(statement, 3, event.job, sizeof event.job);
    db_column_copy(statement, 4, event.sweep, sizeof event.sweep);
    if (!db_column_duplicate(statement, 5, &event.data))
        return error_set(err, ERR_MEMORY, "no memory for an event");
    *(struct event_record *)ret_record = event;
    return OK;
}

static void clear_event(void *record)
{
    event_record_clear(record);
}

static const struct db_record_kind event_kind = {sizeof(struct event_record), read_event, clear_event};

#define SELECT_EVENTS(of)                                                                                    \
    "SELECT id, time, type, job, sweep, data FROM events WHERE " of                                          \
    " AND id > ? AND id <= ? ORDER BY id LIMIT ?"

enum status store_event_list(struct store *store, const struct event_filter *filter,
                             struct event_record **ret_records, size_t *ret_count, bool *ret_has_more,
                             struct error *err)
{
    const char *sql = filter->job     ? SELECT_EVENTS("job = ?")
                      : filter->sweep ? SELECT_EVENTS("sweep = ?")
                                      : SELECT_EVENTS("? IS NULL");
    void *records;
    size_t count;
    sqlite3 *db = store_read_begin(store);
    enum status status =
        db_read_all(db, &event_kind, sql,
                    DB_VALUES(db_text(filter->job ? filter->job : filter->sweep), db_integer(filter->after),
                              db_integer(filter->up_to), db_integer((int64_t)filter->limit + 1)),
                    &records, &count, err);
    store_read_end(store);
    if (status)
        return status;
    *ret_has_more = db_drop_extra(&event_kind, records, &count, filter->limit);
    *ret_records = records;
    *ret_count = count;
    return OK;
}

enum status store_event_last(struct store *store, int64_t *ret_id, struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = db_query_integer(db, "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
                                          DB_NO_VALUES, 0, ret_id, err);
    store_read_end(store);
    return status;
}
