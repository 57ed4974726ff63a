#include "server/store_jobs.h"

#include "server/clock.h"
#include "server/store_db.h"

#include <stdlib.h>
#include <string.h>

/* ---- Rows ------------------------------------------------------------------------------------------ */

#define JOB_COLUMNS                                                                                          \
    "id, state, created_at, started_at, finished_at, config, result, error, sweep, priority, position,"      \
    " steps_per_epoch"

/* The rows of jobs, each with its place in the queue; a statement goes on with WHERE. */
#define SELECT_JOBS                                                                                          \
    "WITH queue AS MATERIALIZED (SELECT seq, row_number() OVER (ORDER BY priority DESC, seq) AS position"    \
    " FROM jobs WHERE state = 'queued') SELECT " JOB_COLUMNS " FROM jobs LEFT JOIN queue USING (seq) "

void job_record_clear(struct job_record *record)
{
    free(record->config);
    free(record->result);
    free(record->error);
    *record = (struct job_record){0};
}

static void clear_job(void *record)
{
    job_record_clear(record);
}

static enum status read_state(sqlite3_stmt *statement, int column, enum job_state *ret_state,
                              struct error *err)
{
    char name[16];
    if (!db_column_copy(statement, column, name, sizeof name) || !job_state_from_name(name, ret_state))
        return error_set(err, ERR_FORMAT, "database: a job is in the unknown state \"%s\"", name);
    return OK;
}

static enum status read_job(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    struct job_record job = {0};
    enum status status = read_state(statement, 1, &job.state, err);
    if (status)
        return status;
    db_column_copy(statement, 0, job.id, sizeof job.id);
    job.created_at = sqlite3_column_int64(statement, 2);
    job.started_at = sqlite3_column_int64(statement, 3);
    job.finished_at = sqlite3_column_int64(statement, 4);
    db_column_copy(statement, 8, job.sweep, sizeof job.sweep);
    job.priority = sqlite3_column_int(statement, 9);
    job.position = sqlite3_column_int64(statement, 10);
    job.steps_per_epoch = sqlite3_column_int64(statement, 11);
    if (!db_column_duplicate(statement, 5, &job.config) || !db_column_duplicate(statement, 6, &job.result) ||
        !db_column_duplicate(statement, 7, &job.error)) {
        job_record_clear(&job);
        return error_set(err, ERR_MEMORY, "no memory for a job's record");
    }
    *(struct job_record *)ret_record = job;
    return OK;
}

static const struct db_record_kind job_kind = {sizeof(struct job_record), read_job, clear_job};

/* ---- Events ---------------------------------------------------------------------------------------- */

/* Parts of a transaction. `from` is NULL for a new job, `error` unless it failed. */
static enum status note_state(sqlite3 *db, const char *id, const char *from, const char *error,
                              struct error *err)
{
    struct db_value now = db_integer(clock_wall_ms());
    if (!error)
        return store_event_run(db,
                               EVENT_INSERT
                               "SELECT ?, 'state', id, sweep, json_object('from', ?, 'to', state)"
                               " FROM jobs WHERE id = ?",
                               DB_VALUES(now, db_text(from), db_text(id)), err);
    return store_event_run(db,
                           EVENT_INSERT "SELECT ?, 'state', id, sweep,"
                                        " json_object('from', ?, 'to', state, 'error', json(?))"
                                        " FROM jobs WHERE id = ?",
                           DB_VALUES(now, db_text(from), db_text(error), db_text(id)), err);
}

static enum status note_epoch(sqlite3 *db, int64_t job, int epoch, struct error *err)
{
    return store_event_run(db,
                           EVENT_INSERT "SELECT ?, 'metrics', id, sweep, json_object('epoch', epoch,"
                                        " 'train_loss', train_loss, 'train_accuracy', train_accuracy,"
                                        " 'validation_loss', validation_loss,"
                                        " 'validation_accuracy', validation_accuracy, 'seconds', seconds)"
                                        " FROM epochs JOIN jobs ON jobs.seq = epochs.job"
                                        " WHERE epochs.job = ? AND epoch = ?",
                           DB_VALUES(db_integer(clock_wall_ms()), db_integer(job), db_integer(epoch)), err);
}

