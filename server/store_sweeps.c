#include "server/store_sweeps.h"

#include "server/clock.h"
#include "server/store_db.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- Rows ------------------------------------------------------------------------------------------ */

#define SWEEP_COLUMNS                                                                                        \
    "id, name, state, created_at,"                                                                           \
    " (SELECT min(started_at) FROM jobs WHERE jobs.sweep = sweeps.id), finished_at, request, estimate"

void sweep_record_clear(struct sweep_record *record)
{
    free(record->request);
    free(record->estimate);
    *record = (struct sweep_record){0};
}

static void clear_sweep(void *record)
{
    sweep_record_clear(record);
}

static enum status read_sweep(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    struct sweep_record sweep = {.created_at = sqlite3_column_int64(statement, 3),
                                 .started_at = sqlite3_column_int64(statement, 4),
                                 .finished_at = sqlite3_column_int64(statement, 5)};
    char state[16];
    db_column_copy(statement, 0, sweep.id, sizeof sweep.id);
    db_column_copy(statement, 1, sweep.name, sizeof sweep.name);
    if (!db_column_copy(statement, 2, state, sizeof state) || !sweep_state_from_name(state, &sweep.state))
        return error_set(err, ERR_FORMAT, "database: a sweep is in the unknown state \"%s\"", state);
    if (!db_column_duplicate(statement, 6, &sweep.request) ||
        !db_column_duplicate(statement, 7, &sweep.estimate)) {
        sweep_record_clear(&sweep);
        return error_set(err, ERR_MEMORY, "no memory for a sweep's record");
    }
    *(struct sweep_record *)ret_record = sweep;
    return OK;
}

static const struct db_record_kind sweep_kind = {sizeof(struct sweep_record), read_sweep, clear_sweep};

/* Of a job's epochs: the best accuracy, and how many came before the first above ?1. */
#define ACCURACY "coalesce(validation_accuracy, train_accuracy)"
#define TRIAL_QUERY                                                                                          \
    "SELECT trial, combination, seed, settings, coalesce(trials.error, jobs.error), outcome, seconds, rung," \
    " trials.config IS NOT NULL, pending, stopped, trials.job, jobs.state, jobs.started_at,"                 \
    " jobs.finished_at, (SELECT max(" ACCURACY ") FROM epochs WHERE epochs.job = jobs.seq),"                 \
    " (SELECT count(*) FROM epochs WHERE epochs.job = jobs.seq AND epoch < coalesce((SELECT min(epoch)"      \
    " FROM epochs WHERE epochs.job = jobs.seq AND " ACCURACY " > ?), epoch + 1))"                            \
    " FROM trials JOIN sweeps ON sweeps.seq = trials.sweep LEFT JOIN jobs ON jobs.id = trials.job"

void trial_record_clear(struct trial_record *record)
{
    free(record->settings);
    free(record->error);
    free(record->outcome);
    *record = (struct trial_record){0};
}

static void clear_trial(void *record)
{
    trial_record_clear(record);
}

static enum status read_trial(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    struct trial_record trial = {
        .trial = sqlite3_column_int(statement, 0),
        .combination = sqlite3_column_int(statement, 1),
        .seed = (uint64_t)sqlite3_column_int64(statement, 2),
        .seconds = db_column_real(statement, 6),
        .rung = sqlite3_column_int(statement, 7),
        .is_possible = sqlite3_column_int(statement, 8) != 0,
        .pending = sqlite3_column_int(statement, 9) != 0,
        .stopped = sqlite3_column_int(statement, 10) != 0,
        .started_at = sqlite3_column_int64(statement, 13),
        .finished_at = sqlite3_column_int64(statement, 14),
        .best_accuracy = db_column_real(statement, 15),
        .epochs_at_chance = sqlite3_column_int(statement, 16),
    };
    char state[16];
    db_column_copy(statement, 11, trial.job, sizeof trial.job);
    db_column_copy(statement, 12, state, sizeof state);
    trial.has_job = job_state_from_name(state, &trial.job_state);
    if (!db_column_duplicate(statement, 3, &trial.settings) ||
        !db_column_duplicate(statement, 4, &trial.error) ||
        !db_column_duplicate(statement, 5, &trial.outcome)) {
        trial_record_clear(&trial);
        return error_set(err, ERR_MEMORY, "no memory for a trial's record");
    }
    *(struct trial_record *)ret_record = trial;
    return OK;
}

static const struct db_record_kind trial_kind = {sizeof(struct trial_record), read_trial, clear_trial};

/* ---- Events ---------------------------------------------------------------------------------------- */

