/* The durable memory of the service: one SQLite database in the store's folder. What a function here has said OK to
 * survives a kill or a power cut. store_jobs.h and store_models.h hold what can be kept.
 *
 * One process at a time owns a store. Any thread may call; all writes go through one connection, one at a time, and
 * reads through another that cannot write. */
#ifndef DIGITD_STORE_H
#define DIGITD_STORE_H

#include "engine/engine.h"

struct store;

/* Opens the store in `folder`, creating folder and database where missing and bringing an older database up to
 * date. ERR_IO: another process has it, or the file is not such a database, or was written by a newer program. */
MUST_CHECK enum status store_open(const char *folder, struct store **ret_store, struct error *err);

/* No other thread may be in the store. */
void store_free(struct store *store);

const char *store_folder(const struct store *store);

#endif