/* ---- Jobs ------------------------------------------------------------------------------------------ */

static enum job_insert_result check_key(sqlite3 *db, const char *key, const char *digest, char *ret_id,
                                        struct error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    if (!key)
        return JOB_INSERTED;
    if (db_query(db, "SELECT id, request_digest = ? FROM jobs WHERE idempotency_key = ?",
                 DB_VALUES(db_text(digest), db_text(key)), &statement, err))
        return JOB_INSERT_FAILED;
    enum job_insert_result result = db_next(statement, &row, err) ? JOB_INSERT_FAILED : JOB_INSERTED;
    if (row) {
        db_column_copy(statement, 0, ret_id, JOB_ID_LENGTH + 1);
        result = sqlite3_column_int(statement, 1) ? JOB_REPEATED : JOB_KEY_REUSED;
    }
    sqlite3_finalize(statement);
    return result;
}

enum job_insert_result store_job_find_key(struct store *store, const char *key, const char *digest,
                                          char ret_id[JOB_ID_LENGTH + 1], struct error *err)
{
    char id[JOB_ID_LENGTH + 1] = "";
    enum job_insert_result result = check_key(store_read_begin(store), key, digest, id, err);
    store_read_end(store);
    if (result == JOB_REPEATED)
        memcpy(ret_id, id, sizeof id);
    return result;
}

static enum job_insert_result insert_new(sqlite3 *db, const struct job_insert *insert, char *ret_id,
                                         struct error *err)
{
    int64_t waiting;
    if (db_query_integer(db, "SELECT count(*) FROM jobs WHERE state = 'queued'", DB_NO_VALUES, 0, &waiting,
                         err))
        return JOB_INSERT_FAILED;
    if (waiting >= (int64_t)insert->queue_limit)
        return JOB_QUEUE_FULL;
    job_id_create(ret_id);
    if (db_run(db,
               "INSERT INTO jobs (id, state, config, created_at, idempotency_key, request_digest, sweep,"
               " priority) VALUES (?, 'queued', ?, ?, ?, ?, ?, ?)",
               DB_VALUES(db_text(ret_id), db_text(insert->config), db_integer(clock_wall_ms()),
                         db_text(insert->idempotency_key), db_text(insert->request_digest),
                         db_text(insert->sweep), db_integer(insert->priority)),
               err) ||
        note_state(db, ret_id, NULL, NULL, err))
        return JOB_INSERT_FAILED;
    return JOB_INSERTED;
}

enum job_insert_result store_job_insert(struct store *store, const struct job_insert *insert,
                                        char ret_id[JOB_ID_LENGTH + 1], struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    if (status)
        return JOB_INSERT_FAILED;
    char id[JOB_ID_LENGTH + 1] = "";
    enum job_insert_result result = check_key(db, insert->idempotency_key, insert->request_digest, id, err);
    if (result == JOB_INSERTED && store_own_check(db, insert->config, err))
        result = JOB_INSERT_FAILED;
    if (result == JOB_INSERTED)
        result = insert_new(db, insert, id, err);
    if (store_end(store, result == JOB_INSERT_FAILED ? ERR_IO : OK, err))
        return JOB_INSERT_FAILED;
    memcpy(ret_id, id, sizeof id);
    return result;
}

static enum status not_found(enum status status, const char *id, struct error *err)
{
    return status == ERR_NOT_FOUND ? error_set(err, status, "there is no job %s", id) : status;
}

enum status store_job_read(struct store *store, const char *id, struct job_record *ret_record,
                           struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status =
        db_read_one(db, &job_kind, SELECT_JOBS "WHERE id = ?", DB_VALUES(db_text(id)), ret_record, err);
    store_read_end(store);
    return not_found(status, id, err);
}

