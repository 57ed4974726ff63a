#include "server/store_aliases.h"

#include "server/clock.h"
#include "server/store_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const reason_names[] = {[ALIAS_BY_JOB] = "job",
                                           [ALIAS_BY_CLIENT] = "client",
                                           [ALIAS_BY_ROLLBACK] = "rollback",
                                           [ALIAS_BY_SWEEP] = "sweep"};
#define REASONS (sizeof reason_names / sizeof *reason_names)

const char *alias_reason_name(enum alias_reason reason)
{
    return reason_names[reason];
}

static enum alias_reason reason_from_name(const char *name)
{
    size_t reason = 0;
    while (reason + 1 < REASONS && strcmp(reason_names[reason], name) != 0)
        reason++;
    return (enum alias_reason)reason;
}

/* ---- Lists ----------------------------------------------------------------------------------------- */

int alias_list_find(const struct alias_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return list->items[i].version;
    return 0;
}

/* "production=3,staging=2": neither character can be in a name. */
void db_column_aliases(sqlite3_stmt *statement, int column, struct alias_list *ret_list)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    ret_list->count = 0;
    while (text && *text && ret_list->count < STORE_ALIASES_MAX) {
        size_t length = strcspn(text, "=");
        snprintf(ret_list->items[ret_list->count].name, sizeof ret_list->items[0].name, "%.*s", (int)length,
                 text);
        ret_list->items[ret_list->count++].version = atoi(text + length + 1);
        text += strcspn(text, ",");
        text += *text == ',';
    }
}

/* ---- Moves ----------------------------------------------------------------------------------------- */

#define ALIAS_KEY(move) db_text((move)->model), db_text((move)->alias)

static struct db_value version_or_null(int version)
{
    return version ? db_integer(version) : db_text(NULL);
}

static enum status read_present(sqlite3 *db, struct alias_move *move, struct error *err)
{
    int64_t version = 0;
    enum status status = db_query_integer(db, "SELECT version FROM aliases WHERE model = ? AND alias = ?",
                                          DB_VALUES(ALIAS_KEY(move)), 0, &version, err);
    move->previous = (int)version;
    return status;
}

static enum status check_version(sqlite3 *db, const struct alias_move *move, struct error *err)
{
    int64_t there = 0, aliases = 0;
    enum status status =
        db_query_integer(db, "SELECT 1 FROM versions WHERE model = ? AND version = ?",
                         DB_VALUES(db_text(move->model), db_integer(move->version)), 0, &there, err);
    if (status == OK)
        status = db_query_integer(db, "SELECT count(*) FROM aliases WHERE model = ? AND alias <> ?",
                                  DB_VALUES(ALIAS_KEY(move)), 0, &aliases, err);
    if (status)
        return status;
    if (!there)
        return error_set(err, ERR_NOT_FOUND, "there is no version %d of a model %s", move->version,
                         move->model);
    if (aliases >= STORE_ALIASES_MAX)
        return error_set(err, ERR_ARGUMENT, "%s has %d aliases, as many as a model may", move->model,
                         STORE_ALIASES_MAX);
    return OK;
}

