/* Aliases of models in the store: which version each points to, and how it came to that. See store.h for the rules.
 *
 * Every move is kept, up to STORE_ALIAS_MOVES of an alias: the list is the audit, and a rollback undoes its last move that
 * was not undone before. */
#ifndef DIGITD_STORE_ALIASES_H
#define DIGITD_STORE_ALIASES_H

#include "engine/engine.h"
#include "server/names.h"
#include "server/store.h"

#define ALIAS_PRODUCTION "production"

#define STORE_ALIASES_MAX 16   /* of a model: each keeps a version in memory */
#define STORE_ALIAS_MOVES 1000 /* remembered of an alias */

/* The aliases of a model, or those of one of its versions. */
struct alias_list {
    size_t count;
    struct {
        char name[NAME_MAX_LENGTH + 1];
        int version;
    } items[STORE_ALIASES_MAX];
};

/* The version of an alias in a list; 0 for none. */
int alias_list_find(const struct alias_list *list, const char *name);

enum alias_reason { ALIAS_BY_JOB, ALIAS_BY_CLIENT, ALIAS_BY_ROLLBACK, ALIAS_BY_SWEEP };

const char *alias_reason_name(enum alias_reason reason);

struct alias_move {
    int64_t id;
    int64_t moved_at; /* ms since 1970 */
    char model[NAME_MAX_LENGTH + 1], alias[NAME_MAX_LENGTH + 1];
    int version, previous; /* 0: none */
    enum alias_reason reason;
    char job[JOB_ID_LENGTH + 1]; /* "" for none */
};

/* What an alias is about to do; the callback makes predictions follow. */
typedef enum status alias_before_commit(void *context, const struct alias_move *move, struct error *err);

/* Points `move->alias` at `move->version`, or removes it (version 0), and fills the rest of `move`. Before the move is
 * durable `before_commit` is called, unless nothing changes; when that fails, or the commit does, nothing has moved.
 * ERR_NOT_FOUND: no such version, or no such alias to remove. ERR_ARGUMENT: too many aliases. */
MUST_CHECK enum status store_alias_move(struct store *store, struct alias_move *move,
                                        alias_before_commit *before_commit, void *context, struct error *err);

/* Goes back to the version before the last move that was not undone, past those that are deleted; `move` has model and
 * alias. ERR_NOT_FOUND: the alias was never there. ERR_ARGUMENT: there is nothing to go back to. */
MUST_CHECK enum status store_alias_rollback(struct store *store, struct alias_move *move,
                                            alias_before_commit *before_commit, void *context,
                                            struct error *err);

/* Newest first, those older than the move `before` (0: from the newest). The caller frees the array. ERR_NOT_FOUND: the
 * alias was never there. */
MUST_CHECK enum status store_alias_history(struct store *store, const char *model, const char *alias,
                                           int64_t before, size_t limit, struct alias_move **ret_moves,
                                           size_t *ret_count, bool *ret_has_more, struct error *err);

#endif