static enum status list_jobs(sqlite3 *db, const struct job_filter *filter, void **ret_records,
                             size_t *ret_count, struct error *err)
{
    int64_t before = INT64_MAX;
    if (filter->after) {
        enum status status = db_query_integer(db, "SELECT seq FROM jobs WHERE id = ?",
                                              DB_VALUES(db_text(filter->after)), 0, &before, err);
        if (status)
            return status;
        if (before == 0)
            return not_found(ERR_NOT_FOUND, filter->after, err);
    }
    struct db_value state = db_text(filter->state ? job_state_name(*filter->state) : NULL);
    struct db_value sweep = db_text(filter->sweep);
    return db_read_all(
        db, &job_kind,
        SELECT_JOBS "WHERE seq < ? AND (? IS NULL OR state = ?)"
                    " AND (? IS NULL OR coalesce(sweep, '') = ?) ORDER BY seq DESC LIMIT ?",
        DB_VALUES(db_integer(before), state, state, sweep, sweep, db_integer((int64_t)filter->limit + 1)),
        ret_records, ret_count, err);
}

enum status store_job_list(struct store *store, const struct job_filter *filter,
                           struct job_record **ret_records, size_t *ret_count, bool *ret_has_more,
                           struct error *err)
{
    void *records;
    size_t count;
    sqlite3 *db = store_read_begin(store);
    enum status status = list_jobs(db, filter, &records, &count, err);
    store_read_end(store);
    if (status)
        return status;
    *ret_has_more = db_drop_extra(&job_kind, records, &count, filter->limit);
    *ret_records = records;
    *ret_count = count;
    return OK;
}

enum status store_job_oldest(struct store *store, enum job_state state, struct job_record *ret_record,
                             struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_one(db, &job_kind, SELECT_JOBS "WHERE state = ? ORDER BY seq LIMIT 1",
                                     DB_VALUES(db_text(job_state_name(state))), ret_record, err);
    store_read_end(store);
    return status;
}

enum status store_job_next(struct store *store, size_t skip, struct job_record *ret_record, struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_one(
        db, &job_kind, SELECT_JOBS "WHERE state = 'queued' ORDER BY priority DESC, seq LIMIT 1 OFFSET ?",
        DB_VALUES(db_integer((int64_t)skip)), ret_record, err);
    store_read_end(store);
    return status;
}

enum status store_job_count_states(struct store *store, int64_t ret_counts[JOB_STATES], struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    sqlite3_stmt *statement;
    bool row = true;
    memset(ret_counts, 0, JOB_STATES * sizeof *ret_counts);
    enum status status =
        db_query(db, "SELECT state, count(*) FROM jobs GROUP BY state", DB_NO_VALUES, &statement, err);
    while (status == OK && row) {
        enum job_state state;
        status = db_next(statement, &row, err);
        if (status == OK && row)
            status = read_state(statement, 0, &state, err);
        if (status == OK && row)
            ret_counts[state] = sqlite3_column_int64(statement, 1);
    }
    sqlite3_finalize(statement);
    store_read_end(store);
    return status;
}

enum status store_job_count(struct store *store, int64_t *ret_count, struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = db_query_integer(db, "SELECT count(*) FROM jobs", DB_NO_VALUES, 0, ret_count, err);
    store_read_end(store);
    return status;
}

/* ---- Changes of state ------------------------------------------------------------------------------ */

static enum job_change read_current(sqlite3 *db, const char *id, enum job_state *ret_state, struct error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    if (db_query(db, "SELECT state FROM jobs WHERE id = ?", DB_VALUES(db_text(id)), &statement, err))
        return JOB_CHANGE_FAILED;
    enum status status = db_next(statement, &row, err);
    if (status == OK && row)
        status = read_state(statement, 0, ret_state, err);
    sqlite3_finalize(statement);
    if (status)
        return JOB_CHANGE_FAILED;
    return row ? JOB_CHANGED : JOB_UNKNOWN;
}

