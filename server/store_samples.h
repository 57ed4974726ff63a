/* Own data in the store: labelled images that clients have added, a dataset of them by name. See store.h for the rules.
 *
 * Every change of a dataset gives it a new revision, a number that no other change of any dataset has. The images of a
 * revision can be read as long as a job that has not ended asks for some, or somebody holds them: only then are deleted
 * images kept. */
#ifndef DIGITD_STORE_SAMPLES_H
#define DIGITD_STORE_SAMPLES_H

#include "engine/engine.h"
#include "server/names.h"
#include "server/store.h"

#define OWN_DATASETS_MAX 100
#define OWN_SAMPLES_MAX  100000 /* a dataset, with deleted ones that a job still needs: 78 MB */

/* Ids and revisions: those that JSON numbers hold exactly (RFC 8259, 6). */
#define SAMPLE_ID_MAX ((int64_t)9007199254740991)

struct own_dataset {
    char name[NAME_MAX_LENGTH + 1];
    int64_t revision; /* the present one */
    int64_t oldest;   /* the first that can still be read */
};

/* ERR_NOT_FOUND: there is none of that name. */
MUST_CHECK enum status store_own_read(struct store *store, const char *name, struct own_dataset *ret_own,
                                      struct error *err);

/* By name. The caller frees the array. */
MUST_CHECK enum status store_own_list(struct store *store, struct own_dataset **ret_owns, size_t *ret_count,
                                      struct error *err);

/* Forgets a dataset with its images. `ret_in_use`: nothing was done, since a job or sweep that has not ended trains on it.
 * ERR_NOT_FOUND: there is none of that name. */
MUST_CHECK enum status store_own_delete(struct store *store, const char *name, bool *ret_in_use,
                                        struct error *err);

/* From a hold to its release the images of every revision since then can be read, whatever is removed: for what looks at own
 * data, and then stores a job or sweep that trains on it. Removing a whole dataset is not held up. */
void store_own_hold(struct store *store);
void store_own_release(struct store *store);

/* Some images and as many labels 0..9, at least one. */
struct sample_batch {
    const uint8_t (*images)[IMAGE_PIXELS];
    const uint8_t *labels;
    size_t count;
};

/* Adds all of them in one transaction, to a dataset that is made on first use. The ids are consecutive from `ret_first`;
 * `ret_count` is how many the dataset has now. ERR_ARGUMENT: a limit above would be passed. */
MUST_CHECK enum status store_samples_add(struct store *store, const char *name,
                                         const struct sample_batch *batch, int64_t *ret_first,
                                         int64_t *ret_count, struct error *err);

struct sample_record {
    int64_t id;
    int label;
    int64_t created_at; /* ms since 1970 */
};

struct sample_filter {
    int label;      /* -1: all */
    int64_t before; /* only ids below; 0: from the newest */
    size_t limit;
};

/* Newest first. The caller frees the array. ERR_NOT_FOUND: no such dataset. */
MUST_CHECK enum status store_sample_list(struct store *store, const char *name,
                                         const struct sample_filter *filter,
                                         struct sample_record **ret_samples, size_t *ret_count,
                                         bool *ret_has_more, struct error *err);

/* ERR_NOT_FOUND: no such sample, or no more. */
MUST_CHECK enum status store_sample_image(struct store *store, const char *name, int64_t id,
                                          uint8_t ret_image[IMAGE_PIXELS], struct error *err);
MUST_CHECK enum status store_sample_delete(struct store *store, const char *name, int64_t id,
                                           struct error *err);

/* All images of a revision, in the order in which they came. ERR_NOT_FOUND: no such dataset, or it was empty then.
 * ERR_CHANGED: it can not be read any more. */
MUST_CHECK enum status store_samples_load(struct store *store, const char *name, int64_t revision,
                                          struct dataset **ret_dataset, struct error *err);

#endif
