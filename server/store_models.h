/* Models and their versions in the store. See store.h for the rules; the weights are files, which
 * registry.h looks after. */
#ifndef DIGITD_STORE_MODELS_H
#define DIGITD_STORE_MODELS_H

#include "engine/engine.h"
#include "server/digest.h"
#include "server/names.h"
#include "server/store.h"
#include "server/store_aliases.h"
#include "server/store_evaluations.h"

/* A version and its lineage: enough to say where it came from, and to train it again. */
struct version_record {
    char model[NAME_MAX_LENGTH + 1];
    int version;                    /* from 1; never given twice */
    int64_t created_at;             /* ms since 1970; set by the store */
    char job_id[JOB_ID_LENGTH + 1]; /* "": imported */
    char *config;                   /* JSON on the heap: the job's whole request; NULL: imported without it */
    char train_digest[DIGEST_TEXT_SIZE], test_digest[DIGEST_TEXT_SIZE]; /* of the dataset's splits */
    char core_type[32];                                                 /* of OpenBLAS */
    char code_version[32];                                              /* of digitd */
    int64_t parameters;
    char weights_digest[DIGEST_TEXT_SIZE]; /* of the parameters alone: equal for equal training */
    char file_digest[DIGEST_TEXT_SIZE];    /* of the file's bytes */
    int64_t file_bytes;
    double test_loss, test_accuracy;
    double validation_loss, validation_accuracy; /* NaN without validation */
    double training_seconds;

    struct alias_list aliases; /* that point to it, when it is read */

    /* Borrowed: when the version is registered, kept with it in the same transaction. NULL: none. */
    const struct evaluation_record *evaluation;

    /* Of the run; for the job's result, and not kept with the version. */
    int epochs, best_epoch; /* best_epoch is 0 without patience */
    bool stopped_early;
};

void version_record_clear(struct version_record *record);

/* ERR_NOT_FOUND: no such model or version. */
MUST_CHECK enum status store_version_read(struct store *store, const char *model, int version,
                                          struct version_record *ret_record, struct error *err);

/* Versions of `model`, newest first, those below `before` (0: from the newest). The caller clears each and frees the
 * array. */
MUST_CHECK enum status store_version_list(struct store *store, const char *model, int before, size_t limit,
                                          struct version_record **ret_records, size_t *ret_count,
                                          bool *ret_has_more, struct error *err);

/* The version of `model` that a job made; 0 for none. */
MUST_CHECK enum status store_version_of_job(struct store *store, const char *model, const char *job,
                                            int *ret_version, struct error *err);

/* Registers a version that no job made; sets created_at. */
MUST_CHECK enum status store_version_add(struct store *store, struct version_record *version,
                                         struct error *err);

/* ERR_NOT_FOUND: no such version. ERR_ARGUMENT, with its name: an alias points to it. */
MUST_CHECK enum status store_version_delete(struct store *store, const char *model, int version,
                                            struct error *err);

/* The number that the next version of `model` gets, also when the model is new. */
MUST_CHECK enum status store_version_next(struct store *store, const char *model, int *ret_version,
                                          struct error *err);

struct model_record {
    char name[NAME_MAX_LENGTH + 1];
    int64_t created_at;
    int last_version;
    struct alias_list aliases;
    int production; /* version, 0 for none: one of `aliases` */
};

/* ERR_NOT_FOUND: no such model. */
MUST_CHECK enum status store_model_read(struct store *store, const char *name,
                                        struct model_record *ret_record, struct error *err);

/* Models by name, from the first after `after` (NULL: from the beginning). The caller frees the array. */
MUST_CHECK enum status store_model_list(struct store *store, const char *after, size_t limit,
                                        struct model_record **ret_records, size_t *ret_count,
                                        bool *ret_has_more, struct error *err);

#endif