/* Parts of a transaction: what the change would come to; the change. */
static enum job_change check(sqlite3 *db, const char *id, enum job_state to, enum job_state *ret_from,
                             struct error *err)
{
    enum job_change outcome = read_current(db, id, ret_from, err);
    if (outcome != JOB_CHANGED)
        return outcome;
    if (*ret_from == to)
        return JOB_UNCHANGED;
    return job_state_may_become(*ret_from, to) ? JOB_CHANGED : JOB_REFUSED;
}

static enum job_change change(sqlite3 *db, const char *id, enum job_state to, const char *result,
                              const char *error, enum job_state *ret_from, struct error *err)
{
    enum job_change outcome = check(db, id, to, ret_from, err);
    if (outcome != JOB_CHANGED)
        return outcome;
    int64_t now = clock_wall_ms();
    struct db_value started = to == JOB_RUNNING ? db_integer(now) : db_text(NULL);
    struct db_value finished = job_state_is_final(to) ? db_integer(now) : db_text(NULL);
    if (db_run(db,
               "UPDATE jobs SET state = ?, started_at = coalesce(started_at, ?), finished_at = ?,"
               " result = ?, error = ? WHERE id = ?",
               DB_VALUES(db_text(job_state_name(to)), started, finished, db_text(result), db_text(error),
                         db_text(id)),
               err) ||
        note_state(db, id, job_state_name(*ret_from), error, err))
        return JOB_CHANGE_FAILED;
    return JOB_CHANGED;
}

enum job_change store_job_move(sqlite3 *db, const char *id, enum job_state to, const char *result,
                               struct error *err)
{
    enum job_state from;
    return change(db, id, to, result, NULL, &from, err);
}

enum status store_job_add(sqlite3 *db, const struct job_insert *insert, char ret_id[JOB_ID_LENGTH + 1],
                          struct error *err)
{
    return insert_new(db, insert, ret_id, err) == JOB_INSERTED ? OK : ERR_IO;
}

enum job_change store_job_change(struct store *store, const char *id, enum job_state to, const char *error,
                                 enum job_state *ret_from, struct error *err)
{
    sqlite3 *db;
    if (store_begin(store, &db, err))
        return JOB_CHANGE_FAILED;
    enum job_change outcome = change(db, id, to, NULL, error, ret_from, err);
    if (store_end(store, outcome == JOB_CHANGE_FAILED ? ERR_IO : OK, err))
        return JOB_CHANGE_FAILED;
    return outcome;
}

enum job_change store_job_succeed(struct store *store, const char *id, const char *result,
                                  const struct version_record *version, bool promote,
                                  void (*before_commit)(void *context), void *context, struct error *err)
{
    sqlite3 *db;
    if (store_begin(store, &db, err))
        return JOB_CHANGE_FAILED;
    enum job_state from;
    enum job_change outcome = check(db, id, JOB_SUCCEEDED, &from, err);
    enum status status = outcome == JOB_CHANGE_FAILED ? ERR_IO : OK;
    if (outcome == JOB_CHANGED)
        status = store_version_insert(db, version, promote, err);
    /* Last, so that no event of the job comes after that of its end. */
    if (outcome == JOB_CHANGED && status == OK)
        status = change(db, id, JOB_SUCCEEDED, result, NULL, &from, err) == JOB_CHANGED ? OK : ERR_IO;
    if (outcome == JOB_CHANGED && status == OK)
        before_commit(context);
    return store_end(store, status, err) ? JOB_CHANGE_FAILED : outcome;
}

