#include "server/store.h"

#include "server/files.h"
#include "server/store_db.h"
#include "server/store_samples.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct store {
    char folder[FILES_PATH_SIZE];
    int lock; /* descriptor whose flock says that this process owns the store; the kernel drops it on death */

    pthread_mutex_t writer_mutex; /* guards all until the next mutex: held for a whole transaction */
    sqlite3 *writer;
    bool has_events; /* the transaction adds some */
    int own_holds;   /* store_own_hold, without its release */
    void (*on_events)(void *context);
    void *on_events_context;

    pthread_mutex_t reader_mutex; /* guards reader: held while rows are read */
    sqlite3 *reader;
};

/* ---- The schema ---------------------------------------------------------------------------------- */

/* Step n brings a database from user_version n to n + 1. Never change a step that was released: add one. Times are
 * milliseconds since 1970 UTC. */
static const char *const migrations[] = {
    "CREATE TABLE jobs ("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT," /* order of arrival */
    "  id TEXT NOT NULL UNIQUE,"
    "  state TEXT NOT NULL,"
    "  config TEXT NOT NULL," /* the request as job_request_to_json writes it */
    "  result TEXT,"
    "  error TEXT,"
    "  created_at INTEGER NOT NULL,"
    "  started_at INTEGER,"
    "  finished_at INTEGER,"
    "  idempotency_key TEXT UNIQUE,"
    "  request_digest TEXT"
    ") STRICT;"
    "CREATE INDEX jobs_by_state ON jobs (state, seq);"

    "CREATE TABLE epochs ("
    "  job INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,"
    "  epoch INTEGER NOT NULL,"
    "  train_loss REAL,"
    "  train_accuracy REAL,"
    "  validation_loss REAL,"
    "  validation_accuracy REAL,"
    "  seconds REAL,"
    "  PRIMARY KEY (job, epoch)"
    ") STRICT, WITHOUT ROWID;"

    /* The loss after every stride-th step: floats, the first of them of step `stride`. */
    "CREATE TABLE step_losses ("
    "  job INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,"
    "  stride INTEGER NOT NULL,"
    "  losses BLOB NOT NULL"
    ") STRICT;"

    "CREATE TABLE models ("
    "  name TEXT PRIMARY KEY,"
    "  last_version INTEGER NOT NULL," /* so that the number of a deleted version is not given twice */
    "  created_at INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE versions ("
    "  model TEXT NOT NULL REFERENCES models (name),"
    "  version INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  job_id TEXT NOT NULL,"
    "  config TEXT NOT NULL,"
    "  train_digest TEXT NOT NULL,"
    "  test_digest TEXT NOT NULL,"
    "  core_type TEXT NOT NULL,"
    "  code_version TEXT NOT NULL,"
    "  parameters INTEGER NOT NULL,"
    "  weights_digest TEXT NOT NULL,"
    "  file_digest TEXT NOT NULL,"
    "  file_bytes INTEGER NOT NULL,"
    "  test_loss REAL,"
    "  test_accuracy REAL,"
    "  validation_loss REAL,"
    "  validation_accuracy REAL,"
    "  training_seconds REAL,"
    "  PRIMARY KEY (model, version)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE aliases ("
    "  model TEXT NOT NULL,"
    "  alias TEXT NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  moved_at INTEGER NOT NULL,"
    "  PRIMARY KEY (model, alias),"
    "  FOREIGN KEY (model, version) REFERENCES versions (model, version)"
    ") STRICT, WITHOUT ROWID;",

    "ALTER TABLE jobs ADD COLUMN sweep TEXT;" /* id of the sweep that the job is a trial of */
    "ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN steps_per_epoch INTEGER;" /* known once it has started */
    "CREATE INDEX jobs_by_turn ON jobs (state, priority DESC, seq);"
    "CREATE INDEX jobs_by_sweep ON jobs (sweep, seq) WHERE sweep IS NOT NULL;"

    "CREATE TABLE events ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  time INTEGER NOT NULL,"
    "  type TEXT NOT NULL,"
    "  job TEXT,"   /* no references: what happened stays true */
    "  sweep TEXT," /* when its job is gone */
    "  data TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX events_by_job ON events (job, id) WHERE job IS NOT NULL;",

    "CREATE TABLE sweeps ("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  id TEXT NOT NULL UNIQUE,"
    "  name TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  request TEXT NOT NULL,"  /* with every default filled in */
    "  estimate TEXT NOT NULL," /* what was reckoned before it began */
    "  created_at INTEGER NOT NULL,"
    "  finished_at INTEGER"
    ") STRICT;"

    /* What a trial is doing is what its job is doing: the state is read from there, never kept twice. */
    "CREATE TABLE trials ("
    "  sweep INTEGER NOT NULL REFERENCES sweeps (seq) ON DELETE CASCADE,"
    "  trial INTEGER NOT NULL,"
    "  combination INTEGER NOT NULL," /* trials that differ in the seed alone have the same */
    "  seed INTEGER NOT NULL,"
    "  settings TEXT NOT NULL,"             /* {pointer: value} */
    "  config TEXT,"                        /* the job's request; NULL when it is impossible */
    "  error TEXT,"                         /* why it is impossible */
    "  seconds REAL,"                       /* that it was expected to take */
    "  rung INTEGER NOT NULL DEFAULT 0,"    /* of successive halving */
    "  pending INTEGER NOT NULL,"           /* a job is to be made for it */
    "  stopped INTEGER NOT NULL DEFAULT 0," /* successive halving goes on without it */
    "  job TEXT,"                           /* the newest one */
    "  outcome TEXT,"                       /* figures of that job, once it succeeded */
    "  PRIMARY KEY (sweep, trial)"
    ") STRICT, WITHOUT ROWID;",

    "CREATE TABLE alias_moves ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  model TEXT NOT NULL,"
    "  alias TEXT NOT NULL,"
    "  version INTEGER," /* NULL: the alias was removed; no reference, since versions may go */
    "  previous INTEGER,"
    "  reason TEXT NOT NULL,"
    "  job TEXT,"
    "  moved_at INTEGER NOT NULL,"
    "  undone INTEGER NOT NULL DEFAULT 0" /* a rollback does not come past it again */
    ") STRICT;"
    "CREATE INDEX alias_moves_by_alias ON alias_moves (model, alias, id);",

    "CREATE TABLE evaluations ("
    "  model TEXT NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  dataset TEXT NOT NULL,"
    "  split TEXT NOT NULL,"
    "  digest TEXT NOT NULL," /* of the split, as it was evaluated on */
    "  evaluated_at INTEGER NOT NULL,"
    "  images INTEGER NOT NULL,"
    "  loss REAL,"
    "  accuracy REAL,"
    "  details TEXT NOT NULL," /* JSON, as evaluation.h writes it */
    "  PRIMARY KEY (model, version, dataset, split),"
    "  FOREIGN KEY (model, version) REFERENCES versions (model, version) ON DELETE CASCADE"
    ") STRICT, WITHOUT ROWID;",

    "CREATE TABLE own_revisions (revision INTEGER PRIMARY KEY AUTOINCREMENT) STRICT;" /* never has a row for long */

    "CREATE TABLE own_datasets ("
    "  name TEXT PRIMARY KEY,"
    "  revision INTEGER NOT NULL,"
    "  oldest INTEGER NOT NULL," /* revision that can still be read */
    "  created_at INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE samples ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  dataset TEXT NOT NULL REFERENCES own_datasets (name) ON DELETE CASCADE,"
    "  label INTEGER NOT NULL,"
    "  added INTEGER NOT NULL," /* the first revision that it is in */
    "  deleted INTEGER,"        /* the first that it is not in any more */
    "  created_at INTEGER NOT NULL,"
    "  pixels BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX samples_by_dataset ON samples (dataset, id);",

    "CREATE INDEX events_by_sweep ON events (sweep, id) WHERE sweep IS NOT NULL;",

    "CREATE INDEX jobs_by_end ON jobs (finished_at, sweep, id) WHERE finished_at IS NOT NULL;",
};
#define MIGRATIONS (sizeof migrations / sizeof migrations[0])

