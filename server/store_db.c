#include "server/store_db.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status status_of(int code)
{
    switch (code) {
    case SQLITE_NOMEM:
        return ERR_MEMORY;
    case SQLITE_FULL:
        return ERR_FULL;
    default:
        return ERR_IO;
    }
}

enum status db_error(sqlite3 *db, struct error *err, const char *doing)
{
    return error_set(err, status_of(sqlite3_errcode(db)), "database, %s: %s", doing, sqlite3_errmsg(db));
}

static int bind_value(sqlite3_stmt *statement, int index, const struct db_value *value)
{
    switch (value->type) {
    case DB_INTEGER:
        return sqlite3_bind_int64(statement, index, value->integer);
    case DB_REAL: /* SQLite itself turns NaN into NULL */
        return sqlite3_bind_double(statement, index, value->real);
    case DB_TEXT:
        return sqlite3_bind_text(statement, index, value->bytes, -1, SQLITE_STATIC);
    case DB_BLOB:
        return sqlite3_bind_blob64(statement, index, value->bytes, value->size, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

enum status db_query(sqlite3 *db, const char *sql, const struct db_values *values,
                     sqlite3_stmt **ret_statement, struct error *err)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return db_error(db, err, "preparing a statement");
    for (size_t i = 0; i < values->count; i++) {
        if (bind_value(statement, (int)i + 1, &values->items[i])) {
            enum status status = db_error(db, err, "binding a value");
            sqlite3_finalize(statement);
            return status;
        }
    }
    *ret_statement = statement;
    return OK;
}

enum status db_next(sqlite3_stmt *statement, bool *ret_row, struct error *err)
{
    switch (sqlite3_step(statement)) {
    case SQLITE_ROW:
        *ret_row = true;
        return OK;
    case SQLITE_DONE:
        *ret_row = false;
        return OK;
    default:
        return db_error(sqlite3_db_handle(statement), err, "running a statement");
    }
}

enum status db_run(sqlite3 *db, const char *sql, const struct db_values *values, struct error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    enum status status = db_query(db, sql, values, &statement, err);
    if (status)
        return status;
    status = db_next(statement, &row, err);
    sqlite3_finalize(statement);
    return status;
}

enum status db_query_integer(sqlite3 *db, const char *sql, const struct db_values *values, int64_t otherwise,
                             int64_t *ret_integer, struct error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    enum status status = db_query(db, sql, values, &statement, err);
    if (status)
        return status;
    if ((status = db_next(statement, &row, err)) == OK) {
        bool there = row && sqlite3_column_type(statement, 0) != SQLITE_NULL;
        *ret_integer = there ? sqlite3_column_int64(statement, 0) : otherwise;
    }
    sqlite3_finalize(statement);
    return status;
}

bool db_column_copy(sqlite3_stmt *statement, int column, char *ret_text, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    int length = snprintf(ret_text, size, "%s", text ? text : "");
    return length >= 0 && (size_t)length < size;
}

bool db_column_duplicate(sqlite3_stmt *statement, int column, char **ret_text)
{
    *ret_text = NULL;
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return true;
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text && (*ret_text = strdup(text));
}

double db_column_real(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? NAN
                                                                 : sqlite3_column_double(statement, column);
}

enum status db_read_one(sqlite3 *db, const struct db_record_kind *kind, const char *sql,
                        const struct db_values *values, void *ret_record, struct error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    enum status status = db_query(db, sql, values, &statement, err);
    if (status)
        return status;
    status = db_next(statement, &row, err);
    if (status == OK)
        status = row ? kind->read(statement, ret_record, err) : error_set(err, ERR_NOT_FOUND, "no such row");
    sqlite3_finalize(statement);
    return status;
}

static void free_records(const struct db_record_kind *kind, char *records, size_t count)
{
    for (size_t i = 0; i < count && kind->clear; i++)
        kind->clear(records + i * kind->size);
    free(records);
}

static enum status grow(const struct db_record_kind *kind, char **records, size_t *capacity,
                        struct error *err)
{
    size_t wanted = *capacity ? 2 * *capacity : 16;
    char *more = reallocarray(*records, wanted, kind->size);
    if (!more)
        return error_set(err, ERR_MEMORY, "no memory for %zu rows", wanted);
    *records = more;
    *capacity = wanted;
    return OK;
}

enum status db_read_all(sqlite3 *db, const struct db_record_kind *kind, const char *sql,
                        const struct db_values *values, void **ret_records, size_t *ret_count,
                        struct error *err)
{
    sqlite3_stmt *statement;
    enum status status = db_query(db, sql, values, &statement, err);
    if (status)
        return status;

    char *records = NULL;
    size_t count = 0, capacity = 0;
    bool row = false;
    while ((status = db_next(statement, &row, err)) == OK && row) {
        if (count == capacity && (status = grow(kind, &records, &capacity, err)))
            break;
        if ((status = kind->read(statement, records + count * kind->size, err)))
            break;
        count++;
    }
    sqlite3_finalize(statement);
    if (status) {
        free_records(kind, records, count);
        return status;
    }
    *ret_records = records;
    *ret_count = count;
    return OK;
}

bool db_drop_extra(const struct db_record_kind *kind, void *records, size_t *count, size_t limit)
{
    if (*count <= limit)
        return false;
    *count = limit;
    if (kind->clear)
        kind->clear((char *)records + limit * kind->size);
    return true;
}