/* Parts of a transaction. */
static enum job_change delete_job(sqlite3 *db, const char *id, enum job_state *ret_from, struct error *err)
{
    enum job_change outcome = read_current(db, id, ret_from, err);
    if (outcome != JOB_CHANGED)
        return outcome;
    if (!job_state_is_final(*ret_from))
        return JOB_REFUSED;
    if (store_event_run(db,
                        EVENT_INSERT
                        "SELECT ?, 'state', id, sweep, json_object('from', state, 'to', 'deleted')"
                        " FROM jobs WHERE id = ?",
                        DB_VALUES(db_integer(clock_wall_ms()), db_text(id)), err) ||
        db_run(db, "DELETE FROM jobs WHERE id = ?", DB_VALUES(db_text(id)), err))
        return JOB_CHANGE_FAILED;
    return JOB_CHANGED;
}

static enum job_change prioritise(sqlite3 *db, const char *id, int priority, enum job_state *ret_from,
                                  struct error *err)
{
    enum job_change outcome = read_current(db, id, ret_from, err);
    if (outcome != JOB_CHANGED)
        return outcome;
    if (*ret_from != JOB_QUEUED && *ret_from != JOB_PAUSED)
        return JOB_REFUSED;
    return db_run(db, "UPDATE jobs SET priority = ? WHERE id = ?",
                  DB_VALUES(db_integer(priority), db_text(id)), err)
               ? JOB_CHANGE_FAILED
               : JOB_CHANGED;
}

enum job_change store_job_delete(struct store *store, const char *id, enum job_state *ret_from,
                                 struct error *err)
{
    sqlite3 *db;
    if (store_begin(store, &db, err))
        return JOB_CHANGE_FAILED;
    enum job_change outcome = delete_job(db, id, ret_from, err);
    return store_end(store, outcome == JOB_CHANGE_FAILED ? ERR_IO : OK, err) ? JOB_CHANGE_FAILED : outcome;
}

enum status store_jobs_delete(struct store *store, const char (*ids)[JOB_ID_LENGTH + 1], size_t count,
                              struct error *err)
{
    sqlite3 *db;
    enum job_state from;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    for (size_t i = 0; i < count && status == OK; i++)
        status = delete_job(db, ids[i], &from, err) == JOB_CHANGE_FAILED ? ERR_IO : OK;
    return store_end(store, status, err);
}

enum job_change store_job_prioritise(struct store *store, const char *id, int priority,
                                     enum job_state *ret_from, struct error *err)
{
    sqlite3 *db;
    if (store_begin(store, &db, err))
        return JOB_CHANGE_FAILED;
    enum job_change outcome = prioritise(db, id, priority, ret_from, err);
    return store_end(store, outcome == JOB_CHANGE_FAILED ? ERR_IO : OK, err) ? JOB_CHANGE_FAILED : outcome;
}

enum status store_job_steps_put(struct store *store, const char *id, int64_t steps_per_epoch,
                                struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    status = db_run(db, "UPDATE jobs SET steps_per_epoch = ? WHERE id = ?",
                    DB_VALUES(db_integer(steps_per_epoch), db_text(id)), err);
    return store_end(store, status, err);
}

/* ---- Series ---------------------------------------------------------------------------------------- */

/* Parts of a transaction. */
static enum status find_job(sqlite3 *db, const char *id, int64_t *ret_job, struct error *err)
{
    int64_t job;
    enum status status =
        db_query_integer(db, "SELECT seq FROM jobs WHERE id = ?", DB_VALUES(db_text(id)), 0, &job, err);
    if (status == OK && job == 0)
        status = not_found(ERR_NOT_FOUND, id, err);
    if (status == OK)
        *ret_job = job;
    return status;
}

static enum status put_steps(sqlite3 *db, int64_t job, const struct step_losses *steps, struct error *err)
{
    const void *bytes = steps->count ? (const void *)steps->losses : "";
    return db_run(db, "INSERT OR REPLACE INTO step_losses (job, stride, losses) VALUES (?, ?, ?)",
                  DB_VALUES(db_integer(job), db_integer(steps->stride),
                            db_blob(bytes, steps->count * sizeof *steps->losses)),
                  err);
}