static enum status migrate_once(sqlite3 *db, size_t step, struct error *err)
{
    char *sql = sqlite3_mprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT", migrations[step],
                                (int)step + 1);
    if (!sql)
        return error_set(err, ERR_MEMORY, "no memory to open the database");
    enum status status = OK;
    if (sqlite3_exec(db, sql, NULL, NULL, NULL)) {
        status = db_error(db, err, "bringing it up to date");
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    sqlite3_free(sql);
    return status;
}

static enum status migrate(sqlite3 *db, struct error *err)
{
    int64_t version;
    enum status status = db_query_integer(db, "PRAGMA user_version", DB_NO_VALUES, 0, &version, err);
    if (status)
        return status;
    if (version < 0 || version > (int64_t)MIGRATIONS)
        return error_set(err, ERR_IO,
                         "the database was written by a newer program (schema %lld; this one knows %zu)",
                         (long long)version, MIGRATIONS);
    for (size_t step = (size_t)version; step < MIGRATIONS && status == OK; step++)
        status = migrate_once(db, step, err);
    return status;
}

/* ---- Opening and closing ------------------------------------------------------------------------- */

/* Two services on one store would each take the other's running jobs for those of a dead one. */
static enum status lock_folder(struct store *store, struct error *err)
{
    char path[FILES_PATH_SIZE];
    enum status status = files_path(path, err, "%s/lock", store->folder);
    if (status)
        return status;
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (store->lock < 0)
        return error_set_errno(err, "%s", path);
    if (flock(store->lock, LOCK_EX | LOCK_NB) == 0)
        return OK;
    if (errno == EWOULDBLOCK)
        return error_set(err, ERR_IO, "the store %s is in use by another digitd", store->folder);
    return error_set_errno(err, "locking %s", path);
}