/* Part of a transaction. `from` is NULL for a new sweep. */
static enum status note_state(sqlite3 *db, const char *id, const char *from, struct error *err)
{
    return store_event_run(db,
                           EVENT_INSERT "SELECT ?, 'sweep', NULL, id, json_object('from', ?, 'to', state)"
                                        " FROM sweeps WHERE id = ?",
                           DB_VALUES(db_integer(clock_wall_ms()), db_text(from), db_text(id)), err);
}

/* ---- Sweeps ---------------------------------------------------------------------------------------- */

static enum status insert_trial(sqlite3 *db, int64_t sweep, int number, const struct trial_plan *trial,
                                struct error *err)
{
    enum status status = trial->config ? store_own_check(db, trial->config, err) : OK;
    if (status)
        return status;
    return db_run(db,
                  "INSERT INTO trials (sweep, trial, combination, seed, settings, config, error, seconds,"
                  " pending) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  DB_VALUES(db_integer(sweep), db_integer(number), db_integer(trial->combination),
                            db_integer((int64_t)trial->seed), db_text(trial->settings),
                            db_text(trial->config), db_text(trial->error), db_real(trial->seconds),
                            db_integer(trial->config != NULL)),
                  err);
}

enum status store_sweep_insert(struct store *store, const struct sweep_record *record,
                               const struct trial_plan *trials, size_t count,
                               char ret_id[SWEEP_ID_LENGTH + 1], struct error *err)
{
    sqlite3 *db;
    char id[SWEEP_ID_LENGTH + 1];
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    sweep_id_create(id);
    status =
        db_run(db,
               "INSERT INTO sweeps (id, name, state, request, estimate, created_at)"
               " VALUES (?, ?, ?, ?, ?, ?)",
               DB_VALUES(db_text(id), db_text(record->name), db_text(sweep_state_name(SWEEP_RUNNING)),
                         db_text(record->request), db_text(record->estimate), db_integer(clock_wall_ms())),
               err);
    int64_t sweep = sqlite3_last_insert_rowid(db);
    for (size_t i = 0; i < count && status == OK; i++)
        status = insert_trial(db, sweep, (int)i + 1, &trials[i], err);
    if (status == OK)
        status = note_state(db, id, NULL, err);
    status = store_end(store, status, err);
    if (status == OK)
        memcpy(ret_id, id, sizeof id);
    return status;
}

static enum status not_found(enum status status, const char *id, struct error *err)
{
    return status == ERR_NOT_FOUND ? error_set(err, status, "there is no sweep %s", id) : status;
}

enum status store_sweep_read(struct store *store, const char *id, struct sweep_record *ret_record,
                             struct error *err)
{
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_one(db, &sweep_kind, "SELECT " SWEEP_COLUMNS " FROM sweeps WHERE id = ?",
                                     DB_VALUES(db_text(id)), ret_record, err);
    store_read_end(store);
    return not_found(status, id, err);
}

static enum status list_sweeps(sqlite3 *db, const struct sweep_filter *filter, void **ret_records,
                               size_t *ret_count, struct error *err)
{
    int64_t before = INT64_MAX;
    if (filter->after) {
        enum status status = db_query_integer(db, "SELECT seq FROM sweeps WHERE id = ?",
                                              DB_VALUES(db_text(filter->after)), 0, &before, err);
        if (status == OK && before == 0)
            status = not_found(ERR_NOT_FOUND, filter->after, err);
        if (status)
            return status;
    }
    struct db_value state = db_text(filter->state ? sweep_state_name(*filter->state) : NULL);
    return db_read_all(db, &sweep_kind,
                       "SELECT " SWEEP_COLUMNS " FROM sweeps WHERE seq < ? AND (? IS NULL OR state = ?)"
                       " ORDER BY seq DESC LIMIT ?",
                       DB_VALUES(db_integer(before), state, state, db_integer((int64_t)filter->limit + 1)),
                       ret_records, ret_count, err);
}

enum status store_sweep_list(struct store *store, const struct sweep_filter *filter,
                             struct sweep_record **ret_records, size_t *ret_count, bool *ret_has_more,
                             struct error *err)
{
    void *records;
    size_t count;
    sqlite3 *db = store_read_begin(store);
    enum status status = list_sweeps(db, filter, &records, &count, err);
    store_read_end(store);
    if (status)
        return status;
    *ret_has_more = db_drop_extra(&sweep_kind, records, &count, filter->limit);
    *ret_records = records;
    *ret_count = count;
    return OK;
}

