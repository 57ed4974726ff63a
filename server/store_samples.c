#include "server/store_samples.h"

#include "server/clock.h"
#include "server/store_db.h"

#include <stdlib.h>
#include <string.h>

/* ---- Datasets -------------------------------------------------------------------------------------- */

#define OWN_COLUMNS "name, revision, oldest"

static enum status read_own(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    (void)err;
    struct own_dataset *own = ret_record;
    *own = (struct own_dataset){.revision = sqlite3_column_int64(statement, 1),
                                .oldest = sqlite3_column_int64(statement, 2)};
    db_column_copy(statement, 0, own->name, sizeof own->name);
    return OK;
}

static const struct db_record_kind own_kind = {sizeof(struct own_dataset), read_own, NULL};

static enum status find_own(sqlite3 *db, const char *name, struct own_dataset *ret_own, struct error *err)
{
    enum status status = db_read_one(db, &own_kind, "SELECT " OWN_COLUMNS " FROM own_datasets WHERE name = ?",
                                     DB_VALUES(db_text(name)), ret_own, err);
    if (status == ERR_NOT_FOUND)
        return error_set(err, status, "there is no dataset \"%s\" of your own", name);
    return status;
}

enum status store_own_read(struct store *store, const char *name, struct own_dataset *ret_own,
                           struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = find_own(db, name, ret_own, err);
    store_read_end(store);
    return status;
}

enum status store_own_list(struct store *store, struct own_dataset **ret_owns, size_t *ret_count,
                           struct error *err)
{
    void *owns;
    sqlite3 *db = store_read_begin(store);
    enum status status =
        db_read_all(db, &own_kind, "SELECT " OWN_COLUMNS " FROM own_datasets ORDER BY name LIMIT ?",
                    DB_VALUES(db_integer(OWN_DATASETS_MAX)), &owns, ret_count, err);
    store_read_end(store);
    if (status == OK)
        *ret_owns = owns;
    return status;
}

/* Whether something that has not ended trains on the dataset: it needs the images of the revision that it began with. */
static enum status is_in_use(sqlite3 *db, const char *name, bool *ret_in_use, struct error *err)
{
    int64_t used = 0;
    enum status status = db_query_integer(
        db,
        "SELECT EXISTS (SELECT 1 FROM jobs, json_each(jobs.config, '$.datasets') AS part"
        "  WHERE jobs.state IN ('queued', 'running', 'paused') AND part.value ->> 'name' = ?1)"
        " OR EXISTS (SELECT 1 FROM sweeps JOIN trials ON trials.sweep = sweeps.seq,"
        "  json_each(trials.config, '$.datasets') AS part"
        "  WHERE sweeps.state NOT IN ('succeeded', 'failed', 'cancelled') AND part.value ->> 'name' = ?1)",
        DB_VALUES(db_text(name)), 0, &used, err);
    if (status == OK)
        *ret_in_use = used;
    return status;
}

enum status store_own_check(sqlite3 *db, const char *config, struct error *err)
{
    int64_t lost;
    enum status status = db_query_integer(
        db,
        "SELECT count(*) FROM json_each(?, '$.datasets') AS part"
        " WHERE part.value ->> 'revision' IS NOT NULL AND NOT EXISTS (SELECT 1 FROM own_datasets"
        "  WHERE name = part.value ->> 'name' AND part.value ->> 'revision' BETWEEN oldest AND revision)",
        DB_VALUES(db_text(config)), 0, &lost, err);
    if (status == OK && lost)
        status = error_set(err, ERR_CHANGED, "own data to train on was removed in this moment: try again");
    return status;
}

static enum status delete_own(sqlite3 *db, const char *name, bool *ret_in_use, struct error *err)
{
    struct own_dataset own;
    bool in_use = false;
    enum status status = find_own(db, name, &own, err);
    if (status == OK)
        status = is_in_use(db, name, &in_use, err);
    if (status == OK && !in_use) /* its samples go with it */
        status = db_run(db, "DELETE FROM own_datasets WHERE name = ?", DB_VALUES(db_text(name)), err);
    if (status == OK)
        *ret_in_use = in_use;
    return status;
}

