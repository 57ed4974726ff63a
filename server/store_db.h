/* SQLite made small for the store's own files: no other file includes sqlite3.h.
 *
 * Every function takes a connection that the caller holds (store_begin, store_read_begin). */
#ifndef DIGITD_STORE_DB_H
#define DIGITD_STORE_DB_H

#include "engine/engine.h"
#include "server/store.h"
#include "server/store_evaluations.h"
#include "server/store_events.h"
#include "server/store_jobs.h"
#include "server/store_models.h"

#include <sqlite3.h>

/* ---- Values that are bound to a statement's question marks ------------------------------------- */

enum db_type { DB_INTEGER, DB_REAL, DB_TEXT, DB_BLOB };

struct db_value {
    enum db_type type;
    union {
        int64_t integer;
        double real;
        const void *bytes; /* NULL is SQL's NULL */
    };
    size_t size; /* of a blob */
};

static inline struct db_value db_integer(int64_t integer)
{
    return (struct db_value){.type = DB_INTEGER, .integer = integer};
}

/* NaN becomes NULL, and is read back as NaN. */
static inline struct db_value db_real(double real)
{
    return (struct db_value){.type = DB_REAL, .real = real};
}

static inline struct db_value db_text(const char *text)
{
    return (struct db_value){.type = DB_TEXT, .bytes = text};
}

static inline struct db_value db_blob(const void *bytes, size_t size)
{
    return (struct db_value){.type = DB_BLOB, .bytes = bytes, .size = size};
}

#define DB_MAX_VALUES 24
struct db_values {
    size_t count;
    struct db_value items[DB_MAX_VALUES];
};

/* The values of a statement in the order of its question marks: DB_VALUES(db_text(id), db_integer(now)). */
#define DB_VALUES(...)                                                                                       \
    (&(const struct db_values){sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value),     \
                               {__VA_ARGS__}})
#define DB_NO_VALUES (&(const struct db_values){0})

/* ---- Statements ---------------------------------------------------------------------------------- */

/* Runs a statement that gives no rows. */
MUST_CHECK enum status db_run(sqlite3 *db, const char *sql, const struct db_values *values,
                              struct error *err);

/* Prepares a statement that gives rows; sqlite3_finalize it. */
MUST_CHECK enum status db_query(sqlite3 *db, const char *sql, const struct db_values *values,
                                sqlite3_stmt **ret_statement, struct error *err);

/* Moves to the next row; `ret_row` is false past the last. */
MUST_CHECK enum status db_next(sqlite3_stmt *statement, bool *ret_row, struct error *err);

/* The integer in the first column of the first row, or `otherwise` when there is no row or it is NULL. */
MUST_CHECK enum status db_query_integer(sqlite3 *db, const char *sql, const struct db_values *values,
                                        int64_t otherwise, int64_t *ret_integer, struct error *err);

/* Copies a column's text; the empty string for NULL. False when it does not fit. */
bool db_column_copy(sqlite3_stmt *statement, int column, char *ret_text, size_t size);

/* A column's text on the heap, NULL for NULL. False without memory. */
bool db_column_duplicate(sqlite3_stmt *statement, int column, char **ret_text);

/* NaN for NULL. */
double db_column_real(sqlite3_stmt *statement, int column);

/* What SQLite said last on this connection, after "`doing`: ". */
enum status db_error(sqlite3 *db, struct error *err, const char *doing);

/* ---- Rows as records --------------------------------------------------------------------------------- */

/* How the rows of a query become structs. */
struct db_record_kind {
    size_t size;
    enum status (*read)(sqlite3_stmt *statement, void *ret_record, struct error *err);
    void (*clear)(void *record); /* NULL when a record owns nothing */
};

/* The first row; ERR_NOT_FOUND, with no message, when there is none. */
MUST_CHECK enum status db_read_one(sqlite3 *db, const struct db_record_kind *kind, const char *sql,
                                   const struct db_values *values, void *ret_record, struct error *err);

