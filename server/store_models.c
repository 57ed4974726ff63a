#include "server/store_models.h"

#include "server/clock.h"
#include "server/store_db.h"

#include <stdlib.h>
#include <string.h>

/* ---- Versions -------------------------------------------------------------------------------------- */

#define VERSION_COLUMNS                                                                                      \
    "model, version, created_at, job_id, config, train_digest, test_digest, core_type, code_version,"        \
    " parameters, weights_digest, file_digest, file_bytes, test_loss, test_accuracy, validation_loss,"       \
    " validation_accuracy, training_seconds"
#define VERSION_QUERY                                                                                        \
    "SELECT " VERSION_COLUMNS                                                                                \
    ", " ALIASES_OF("model = v.model AND version = v.version") " FROM versions AS v "

void version_record_clear(struct version_record *record)
{
    free(record->config);
    *record = (struct version_record){0};
}

static void clear_version(void *record)
{
    version_record_clear(record);
}

static enum status read_version(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    struct version_record version = {
        .version = sqlite3_column_int(statement, 1),
        .created_at = sqlite3_column_int64(statement, 2),
        .parameters = sqlite3_column_int64(statement, 9),
        .file_bytes = sqlite3_column_int64(statement, 12),
        .test_loss = db_column_real(statement, 13),
        .test_accuracy = db_column_real(statement, 14),
        .validation_loss = db_column_real(statement, 15),
        .validation_accuracy = db_column_real(statement, 16),
        .training_seconds = db_column_real(statement, 17),
    };
    db_column_copy(statement, 0, version.model, sizeof version.model);
    db_column_copy(statement, 3, version.job_id, sizeof version.job_id);
    db_column_copy(statement, 5, version.train_digest, sizeof version.train_digest);
    db_column_copy(statement, 6, version.test_digest, sizeof version.test_digest);
    db_column_copy(statement, 7, version.core_type, sizeof version.core_type);
    db_column_copy(statement, 8, version.code_version, sizeof version.code_version);
    db_column_copy(statement, 10, version.weights_digest, sizeof version.weights_digest);
    db_column_copy(statement, 11, version.file_digest, sizeof version.file_digest);
    db_column_aliases(statement, 18, &version.aliases);
    if (!db_column_duplicate(statement, 4, &version.config))
        return error_set(err, ERR_MEMORY, "no memory for a version's record");
    if (version.config && *version.config == '\0') {
        free(version.config);
        version.config = NULL;
    }
    *(struct version_record *)ret_record = version;
    return OK;
}

static const struct db_record_kind version_kind = {sizeof(struct version_record), read_version,
                                                   clear_version};

static enum status insert_version(sqlite3 *db, const struct version_record *version, int64_t now,
                                  struct error *err)
{
    return db_run(db,
                  "INSERT INTO versions (" VERSION_COLUMNS ")"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  DB_VALUES(db_text(version->model), db_integer(version->version), db_integer(now),
                            db_text(version->job_id), db_text(version->config ? version->config : ""),
                            db_text(version->train_digest), db_text(version->test_digest),
                            db_text(version->core_type), db_text(version->code_version),
                            db_integer(version->parameters), db_text(version->weights_digest),
                            db_text(version->file_digest), db_integer(version->file_bytes),
                            db_real(version->test_loss), db_real(version->test_accuracy),
                            db_real(version->validation_loss), db_real(version->validation_accuracy),
                            db_real(version->training_seconds)),
                  err);
}

enum status store_version_insert(sqlite3 *db, const struct version_record *version, bool promote,
                                 struct error *err)
{
    int64_t now = clock_wall_ms();
    struct db_value model = db_text(version->model), number = db_integer(version->version);
    enum status status = db_run(db,
                                "INSERT INTO models (name, last_version, created_at) VALUES (?, ?, ?)"
                                " ON CONFLICT (name) DO UPDATE SET last_version = excluded.last_version",
                                DB_VALUES(model, number, db_integer(now)), err);
    if (status == OK)
        status = insert_version(db, version, now, err);
    if (status == OK && version->evaluation)
        status = store_evaluation_insert(db, version->model, version->version, version->evaluation, err);
    if (status == OK && promote) {
        struct alias_move move = {.alias = ALIAS_PRODUCTION, .version = version->version};
        memcpy(move.model, version->model, sizeof move.model);
        memcpy(move.job, version->job_id, sizeof move.job);
        status = store_alias_write(db, &move, err);
    }
    return status;
}

enum status store_version_add(struct store *store, struct version_record *version, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    version->created_at = clock_wall_ms();
    return store_end(store, store_version_insert(db, version, false, err), err);
}

