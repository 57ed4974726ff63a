#include "server/store_evaluations.h"

#include "server/store_db.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const dataset_split_names[] = {[SPLIT_TRAIN] = "train", [SPLIT_TEST] = "test", NULL};

void evaluation_record_clear(struct evaluation_record *record)
{
    free(record->details);
    *record = (struct evaluation_record){0};
}

static enum status read_evaluation(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    struct evaluation_record evaluation = {.evaluated_at = sqlite3_column_int64(statement, 1),
                                           .images = sqlite3_column_int64(statement, 2),
                                           .loss = db_column_real(statement, 3),
                                           .accuracy = db_column_real(statement, 4)};
    db_column_copy(statement, 0, evaluation.digest, sizeof evaluation.digest);
    if (!db_column_duplicate(statement, 5, &evaluation.details))
        return error_set(err, ERR_MEMORY, "no memory for an evaluation");
    *(struct evaluation_record *)ret_record = evaluation;
    return OK;
}

static const struct db_record_kind evaluation_kind = {sizeof(struct evaluation_record), read_evaluation,
                                                      NULL};

enum status store_evaluation_read(struct store *store, const char *model, int version, const char *dataset,
                                  enum split split, struct evaluation_record *ret_record, struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_one(
        db, &evaluation_kind,
        "SELECT digest, evaluated_at, images, loss, accuracy, details FROM evaluations"
        " WHERE model = ? AND version = ? AND dataset = ? AND split = ?",
        DB_VALUES(db_text(model), db_integer(version), db_text(dataset), db_text(dataset_split_names[split])),
        ret_record, err);
    store_read_end(store);
    if (status == ERR_NOT_FOUND)
        return error_set(err, status, "%s version %d was not evaluated on %s", model, version, dataset);
    if (status == OK) {
        snprintf(ret_record->dataset, sizeof ret_record->dataset, "%s", dataset);
        ret_record->split = split;
    }
    return status;
}

enum status store_evaluation_insert(sqlite3 *db, const char *model, int version,
                                    const struct evaluation_record *evaluation, struct error *err)
{
    return db_run(db,
                  "INSERT OR REPLACE INTO evaluations (model, version, dataset, split, digest, evaluated_at,"
                  " images, loss, accuracy, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  DB_VALUES(db_text(model), db_integer(version), db_text(evaluation->dataset),
                            db_text(dataset_split_names[evaluation->split]), db_text(evaluation->digest),
                            db_integer(evaluation->evaluated_at), db_integer(evaluation->images),
                            db_real(evaluation->loss), db_real(evaluation->accuracy),
                            db_text(evaluation->details)),
                  err);
}

static enum status put(sqlite3 *db, const char *model, int version, const struct evaluation_record *record,
                       struct error *err)
{
    int64_t there;
    enum status status = db_query_integer(db, "SELECT count(*) FROM versions WHERE model = ? AND version = ?",
                                          DB_VALUES(db_text(model), db_integer(version)), 0, &there, err);
    if (status)
        return status;
    if (!there)
        return error_set(err, ERR_NOT_FOUND, "there is no version %d of a model %s", version, model);
    return store_evaluation_insert(db, model, version, record, err);
}

enum status store_evaluation_put(struct store *store, const char *model, int version,
                                 const struct evaluation_record *record, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    return status ? status : store_end(store, put(db, model, version, record, err), err);
}

static enum status read_accuracy(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    (void)err;
    *(double *)ret_record = db_column_real(statement, 0);
    return OK;
}

static const struct db_record_kind accuracy_kind = {sizeof(double), read_accuracy, NULL};

enum status store_version_accuracy(struct store *store, const char *model, int version, const char *digest,
                                   double *ret_accuracy, struct error *err)
{
    struct db_value name = db_text(model), number = db_integer(version), images = db_text(digest);
    sqlite3 *db = store_read_begin(store);
    enum status status =
        db_read_one(db, &accuracy_kind,
                    "SELECT test_accuracy FROM versions"
                    " WHERE model = ? AND version = ? AND test_digest = ? AND test_accuracy IS NOT NULL"
                    " UNION ALL SELECT accuracy FROM evaluations"
                    " WHERE model = ? AND version = ? AND digest = ? AND accuracy IS NOT NULL LIMIT 1",
                    DB_VALUES(name, number, images, name, number, images), ret_accuracy, err);
    store_read_end(store);
    if (status != ERR_NOT_FOUND)
        return status;
    *ret_accuracy = NAN;
    return OK;
}