static enum status open_connection(const struct store *store, int flags, const char *pragmas,
                                   sqlite3 **ret_db, struct error *err)
{
    char path[FILES_PATH_SIZE];
    enum status status = files_path(path, err, "%s/digitd.db", store->folder);
    if (status)
        return status;
    /* On failure, too, the connection is there: to ask what happened, and for store_free to close. */
    if (sqlite3_open_v2(path, ret_db, flags | SQLITE_OPEN_NOMUTEX, NULL))
        return *ret_db ? db_error(*ret_db, err, path) : error_set(err, ERR_MEMORY, "no memory for %s", path);
    sqlite3_busy_timeout(*ret_db, 5000);
    if (sqlite3_exec(*ret_db, pragmas, NULL, NULL, NULL))
        return db_error(*ret_db, err, path);
    return OK;
}

static enum status open_database(struct store *store, struct error *err)
{
    enum status status = open_connection(store, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                         "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF",
                                         &store->writer, err);
    if (status == OK)
        status = migrate(store->writer, err);
    if (status == OK)
        status =
            open_connection(store, SQLITE_OPEN_READONLY, "PRAGMA trusted_schema = OFF", &store->reader, err);
    return status;
}

enum status store_open(const char *folder, struct store **ret_store, struct error *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return error_set(err, ERR_MEMORY, "no memory to open the store");
    store->lock = -1;
    pthread_mutex_init(&store->writer_mutex, NULL);
    pthread_mutex_init(&store->reader_mutex, NULL);

    enum status status = files_path(store->folder, err, "%s", folder);
    if (status == OK)
        status = files_make_folder(folder, err);
    if (status == OK)
        status = lock_folder(store, err);
    if (status == OK)
        status = open_database(store, err);
    if (status) {
        store_free(store);
        return status;
    }
    *ret_store = store;
    return OK;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    sqlite3_close(store->reader);
    sqlite3_close(store->writer); /* last, so that the one that may write folds the WAL in */
    if (store->lock >= 0)
        close(store->lock);
    pthread_mutex_destroy(&store->reader_mutex);
    pthread_mutex_destroy(&store->writer_mutex);
    free(store);
}

const char *store_folder(const struct store *store)
{
    return store->folder;
}

/* ---- Transactions -------------------------------------------------------------------------------- */

static void note_change(void *context, int operation, const char *database, const char *table,
                        sqlite3_int64 row)
{
    (void)database, (void)row;
    struct store *store = context;
    store->has_events |= operation == SQLITE_INSERT && strcmp(table, "events") == 0;
}

void store_on_events(struct store *store, void (*on_events)(void *context), void *context)
{
    pthread_mutex_lock(&store->writer_mutex);
    store->on_events = on_events;
    store->on_events_context = context;
    sqlite3_update_hook(store->writer, on_events ? note_change : NULL, store);
    pthread_mutex_unlock(&store->writer_mutex);
}

enum status store_begin(struct store *store, sqlite3 **ret_db, struct error *err)
{
    pthread_mutex_lock(&store->writer_mutex);
    store->has_events = false;
    enum status status = db_run(store->writer, "BEGIN IMMEDIATE", DB_NO_VALUES, err);
    if (status) {
        pthread_mutex_unlock(&store->writer_mutex);
        return status;
    }
    *ret_db = store->writer;
    return OK;
}

enum status store_end(struct store *store, enum status status, struct error *err)
{
    if (status == OK)
        status = db_run(store->writer, "COMMIT", DB_NO_VALUES, err);
    if (status) /* after some failures SQLite has rolled back by itself, and refuses this: as good */
        sqlite3_exec(store->writer, "ROLLBACK", NULL, NULL, NULL);
    else if (store->has_events && store->on_events)
        store->on_events(store->on_events_context);
    pthread_mutex_unlock(&store->writer_mutex);
    return status;
}

/* A transaction that lets go of images is over by then, and the next one sees the hold. */
void store_own_hold(struct store *store)
{
    pthread_mutex_lock(&store->writer_mutex);
    store->own_holds++;
    pthread_mutex_unlock(&store->writer_mutex);
}

void store_own_release(struct store *store)
{
    pthread_mutex_lock(&store->writer_mutex);
    store->own_holds--;
    pthread_mutex_unlock(&store->writer_mutex);
}

bool store_own_is_held(const struct store *store)
{
    return store->own_holds > 0;
}

sqlite3 *store_read_begin(struct store *store)
{
    pthread_mutex_lock(&store->reader_mutex);
    return store->reader;
}

void store_read_end(struct store *store)
{
    pthread_mutex_unlock(&store->reader_mutex);
}
