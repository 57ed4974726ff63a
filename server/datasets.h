/* The datasets that can be trained on, by name: the folders of --data-dir, each with the four IDX files that dataset_load
 * reads, and what clients have added themselves (store_samples.h), which has no test set. A folder takes the name from own
 * data.
 *
 * A dataset is loaded when first asked for and then shared; what is remembered of it is forgotten when its files
 * change. Any thread may call; a call may take as long as reading some 50 MB of files. */
#ifndef DIGITD_DATASETS_H
#define DIGITD_DATASETS_H

#include "engine/engine.h"
#include "server/digest.h"
#include "server/names.h"

struct datasets;
struct store;

#define DATASETS_LISTED_MAX 256
#define DATASETS_KEPT_MAX   2 /* splits whose images are kept for the next who asks; 60,000 take 47 MB */

/* `data_dir` need not exist yet. */
MUST_CHECK enum status datasets_create(const char *data_dir, struct datasets **ret_datasets,
                                       struct error *err);
void datasets_free(struct datasets *datasets);

/* Own data is in `store`, which must outlive the datasets; without this there is none. Before other threads call. */
void datasets_use_store(struct datasets *datasets, struct store *store);

struct dataset_name {
    char text[NAME_MAX_LENGTH + 1];
};

/* Names of the folders that may be datasets and of own data, sorted, at most DATASETS_LISTED_MAX. The caller frees the array. */
MUST_CHECK enum status datasets_list(struct datasets *datasets, struct dataset_name **ret_names,
                                     size_t *ret_count, bool *ret_has_more, struct error *err);

/* Whether there is a folder of that name, whatever is in it. */
bool datasets_has_folder(const struct datasets *datasets, const char *name);

/* Whether clients may add images under that name: it is no folder's, nor that of a dataset which comes with the program. */
bool datasets_may_be_own(const struct datasets *datasets, const char *name);

struct split_info {
    size_t count;
    size_t classes[CLASSES]; /* so many of each label */
    char digest[DIGEST_TEXT_SIZE];
};

struct dataset_info {
    struct split_info splits[2]; /* by enum split; own data has no test set, and may be empty: count 0 */
    int64_t revision;            /* of own data, at least 1; 0: a folder */
};

/* Counts and checksums. ERR_NOT_FOUND: no such dataset, or one of its files is missing. Else as dataset_load. */
MUST_CHECK enum status datasets_info(struct datasets *datasets, const char *name,
                                     struct dataset_info *ret_info, struct error *err);

/* The same of one split: the other need not be readable. */
MUST_CHECK enum status datasets_split_info(struct datasets *datasets, const char *name, enum split split,
                                           struct split_info *ret_info, struct error *err);

/* The images and labels; the caller gets a reference. Errors as datasets_info; ERR_NOT_FOUND: the split is empty, too. */
MUST_CHECK enum status datasets_open(struct datasets *datasets, const char *name, enum split split,
                                     struct dataset **ret_dataset, struct error *err);

/* The training images, of own data those of a revision (0: a folder's). ERR_CHANGED: that revision cannot be read any more, or
 * the name is now one of the other kind. Else as datasets_open. */
MUST_CHECK enum status datasets_open_revision(struct datasets *datasets, const char *name, int64_t revision,
                                              struct dataset **ret_dataset, struct error *err);

/* Lets go of the images kept for the next caller of datasets_open. */
void datasets_trim(struct datasets *datasets);

#endif