static enum status put_epoch(sqlite3 *db, int64_t job, const struct epoch_metrics *metrics, struct error *err)
{
    return db_run(db,
                  "INSERT OR REPLACE INTO epochs (job, epoch, train_loss, train_accuracy, validation_loss,"
                  " validation_accuracy, seconds) VALUES (?, ?, ?, ?, ?, ?, ?)",
                  DB_VALUES(db_integer(job), db_integer(metrics->epoch), db_real(metrics->train_loss),
                            db_real(metrics->train_accuracy), db_real(metrics->validation_loss),
                            db_real(metrics->validation_accuracy), db_real(metrics->seconds)),
                  err);
}

enum status store_steps_put(struct store *store, const char *id, const struct step_losses *steps,
                            struct error *err)
{
    sqlite3 *db;
    int64_t job;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    if ((status = find_job(db, id, &job, err)) == OK)
        status = put_steps(db, job, steps, err);
    return store_end(store, status, err);
}

enum status store_epoch_put(struct store *store, const char *id, const struct epoch_metrics *metrics,
                            const struct step_losses *steps, struct error *err)
{
    sqlite3 *db;
    int64_t job;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    if ((status = find_job(db, id, &job, err)) == OK && (status = put_epoch(db, job, metrics, err)) == OK &&
        (status = note_epoch(db, job, metrics->epoch, err)) == OK)
        status = put_steps(db, job, steps, err);
    return store_end(store, status, err);
}

static enum status read_epoch(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    (void)err;
    *(struct epoch_metrics *)ret_record = (struct epoch_metrics){
        .epoch = sqlite3_column_int(statement, 0),
        .train_loss = db_column_real(statement, 1),
        .train_accuracy = db_column_real(statement, 2),
        .validation_loss = db_column_real(statement, 3),
        .validation_accuracy = db_column_real(statement, 4),
        .seconds = db_column_real(statement, 5),
    };
    return OK;
}

enum status store_epochs_read(struct store *store, const char *id, struct epoch_metrics **ret_epochs,
                              size_t *ret_count, struct error *err)
{
    static const struct db_record_kind kind = {sizeof(struct epoch_metrics), read_epoch, NULL};
    void *epochs;
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_all(db, &kind,
                                     "SELECT epoch, train_loss, train_accuracy, validation_loss,"
                                     " validation_accuracy, seconds"
                                     " FROM epochs JOIN jobs ON jobs.seq = epochs.job WHERE jobs.id = ?"
                                     " ORDER BY epoch",
                                     DB_VALUES(db_text(id)), &epochs, ret_count, err);
    store_read_end(store);
    if (status == OK)
        *ret_epochs = epochs;
    return status;
}

static enum status read_steps(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    struct step_losses steps = {.stride = sqlite3_column_int64(statement, 0)};
    size_t bytes = (size_t)sqlite3_column_bytes(statement, 1);
    if (bytes) {
        steps.losses = malloc(bytes);
        if (!steps.losses)
            return error_set(err, ERR_MEMORY, "no memory for a job's step losses");
        memcpy(steps.losses, sqlite3_column_blob(statement, 1), bytes);
        steps.count = bytes / sizeof *steps.losses;
    }
    *(struct step_losses *)ret_record = steps;
    return OK;
}

enum status store_steps_read(struct store *store, const char *id, struct step_losses *ret_steps,
                             struct error *err)
{
    static const struct db_record_kind kind = {sizeof(struct step_losses), read_steps, NULL};
    struct step_losses steps = {.stride = 1};
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_one(db, &kind,
                                     "SELECT stride, losses FROM step_losses"
                                     " JOIN jobs ON jobs.seq = step_losses.job WHERE jobs.id = ?",
                                     DB_VALUES(db_text(id)), &steps, err);
    store_read_end(store);
    if (status && status != ERR_NOT_FOUND)
        return status;
    *ret_steps = steps;
    return OK;
}