/* Part of a transaction. */
static enum job_change change(sqlite3 *db, const char *id, enum sweep_state to, enum sweep_state *ret_from,
                              struct error *err)
{
    struct sweep_record sweep;
    enum status status = db_read_one(db, &sweep_kind, "SELECT " SWEEP_COLUMNS " FROM sweeps WHERE id = ?",
                                     DB_VALUES(db_text(id)), &sweep, err);
    if (status)
        return status == ERR_NOT_FOUND ? JOB_UNKNOWN : JOB_CHANGE_FAILED;
    *ret_from = sweep.state;
    sweep_record_clear(&sweep);
    if (*ret_from == to)
        return JOB_UNCHANGED;
    if (!sweep_state_may_become(*ret_from, to))
        return JOB_REFUSED;
    struct db_value finished = sweep_state_is_final(to) ? db_integer(clock_wall_ms()) : db_text(NULL);
    status = db_run(db, "UPDATE sweeps SET state = ?, finished_at = ? WHERE id = ?",
                    DB_VALUES(db_text(sweep_state_name(to)), finished, db_text(id)), err);
    if (status == OK)
        status = note_state(db, id, sweep_state_name(*ret_from), err);
    return status ? JOB_CHANGE_FAILED : JOB_CHANGED;
}

enum job_change store_sweep_change(struct store *store, const char *id, enum sweep_state to,
                                   enum sweep_state *ret_from, struct error *err)
{
    sqlite3 *db;
    if (store_begin(store, &db, err))
        return JOB_CHANGE_FAILED;
    enum job_change outcome = change(db, id, to, ret_from, err);
    if (store_end(store, outcome == JOB_CHANGE_FAILED ? ERR_IO : OK, err))
        return JOB_CHANGE_FAILED;
    return outcome;
}

static enum status read_id(sqlite3_stmt *statement, void *ret_id, struct error *err)
{
    (void)err;
    db_column_copy(statement, 0, ret_id, SWEEP_ID_LENGTH + 1);
    return OK;
}

enum status store_sweeps_with_jobs_left(struct store *store, enum sweep_state state,
                                        char (**ret_ids)[SWEEP_ID_LENGTH + 1], size_t *ret_count,
                                        struct error *err)
{
    static const struct db_record_kind kind = {SWEEP_ID_LENGTH + 1, read_id, NULL};
    void *ids;
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_all(
        db, &kind,
        "SELECT DISTINCT sweeps.id FROM jobs JOIN sweeps ON sweeps.id = jobs.sweep"
        " WHERE sweeps.state = ? AND jobs.state IN ('queued', 'running', 'paused')"
        " LIMIT ?",
        DB_VALUES(db_text(sweep_state_name(state)), db_integer(STORE_LIST_MAX)), &ids, ret_count, err);
    store_read_end(store);
    if (status == OK)
        *ret_ids = ids;
    return status;
}

enum status store_sweep_delete(struct store *store, const char *id, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    status = store_event_run(db,
                             EVENT_INSERT
                             "SELECT ?, 'sweep', NULL, id, json_object('from', state, 'to', 'deleted')"
                             " FROM sweeps WHERE id = ?",
                             DB_VALUES(db_integer(clock_wall_ms()), db_text(id)), err);
    if (status == OK)
        status = db_run(db, "DELETE FROM jobs WHERE sweep = ?", DB_VALUES(db_text(id)), err);
    if (status == OK)
        status = db_run(db, "DELETE FROM sweeps WHERE id = ?", DB_VALUES(db_text(id)), err);
    return store_end(store, status, err);
}

/* ---- Trials ---------------------------------------------------------------------------------------- */

enum status store_trial_list(struct store *store, const char *sweep, struct trial_record **ret_records,
                             size_t *ret_count, struct error *err)
{
    void *records;
    sqlite3 *db = store_read_begin(store);
    enum status status =
        db_read_all(db, &trial_kind, TRIAL_QUERY " WHERE sweeps.id = ? ORDER BY trial LIMIT ?",
                    DB_VALUES(db_real(SWEEP_CHANCE), db_text(sweep), db_integer(SWEEP_TRIALS_MAX)), &records,
                    ret_count, err);
    store_read_end(store);
    if (status == OK)
        *ret_records = records;
    return status;
}

static enum status read_text(sqlite3_stmt *statement, void *ret_text, struct error *err)
{
    return db_column_duplicate(statement, 0, ret_text) ? OK
                                                       : error_set(err, ERR_MEMORY, "no memory for a trial");
}

