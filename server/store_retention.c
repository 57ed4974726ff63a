#include "server/store_retention.h"

#include "server/store_db.h"

/* A state is final when there is a time of its end. */
#define ENDED "finished_at IS NOT NULL"

/* Jobs of versions that are in use under a name. */
#define IN_USE "SELECT job_id FROM aliases JOIN versions USING (model, version)"

#define SELECT_FINISHED                                                                                      \
    "SELECT 0, id, 1, finished_at FROM jobs WHERE " ENDED " AND sweep IS NULL AND id NOT IN (" IN_USE ")"    \
    " UNION ALL SELECT 1, id, (SELECT count(*) FROM jobs WHERE jobs.sweep = sweeps.id), finished_at"         \
    " FROM sweeps WHERE " ENDED                                                                              \
    " AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.sweep = sweeps.id AND jobs.id IN (" IN_USE "))"          \
    " ORDER BY finished_at LIMIT ?"

static enum status read_finished(sqlite3_stmt *statement, void *ret_record, struct error *err)
{
    struct finished *item = ret_record;
    (void)err;
    item->is_sweep = sqlite3_column_int(statement, 0) != 0;
    db_column_copy(statement, 1, item->id, sizeof item->id);
    item->jobs = sqlite3_column_int64(statement, 2);
    return OK;
}

/* Nothing to read unless there are too many. */
static enum status read_oldest(sqlite3 *db, int64_t keep, size_t limit, int64_t *ret_excess, void **ret_items,
                               size_t *ret_count, struct error *err)
{
    static const struct db_record_kind kind = {sizeof(struct finished), read_finished, NULL};
    int64_t finished;
    enum status status =
        db_query_integer(db, "SELECT count(*) FROM jobs WHERE " ENDED, DB_NO_VALUES, 0, &finished, err);
    *ret_excess = finished - keep;
    if (status || *ret_excess <= 0)
        return status;
    return db_read_all(db, &kind, SELECT_FINISHED, DB_VALUES(db_integer((int64_t)limit + 1)), ret_items,
                       ret_count, err);
}

enum status store_finished_beyond(struct store *store, int64_t keep, size_t limit,
                                  struct finished **ret_items, size_t *ret_count, struct error *err)
{
    int64_t excess = 0;
    void *items = NULL;
    size_t count = 0, wanted = 0;
    sqlite3 *db = store_read_begin(store);
    enum status status = read_oldest(db, keep, limit, &excess, &items, &count, err);
    store_read_end(store);
    if (status)
        return status;
    for (; wanted + 1 < count && excess > 0; wanted++) /* the last is one too many, or the newest of all */
        excess -= ((const struct finished *)items)[wanted].jobs;
    *ret_items = items;
    *ret_count = wanted;
    return OK;
}