/* All rows, in an array on the heap (NULL for none): the statement's LIMIT is what bounds it. */
MUST_CHECK enum status db_read_all(sqlite3 *db, const struct db_record_kind *kind, const char *sql,
                                   const struct db_values *values, void **ret_records, size_t *ret_count,
                                   struct error *err);

/* For a statement whose LIMIT was one more than wanted: drops a record past `limit`; true if there was one. */
bool db_drop_extra(const struct db_record_kind *kind, void *records, size_t *count, size_t limit);

/* ---- Between the store's files ----------------------------------------------------------------------- */

/* A column that ALIASES_OF selects. */
void db_column_aliases(sqlite3_stmt *statement, int column, struct alias_list *ret_list);
#define ALIASES_OF(condition)                                                                                \
    "(SELECT group_concat(alias || '=' || version) FROM (SELECT alias, version FROM aliases "                \
    "WHERE " condition " ORDER BY alias))"

/* Part of a transaction: moves the alias, or removes it for version 0, and writes that down; fills previous and moved_at
 * of `move`. Nothing is written when it is there already. */
MUST_CHECK enum status store_alias_write(sqlite3 *db, struct alias_move *move, struct error *err);

/* Part of a transaction: registers a version of its model (new or not) and, with `promote`, moves the alias
 * production to it. */
MUST_CHECK enum status store_version_insert(sqlite3 *db, const struct version_record *version, bool promote,
                                            struct error *err);

/* Part of a transaction: keeps an evaluation of a version, in the place of an earlier one. */
MUST_CHECK enum status store_evaluation_insert(sqlite3 *db, const char *model, int version,
                                               const struct evaluation_record *evaluation, struct error *err);

/* Part of a transaction: adds an event to the log. `job` and `sweep` (NULL: none) say what it is about; `data` is a JSON
 * object as text. Who listens to the log hears of it once the transaction is committed. */
MUST_CHECK enum status store_event_insert(sqlite3 *db, enum event_type type, const char *job,
                                          const char *sweep, const char *data, struct error *err);

/* The same by a statement that begins with EVENT_INSERT and adds one event. */
#define EVENT_INSERT "INSERT INTO events (time, type, job, sweep, data) "
MUST_CHECK enum status store_event_run(sqlite3 *db, const char *insert, const struct db_values *values,
                                       struct error *err);

/* Part of a transaction: a job in state queued under a fresh id. Let `queue_limit` be far: nothing says when it was met. */
MUST_CHECK enum status store_job_add(sqlite3 *db, const struct job_insert *insert,
                                     char ret_id[JOB_ID_LENGTH + 1], struct error *err);

/* Part of a transaction: brings a job into state `to`; as store_job_change. */
MUST_CHECK enum job_change store_job_move(sqlite3 *db, const char *id, enum job_state to, const char *result,
                                          struct error *err);

/* Part of a transaction: what the configuration of a job trains on can still be read, and stays once the job is stored.
 * ERR_CHANGED: a dataset of it is gone, or that revision. */
MUST_CHECK enum status store_own_check(sqlite3 *db, const char *config, struct error *err);

/* During a transaction: whether images that are removed must be kept for now. */
bool store_own_is_held(const struct store *store);

/* ---- Connections --------------------------------------------------------------------------------- */

/* Takes the one writing connection and opens a transaction; store_end closes it: commits if `status` is OK and
 * rolls back otherwise, and gives the connection back. Returns `status`, or why the commit failed. */
MUST_CHECK enum status store_begin(struct store *store, sqlite3 **ret_db, struct error *err);
MUST_CHECK enum status store_end(struct store *store, enum status status, struct error *err);

/* Takes the read-only connection. Statements must be finalized before it is given back. */
sqlite3 *store_read_begin(struct store *store);
void store_read_end(struct store *store);

#endif