enum status store_trial_config(struct store *store, const char *sweep, int trial, char **ret_config,
                               struct error *err)
{
    static const struct db_record_kind kind = {sizeof(char *), read_text, NULL};
    sqlite3 *db = store_read_begin(store);
    enum status status = db_read_one(db, &kind,
                                     "SELECT config FROM trials JOIN sweeps ON sweeps.seq = trials.sweep"
                                     " WHERE id = ? AND trial = ? AND config IS NOT NULL",
                                     DB_VALUES(db_text(sweep), db_integer(trial)), ret_config, err);
    store_read_end(store);
    if (status == ERR_NOT_FOUND)
        error_set(err, status, "%s has no trial %d that can be trained", sweep, trial);
    return status;
}

/* Part of a transaction. */
static enum status start_trial(sqlite3 *db, int64_t sweep, const char *id, int trial, const char *config,
                               char ret_job[JOB_ID_LENGTH + 1], struct error *err)
{
    const struct job_insert insert = {
        .config = config, .queue_limit = INT_MAX, .sweep = id, .priority = TRIAL_PRIORITY};
    enum status status = store_job_add(db, &insert, ret_job, err);
    if (status == OK)
        status =
            db_run(db, "UPDATE trials SET job = ?, pending = 0, outcome = NULL WHERE sweep = ? AND trial = ?",
                   DB_VALUES(db_text(ret_job), db_integer(sweep), db_integer(trial)), err);
    return status;
}

enum status store_trial_start(struct store *store, const char *sweep, int trial, const char *config,
                              char ret_job[JOB_ID_LENGTH + 1], struct error *err)
{
    sqlite3 *db;
    int64_t found;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    status = db_query_integer(db,
                              "SELECT sweeps.seq FROM trials JOIN sweeps ON sweeps.seq = trials.sweep"
                              " WHERE id = ? AND state = 'running' AND trial = ? AND pending",
                              DB_VALUES(db_text(sweep), db_integer(trial)), 0, &found, err);
    if (status == OK && found == 0)
        status = error_set(err, ERR_NOT_FOUND, "trial %d of %s does not wait any more", trial, sweep);
    if (status == OK)
        status = start_trial(db, found, sweep, trial, config, ret_job, err);
    return store_end(store, status, err);
}

enum status store_trial_of_job(struct store *store, const char *sweep, const char *job, int *ret_trial,
                               struct error *err)
{
    int64_t trial;
    sqlite3 *db = store_read_begin(store);
    enum status status = db_query_integer(db,
                                          "SELECT trial FROM trials JOIN sweeps ON sweeps.seq = trials.sweep"
                                          " WHERE id = ? AND job = ?",
                                          DB_VALUES(db_text(sweep), db_text(job)), 0, &trial, err);
    store_read_end(store);
    if (status == OK && trial == 0)
        status = error_set(err, ERR_NOT_FOUND, "%s is not a trial of %s", job, sweep);
    if (status == OK)
        *ret_trial = (int)trial;
    return status;
}

enum job_change store_trial_succeed(struct store *store, const char *sweep, int trial, const char *job,
                                    const char *result, const char *outcome, struct error *err)
{
    sqlite3 *db;
    if (store_begin(store, &db, err))
        return JOB_CHANGE_FAILED;
    enum job_change change = store_job_move(db, job, JOB_SUCCEEDED, result, err);
    enum status status = change == JOB_CHANGE_FAILED ? ERR_IO : OK;
    if (change == JOB_CHANGED)
        status = db_run(db,
                        "UPDATE trials SET outcome = ? WHERE trial = ? AND job = ?"
                        " AND sweep = (SELECT seq FROM sweeps WHERE id = ?)",
                        DB_VALUES(db_text(outcome), db_integer(trial), db_text(job), db_text(sweep)), err);
    return store_end(store, status, err) ? JOB_CHANGE_FAILED : change;
}

enum status store_trials_advance(struct store *store, const char *sweep, int rung, const bool *goes_on,
                                 size_t count, struct error *err)
{
    sqlite3 *db;
    enum status status = store_begin(store, &db, err);
    if (status)
        return status;
    for (size_t i = 0; i < count && status == OK; i++)
        status = db_run(db,
                        "UPDATE trials SET rung = rung + ?, pending = ?, stopped = NOT ?"
                        " WHERE trial = ? AND rung = ? AND NOT stopped AND config IS NOT NULL"
                        " AND sweep = (SELECT seq FROM sweeps WHERE id = ? AND state = 'running')",
                        DB_VALUES(db_integer(goes_on[i]), db_integer(goes_on[i]), db_integer(goes_on[i]),
                                  db_integer((int64_t)i + 1), db_integer(rung), db_text(sweep)),
                        err);
    return store_end(store, status, err);
}