enum status store_own_delete(struct store *store, const char *name, bool *ret_in_use, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    return status ? status : store_end(store, delete_own(db, name, ret_in_use, err), err);
}

/* ---- Changes --------------------------------------------------------------------------------------- */

/* A number larger than all that were given before. */
static enum status next_revision(sqlite3 *db, int64_t *ret_revision, struct error *err)
{
    enum status status = db_run(db, "INSERT INTO own_revisions DEFAULT VALUES", DB_NO_VALUES, err);
    if (status)
        return status;
    *ret_revision = sqlite3_last_insert_rowid(db);
    return db_run(db, "DELETE FROM own_revisions", DB_NO_VALUES, err); /* SQLite keeps the largest */
}

static enum status set_revision(sqlite3 *db, const char *name, int64_t revision, struct error *err)
{
    return db_run(db, "UPDATE own_datasets SET revision = ? WHERE name = ?",
                  DB_VALUES(db_integer(revision), db_text(name)), err);
}

static enum status count_rows(sqlite3 *db, const char *sql, const char *name, int64_t *ret_count,
                              struct error *err)
{
    return db_query_integer(db, sql, DB_VALUES(db_text(name)), 0, ret_count, err);
}

static enum status make_own(sqlite3 *db, const char *name, int64_t revision, struct error *err)
{
    struct own_dataset own;
    int64_t count;
    enum status status = find_own(db, name, &own, err);
    if (status != ERR_NOT_FOUND)
        return status;
    status = count_rows(db, "SELECT count(*) FROM own_datasets WHERE name <> ?", name, &count, err);
    if (status)
        return status;
    if (count >= OWN_DATASETS_MAX)
        return error_set(err, ERR_ARGUMENT, "there are %d datasets of your own already, as many as may be",
                         OWN_DATASETS_MAX);
    return db_run(
        db, "INSERT INTO own_datasets (name, revision, oldest, created_at) VALUES (?, ?, ?, ?)",
        DB_VALUES(db_text(name), db_integer(revision), db_integer(revision), db_integer(clock_wall_ms())),
        err);
}

static enum status check_room(sqlite3 *db, const char *name, size_t wanted, struct error *err)
{
    int64_t rows;
    enum status status = count_rows(db, "SELECT count(*) FROM samples WHERE dataset = ?", name, &rows, err);
    if (status == OK && rows + (int64_t)wanted > OWN_SAMPLES_MAX)
        status =
            error_set(err, ERR_ARGUMENT, "%s holds %lld images; with %zu more it would pass the limit of %d",
                      name, (long long)rows, wanted, OWN_SAMPLES_MAX);
    return status;
}

static enum status insert_samples(sqlite3 *db, const char *name, int64_t revision,
                                  const struct sample_batch *batch, int64_t *ret_first, struct error *err)
{
    int64_t now = clock_wall_ms();
    for (size_t i = 0; i < batch->count; i++) {
        enum status status = db_run(
            db, "INSERT INTO samples (dataset, label, pixels, added, created_at) VALUES (?, ?, ?, ?, ?)",
            DB_VALUES(db_text(name), db_integer(batch->labels[i]), db_blob(batch->images[i], IMAGE_PIXELS),
                      db_integer(revision), db_integer(now)),
            err);
        if (status)
            return status;
        if (i == 0)
            *ret_first = sqlite3_last_insert_rowid(db);
    }
    return OK;
}

