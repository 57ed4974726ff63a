/* A dataset of a few images that any network learns: digit d is a bright stripe in rows 2d+4 and 2d+5. */
#ifndef DIGITD_TESTS_TINY_DATASET_H
#define DIGITD_TESTS_TINY_DATASET_H

/* Writes the four IDX files into the scratch folder's sub-folder `folder`, which is made if need be. */
void tiny_dataset_write(const char *folder, unsigned train_count, unsigned test_count);

void tiny_dataset_remove(const char *folder);

#endif