static enum status write_history(sqlite3 *db, const struct alias_move *move, struct error *err)
{
    enum status status =
        db_run(db,
               "INSERT INTO alias_moves (model, alias, version, previous, reason, job, moved_at)"
               " VALUES (?, ?, ?, ?, ?, ?, ?)",
               DB_VALUES(ALIAS_KEY(move), version_or_null(move->version), version_or_null(move->previous),
                         db_text(reason_names[move->reason]), db_text(*move->job ? move->job : NULL),
                         db_integer(move->moved_at)),
               err);
    return status ? status
                  : db_run(db,
                           "DELETE FROM alias_moves WHERE model = ? AND alias = ? AND id <= (SELECT id FROM"
                           " alias_moves WHERE model = ? AND alias = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                           DB_VALUES(ALIAS_KEY(move), ALIAS_KEY(move), db_integer(STORE_ALIAS_MOVES)), err);
}

static enum status write_alias(sqlite3 *db, const struct alias_move *move, struct error *err)
{
    if (move->version == 0)
        return db_run(db, "DELETE FROM aliases WHERE model = ? AND alias = ?", DB_VALUES(ALIAS_KEY(move)),
                      err);
    return db_run(db, "INSERT OR REPLACE INTO aliases (model, alias, version, moved_at) VALUES (?, ?, ?, ?)",
                  DB_VALUES(ALIAS_KEY(move), db_integer(move->version), db_integer(move->moved_at)), err);
}

static enum status write_event(sqlite3 *db, const struct alias_move *move, struct error *err)
{
    const char *job = *move->job ? move->job : NULL;
    return store_event_run(
        db,
        EVENT_INSERT "VALUES (?, ?, ?, NULL, json_object('model', ?, 'alias', ?, 'version',"
                     " ?, 'previous', ?))",
        DB_VALUES(db_integer(move->moved_at), db_text(event_type_name(EVENT_ALIAS)), db_text(job),
                  ALIAS_KEY(move), version_or_null(move->version), version_or_null(move->previous)),
        err);
}

enum status store_alias_write(sqlite3 *db, struct alias_move *move, struct error *err)
{
    move->moved_at = clock_wall_ms();
    enum status status = read_present(db, move, err);
    if (status || move->previous == move->version)
        return status;
    status = write_alias(db, move, err);
    if (status == OK)
        status = write_history(db, move, err);
    return status ? status : write_event(db, move, err);
}

/* In a transaction: the move, and predictions behind it. */
static enum status move_and_serve(sqlite3 *db, struct alias_move *move, alias_before_commit *before_commit,
                                  void *context, struct error *err)
{
    enum status status = move->version ? check_version(db, move, err) : OK;
    if (status == OK)
        status = store_alias_write(db, move, err);
    if (status == OK && move->version == 0 && move->previous == 0)
        status = error_set(err, ERR_NOT_FOUND, "%s has no alias %s", move->model, move->alias);
    if (status == OK && move->previous != move->version)
        status = before_commit(context, move, err);
    return status;
}

enum status store_alias_move(struct store *store, struct alias_move *move, alias_before_commit *before_commit,
                             void *context, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    return store_end(store, move_and_serve(db, move, before_commit, context, err), err);
}

/* ---- Back ------------------------------------------------------------------------------------------ */

#define MOVE_COLUMNS "id, moved_at, model, alias, version, previous, reason, job"

static enum status read_move(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    (void)err;
    char reason[16];
    struct alias_move *move = ret_record;
    *move = (struct alias_move){.id = sqlite3_column_int64(statement, 0),
                                .moved_at = sqlite3_column_int64(statement, 1),
                                .version = sqlite3_column_int(statement, 4),
                                .previous = sqlite3_column_int(statement, 5)};
    db_column_copy(statement, 2, move->model, sizeof move->model);
    db_column_copy(statement, 3, move->alias, sizeof move->alias);
    db_column_copy(statement, 6, reason, sizeof reason);
    db_column_copy(statement, 7, move->job, sizeof move->job);
    move->reason = reason_from_name(reason);
    return OK;
}

static const struct db_record_kind move_kind = {sizeof(struct alias_move), read_move, NULL};

static enum status check_known(sqlite3 *db, const struct alias_move *move, struct error *err)
{
    int64_t known = 0;
    enum status status =
        db_query_integer(db,
                         "SELECT EXISTS (SELECT 1 FROM alias_moves WHERE model = ?1 AND alias = ?2)"
                         " OR EXISTS (SELECT 1 FROM aliases WHERE model = ?1 AND alias = ?2)",
                         DB_VALUES(ALIAS_KEY(move)), 0, &known, err);
    if (status == OK && !known)
        status = error_set(err, ERR_NOT_FOUND, "%s has no alias %s", move->model, move->alias);
    return status;
}

/* The newest move that was not undone and did not come from a version that is gone, to a version that is there. */
static enum status find_way_back(sqlite3 *db, struct alias_move *move, struct error *err)
{
    struct alias_move last;
    enum status status = check_known(db, move, err);
    if (status)
        return status;
    status = db_read_one(db, &move_kind,
                         "SELECT " MOVE_COLUMNS " FROM alias_moves AS m WHERE model = ? AND alias = ?"
                         " AND NOT undone AND EXISTS (SELECT 1 FROM versions AS v WHERE v.model = m.model"
                         " AND v.version = m.previous) AND previous IS NOT (SELECT version FROM aliases AS a"
                         " WHERE a.model = m.model AND a.alias = m.alias) ORDER BY id DESC LIMIT 1",
                         DB_VALUES(ALIAS_KEY(move)), &last, err);
    if (status == ERR_NOT_FOUND)
        return error_set(err, ERR_ARGUMENT, "%s has no earlier version to go back to", move->alias);
    if (status)
        return status;
    move->version = last.previous;
    move->reason = ALIAS_BY_ROLLBACK;
    return db_run(db, "UPDATE alias_moves SET undone = 1 WHERE model = ? AND alias = ? AND id >= ?",
                  DB_VALUES(ALIAS_KEY(move), db_integer(last.id)), err);
}

/* A rollback is not to be undone by the next one: that goes one further back. */
static enum status settle(sqlite3 *db, const struct alias_move *move, struct error *err)
{
    return db_run(db, "UPDATE alias_moves SET undone = 1 WHERE model = ? AND alias = ? AND reason = ?",
                  DB_VALUES(ALIAS_KEY(move), db_text(reason_names[ALIAS_BY_ROLLBACK])), err);
}

enum status store_alias_rollback(struct store *store, struct alias_move *move,
                                 alias_before_commit *before_commit, void *context, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    status = find_way_back(db, move, err);
    if (status == OK)
        status = store_alias_write(db, move, err);
    if (status == OK)
        status = settle(db, move, err);
    if (status == OK)
        status = before_commit(context, move, err);
    return store_end(store, status, err);
}

enum status store_alias_history(struct store *store, const char *model, const char *alias, int64_t before,
                                size_t limit, struct alias_move **ret_moves, size_t *ret_count,
                                bool *ret_has_more, struct error *err)
{
    void *moves;
    size_t count;
    struct alias_move key = {.id = 0};
    snprintf(key.model, sizeof key.model, "%s", model);
    snprintf(key.alias, sizeof key.alias, "%s", alias);
    sqlite3 *db = store_read_begin(store);
    enum status status = check_known(db, &key, err);
    if (status == OK)
        status = db_read_all(db, &move_kind,
                             "SELECT " MOVE_COLUMNS " FROM alias_moves WHERE model = ? AND alias = ?"
                             " AND id < ? ORDER BY id DESC LIMIT ?",
                             DB_VALUES(ALIAS_KEY(&key), db_integer(before ? before : INT64_MAX),
                                       db_integer((int64_t)limit + 1)),
                             &moves, &count, err);
    store_read_end(store);
    if (status)
        return status;
    *ret_has_more = db_drop_extra(&move_kind, moves, &count, limit);
    *ret_moves = moves;
    *ret_count = count;
    return OK;
}