static enum status add_samples(sqlite3 *db, const char *name, const struct sample_batch *batch,
                               int64_t *ret_first, int64_t *ret_count, struct error *err)
{
    int64_t revision;
    enum status status = next_revision(db, &revision, err);
    if (status == OK)
        status = make_own(db, name, revision, err);
    if (status == OK)
        status = check_room(db, name, batch->count, err);
    if (status == OK)
        status = insert_samples(db, name, revision, batch, ret_first, err);
    if (status == OK)
        status = set_revision(db, name, revision, err);
    if (status == OK)
        status = count_rows(db, "SELECT count(*) FROM samples WHERE dataset = ? AND deleted IS NULL", name,
                            ret_count, err);
    return status;
}

enum status store_samples_add(struct store *store, const char *name, const struct sample_batch *batch,
                              int64_t *ret_first, int64_t *ret_count, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    return status ? status : store_end(store, add_samples(db, name, batch, ret_first, ret_count, err), err);
}

/* Removes for good what was deleted, unless a job may want it. */
static enum status purge(sqlite3 *db, const char *name, int64_t revision, struct error *err)
{
    bool in_use;
    enum status status = is_in_use(db, name, &in_use, err);
    if (status || in_use)
        return status;
    status = db_run(db, "DELETE FROM samples WHERE dataset = ? AND deleted IS NOT NULL",
                    DB_VALUES(db_text(name)), err);
    if (status)
        return status;
    return db_run(db, "UPDATE own_datasets SET oldest = ? WHERE name = ?",
                  DB_VALUES(db_integer(revision), db_text(name)), err);
}

static enum status delete_sample(sqlite3 *db, const char *name, int64_t id, bool held, struct error *err)
{
    struct own_dataset own;
    int64_t revision;
    enum status status = find_own(db, name, &own, err);
    if (status == OK)
        status = next_revision(db, &revision, err);
    if (status == OK)
        status = db_run(db, "UPDATE samples SET deleted = ? WHERE dataset = ? AND id = ? AND deleted IS NULL",
                        DB_VALUES(db_integer(revision), db_text(name), db_integer(id)), err);
    if (status == OK && sqlite3_changes(db) == 0)
        status = error_set(err, ERR_NOT_FOUND, "%s has no sample %lld", name, (long long)id);
    if (status == OK)
        status = set_revision(db, name, revision, err);
    return status || held ? status : purge(db, name, revision, err);
}

enum status store_sample_delete(struct store *store, const char *name, int64_t id, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    return status ? status
                  : store_end(store, delete_sample(db, name, id, store_own_is_held(store), err), err);
}

/* ---- Reading --------------------------------------------------------------------------------------- */

static enum status read_sample(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    (void)err;
    *(struct sample_record *)ret_record =
        (struct sample_record){.id = sqlite3_column_int64(statement, 0),
                               .label = sqlite3_column_int(statement, 1),
                               .created_at = sqlite3_column_int64(statement, 2)};
    return OK;
}

static const struct db_record_kind sample_kind = {sizeof(struct sample_record), read_sample, NULL};

enum status store_sample_list(struct store *store, const char *name, const struct sample_filter *filter,
                              struct sample_record **ret_samples, size_t *ret_count, bool *ret_has_more,
                              struct error *err)
{
    struct own_dataset own;
    void *samples;
    sqlite3 *db = store_read_begin(store);
    enum status status = find_own(db, name, &own, err);
    if (status == OK)
        status = db_read_all(db, &sample_kind,
                             "SELECT id, label, created_at FROM samples WHERE dataset = ?1"
                             " AND deleted IS NULL AND (?2 < 0 OR label = ?2) AND id < ?3"
                             " ORDER BY id DESC LIMIT ?4",
                             DB_VALUES(db_text(name), db_integer(filter->label),
                                       db_integer(filter->before ? filter->before : INT64_MAX),
                                       db_integer((int64_t)filter->limit + 1)),
                             &samples, ret_count, err);
    store_read_end(store);
    if (status)
        return status;
    *ret_has_more = db_drop_extra(&sample_kind, samples, ret_count, filter->limit);
    *ret_samples = samples;
    return OK;
}

