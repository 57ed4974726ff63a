/* Evaluations of the registry's versions: those that are in the store, and, on request, those that are not.
 *
 * What a job measured on its test set is stored with its version. Any other (of an imported version or a sweep's trial, on
 * another dataset, or because the images have changed since) is computed by one thread of this service, one at a time, at
 * idle priority like training, and stored. A version that is deleted takes its evaluations with it.
 *
 * Any thread may call; reading waits for the disk. */
#ifndef DIGITD_EVALUATIONS_H
#define DIGITD_EVALUATIONS_H

#include "engine/engine.h"
#include "server/evaluation.h"
#include "server/store_models.h"

struct datasets;
struct registry;
struct evaluations;

/* `threads` share the work. Borrows the others. */
MUST_CHECK enum status evaluations_create(struct store *store, struct registry *registry,
                                          struct datasets *datasets, int threads,
                                          struct evaluations **ret_evaluations, struct error *err);

/* Ends what is under way, within some milliseconds, and begins nothing more. */
void evaluations_stop(struct evaluations *evaluations);

void evaluations_free(struct evaluations *evaluations);

/* What is evaluated on what. */
struct evaluation_subject {
    char model[NAME_MAX_LENGTH + 1];
    int version;
    char dataset[NAME_MAX_LENGTH + 1];
    enum split split;
};

/* The dataset whose test set a version was tested on; "mnist" when that is not known. */
void evaluation_default_dataset(const struct version_record *version, char ret_dataset[NAME_MAX_LENGTH + 1]);

/* The stored evaluation, if it is of the images that are there now, or if there are none any more. ERR_NOT_FOUND: neither an
 * evaluation nor the dataset. `ret_there` false: there is none, and it can be computed. Else as datasets_split_info. */
MUST_CHECK enum status evaluations_read(struct evaluations *evaluations,
                                        const struct evaluation_subject *subject,
                                        struct evaluation_record *ret_record, bool *ret_there,
                                        struct error *err);

/* An evaluation that is asked for; the caller's, and untouched by it until `done`. */
struct evaluation_call {
    struct evaluation_subject subject;

    /* Called once, on the service's thread. */
    void (*done)(struct evaluation_call *call);

    bool stopped; /* the service ends: there is no record */
    enum status status;
    struct error err;
    struct evaluation_record record; /* when status is OK; the caller clears it */
};

/* Begins to compute one. False when another is under way, or the service ends: then `done` is not called. */
MUST_CHECK bool evaluations_submit(struct evaluations *evaluations, struct evaluation_call *call);

#endif
