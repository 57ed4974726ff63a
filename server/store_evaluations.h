/* What versions made of datasets, in the store. See store.h for the rules. A version has one evaluation a split of a dataset:
 * the one on the images that were there last. They go with their version. */
#ifndef DIGITD_STORE_EVALUATIONS_H
#define DIGITD_STORE_EVALUATIONS_H

#include "engine/engine.h"
#include "server/digest.h"
#include "server/names.h"
#include "server/store.h"

struct evaluation_record {
    char dataset[NAME_MAX_LENGTH + 1];
    enum split split;
    char digest[DIGEST_TEXT_SIZE]; /* of the images and labels */
    int64_t evaluated_at;          /* ms since 1970 */
    int64_t images;
    double loss, accuracy; /* NaN if not finite */
    char *details;         /* JSON on the heap */
};

void evaluation_record_clear(struct evaluation_record *record);

/* "train", "test"; NULL at the end; by enum split. */
extern const char *const dataset_split_names[];

/* ERR_NOT_FOUND: there is none. */
MUST_CHECK enum status store_evaluation_read(struct store *store, const char *model, int version,
                                             const char *dataset, enum split split,
                                             struct evaluation_record *ret_record, struct error *err);

/* Takes the place of an earlier one. ERR_NOT_FOUND: no such version. */
MUST_CHECK enum status store_evaluation_put(struct store *store, const char *model, int version,
                                            const struct evaluation_record *record, struct error *err);

/* Accuracy of a version on images and labels with this digest, wherever it was measured: in its job, or in an evaluation.
 * NaN when it is not known, or the version not there. */
MUST_CHECK enum status store_version_accuracy(struct store *store, const char *model, int version,
                                              const char *digest, double *ret_accuracy, struct error *err);

#endif