static enum status read_pixels(sqlite3_stmt *statement, int column, uint8_t *ret_image, struct error *err)
{
    const void *pixels = sqlite3_column_blob(statement, column);
    if (!pixels || sqlite3_column_bytes(statement, column) != IMAGE_PIXELS)
        return error_set(err, ERR_IO, "a sample in the database has not %d pixels", IMAGE_PIXELS);
    memcpy(ret_image, pixels, IMAGE_PIXELS);
    return OK;
}

static enum status read_image(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    return read_pixels(statement, 0, ret_record, err);
}

static const struct db_record_kind image_kind = {IMAGE_PIXELS, read_image, NULL};

enum status store_sample_image(struct store *store, const char *name, int64_t id,
                               uint8_t ret_image[IMAGE_PIXELS], struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_one(
        db, &image_kind, "SELECT pixels FROM samples WHERE dataset = ? AND id = ? AND deleted IS NULL",
        DB_VALUES(db_text(name), db_integer(id)), ret_image, err);
    store_read_end(store);
    if (status == ERR_NOT_FOUND)
        return error_set(err, status, "%s has no sample %lld", name, (long long)id);
    return status;
}

/* An image and its label, as a row of a revision. */
struct labelled {
    uint8_t image[IMAGE_PIXELS];
    uint8_t label;
};

static enum status read_labelled(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    struct labelled *row = ret_record;
    row->label = (uint8_t)sqlite3_column_int(statement, 1);
    return read_pixels(statement, 0, row->image, err);
}

static const struct db_record_kind labelled_kind = {sizeof(struct labelled), read_labelled, NULL};

static enum status read_revision(sqlite3 *db, const char *name, int64_t revision, void **ret_rows,
                                 size_t *ret_count, struct error *err)
{
    struct own_dataset own;
    enum status status = find_own(db, name, &own, err);
    if (status)
        return status;
    if (revision < own.oldest || revision > own.revision)
        return error_set(err, ERR_CHANGED, "revision %lld of %s cannot be read: there are %lld to %lld",
                         (long long)revision, name, (long long)own.oldest, (long long)own.revision);
    return db_read_all(db, &labelled_kind,
                       "SELECT pixels, label FROM samples WHERE dataset = ?1 AND added <= ?2"
                       " AND (deleted IS NULL OR deleted > ?2) ORDER BY id LIMIT ?3",
                       DB_VALUES(db_text(name), db_integer(revision), db_integer(OWN_SAMPLES_MAX)), ret_rows,
                       ret_count, err);
}

/* The rows as a dataset wants them: images, then labels. */
static enum status make_dataset(const struct labelled *rows, size_t count, struct dataset **ret_dataset,
                                struct error *err)
{
    uint8_t *images = malloc(count * (IMAGE_PIXELS + 1));
    if (!images)
        return error_set(err, ERR_MEMORY, "no memory for %zu images", count);
    uint8_t *labels = images + count * IMAGE_PIXELS;
    for (size_t i = 0; i < count; i++) {
        memcpy(images + i * IMAGE_PIXELS, rows[i].image, IMAGE_PIXELS);
        labels[i] = rows[i].label;
    }
    enum status status = dataset_create(images, labels, count, ret_dataset, err);
    free(images);
    return status;
}

enum status store_samples_load(struct store *store, const char *name, int64_t revision,
                               struct dataset **ret_dataset, struct error *err)
{
    void *rows = NULL;
    size_t count = 0;
    sqlite3 *db = store_read_begin(store);
    enum status status = read_revision(db, name, revision, &rows, &count, err);
    store_read_end(store);
    if (status)
        return status;
    status = count ? make_dataset(rows, count, ret_dataset, err)
                   : error_set(err, ERR_NOT_FOUND, "%s has no images", name);
    free(rows);
    return status;
}