static enum status delete_version(sqlite3 *db, const char *model, int version, struct error *err)
{
    struct version_record record;
    const struct db_values *key = DB_VALUES(db_text(model), db_integer(version));
    enum status status =
        db_read_one(db, &version_kind, VERSION_QUERY "WHERE model = ? AND version = ?", key, &record, err);
    if (status == ERR_NOT_FOUND)
        error_set(err, status, "there is no version %d of a model %s", version, model);
    if (status)
        return status;
    struct alias_list aliases = record.aliases;
    version_record_clear(&record);
    if (aliases.count)
        return error_set(err, ERR_ARGUMENT, "the alias %s points to %s version %d", aliases.items[0].name,
                         model, version);
    return db_run(db, "DELETE FROM versions WHERE model = ? AND version = ?", key, err);
}

enum status store_version_delete(struct store *store, const char *model, int version, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    return status ? status : store_end(store, delete_version(db, model, version, err), err);
}

enum status store_version_read(struct store *store, const char *model, int version,
                               struct version_record *ret_record, struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_one(db, &version_kind, VERSION_QUERY "WHERE model = ? AND version = ?",
                                     DB_VALUES(db_text(model), db_integer(version)), ret_record, err);
    store_read_end(store);
    if (status == ERR_NOT_FOUND)
        error_set(err, status, "there is no version %d of a model %s", version, model);
    return status;
}

enum status store_version_list(struct store *store, const char *model, int before, size_t limit,
                               struct version_record **ret_records, size_t *ret_count, bool *ret_has_more,
                               struct error *err)
{
    void *records;
    size_t count;
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_all(
        db, &version_kind, VERSION_QUERY "WHERE model = ? AND version < ? ORDER BY version DESC LIMIT ?",
        DB_VALUES(db_text(model), db_integer(before ? before : INT64_MAX), db_integer((int64_t)limit + 1)),
        &records, &count, err);
    store_read_end(store);
    if (status)
        return status;
    *ret_has_more = db_drop_extra(&version_kind, records, &count, limit);
    *ret_records = records;
    *ret_count = count;
    return OK;
}

enum status store_version_of_job(struct store *store, const char *model, const char *job, int *ret_version,
                                 struct error *err)
{
    int64_t version;
    sqlite3 *db = store_read_begin(store);
    enum status status =
        db_query_integer(db, "SELECT max(version) FROM versions WHERE model = ? AND job_id = ?",
                         DB_VALUES(db_text(model), db_text(job)), 0, &version, err);
    store_read_end(store);
    if (status == OK)
        *ret_version = (int)version;
    return status;
}

enum status store_version_next(struct store *store, const char *model, int *ret_version, struct error *err)
{
    int64_t last;
    sqlite3 *db = store_read_begin(store);
    enum status status = db_query_integer(db, "SELECT last_version FROM models WHERE name = ?",
                                          DB_VALUES(db_text(model)), 0, &last, err);
    store_read_end(store);
    if (status == OK)
        *ret_version = (int)last + 1;
    return status;
}

/* ---- Models ---------------------------------------------------------------------------------------- */

#define MODEL_QUERY "SELECT name, created_at, last_version, " ALIASES_OF("model = name") " FROM models"

static enum status read_model(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    (void)err;
    struct model_record *model = ret_record;
    db_column_copy(statement, 0, model->name, sizeof model->name);
    model->created_at = sqlite3_column_int64(statement, 1);
    model->last_version = sqlite3_column_int(statement, 2);
    db_column_aliases(statement, 3, &model->aliases);
    model->production = alias_list_find(&model->aliases, ALIAS_PRODUCTION);
    return OK;
}

static const struct db_record_kind model_kind = {sizeof(struct model_record), read_model, NULL};

enum status store_model_read(struct store *store, const char *name, struct model_record *ret_record,
                             struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_one(db, &model_kind, MODEL_QUERY " WHERE name = ?", DB_VALUES(db_text(name)),
                                     ret_record, err);
    store_read_end(store);
    if (status == ERR_NOT_FOUND)
        error_set(err, status, "there is no model %s", name);
    return status;
}

enum status store_model_list(struct store *store, const char *after, size_t limit,
                             struct model_record **ret_records, size_t *ret_count, bool *ret_has_more,
                             struct error *err)
{
    void *records;
    size_t count;
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_all(db, &model_kind, MODEL_QUERY " WHERE name > ? ORDER BY name LIMIT ?",
                                     DB_VALUES(db_text(after ? after : ""), db_integer((int64_t)limit + 1)),
                                     &records, &count, err);
    store_read_end(store);
    if (status)
        return status;
    *ret_has_more = db_drop_extra(&model_kind, records, &count, limit);
    *ret_records = records;
    *ret_count = count;
    return OK;
}
