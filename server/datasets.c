#include "server/datasets.h"

#include "server/files.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Tells whether a split's two files are still those that were loaded. */
struct stamp {
    struct {
        uint64_t inode;
        int64_t size, seconds, nanoseconds;
    } files[2];
};

struct entry {
    struct entry *next;
    char name[NAME_MAX_LENGTH + 1];
    enum split split;
    struct stamp stamp;
    struct split_info info;
    struct dataset *dataset; /* NULL when only the info is remembered */
};

struct datasets {
    char data_dir[FILES_PATH_SIZE];
    pthread_mutex_t mutex; /* guards entries; held while a dataset is loaded, so that it is loaded once */
    struct entry *entries; /* one a split that was loaded, the one whose images were last asked for first */
};

enum status datasets_create(const char *data_dir, struct datasets **ret_datasets, struct error *err)
{
    struct datasets *datasets = calloc(1, sizeof *datasets);
    if (!datasets)
        return error_set(err, ERR_MEMORY, "no memory for the datasets");
    enum status status = files_path(datasets->data_dir, err, "%s", data_dir);
    if (status) {
        free(datasets);
        return status;
    }
    pthread_mutex_init(&datasets->mutex, NULL);
    *ret_datasets = datasets;
    return OK;
}

static void free_entry(struct entry *entry)
{
    dataset_unref(entry->dataset);
    free(entry);
}

void datasets_free(struct datasets *datasets)
{
    if (!datasets)
        return;
    while (datasets->entries) {
        struct entry *entry = datasets->entries;
        datasets->entries = entry->next;
        free_entry(entry);
    }
    pthread_mutex_destroy(&datasets->mutex);
    free(datasets);
}

/* ---- Names ----------------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool datasets_has(const struct datasets *datasets, const char *name)
{
    char path[FILES_PATH_SIZE];
    return name_is_valid(name) && files_path(path, NULL, "%s/%s", datasets->data_dir, name) == OK &&
           is_folder(path);
}

static int has_valid_name(const struct dirent *entry)
{
    return name_is_valid(entry->d_name);
}

enum status datasets_list(struct datasets *datasets, struct dataset_name **ret_names, size_t *ret_count,
                          bool *ret_has_more, struct error *err)
{
    struct dirent **found = NULL;
    int entries = scandir(datasets->data_dir, &found, has_valid_name, alphasort);
    if (entries < 0 && errno != ENOENT)
        return error_set_errno(err, "reading folder %s", datasets->data_dir);

    size_t count = 0;
    struct dataset_name names[DATASETS_LISTED_MAX + 1]; /* one more tells that there are more */
    for (int i = 0; i < entries; i++) {
        const char *name = found[i]->d_name;
        if (count <= DATASETS_LISTED_MAX && datasets_has(datasets, name))
            memcpy(names[count++].text, name, strlen(name) + 1); /* valid names fit */
        free(found[i]);
    }
    free(found);

    bool has_more = count > DATASETS_LISTED_MAX;
    count -= has_more;
    struct dataset_name *copy = malloc((count + 1) * sizeof *copy);
    if (!copy)
        return error_set(err, ERR_MEMORY, "no memory for the list of datasets");
    memcpy(copy, names, count * sizeof *copy);
    *ret_names = copy;
    *ret_count = count;
    *ret_has_more = has_more;
    return OK;
}

/* "there is no dataset x (there are: fashion-mnist, mnist)" */
static enum status unknown_dataset(struct datasets *datasets, const char *name, struct error *err)
{
    struct dataset_name *names = NULL;
    size_t count = 0;
    bool has_more;
    char known[200] = "none yet";
    if (datasets_list(datasets, &names, &count, &has_more, NULL) == OK) {
        for (size_t i = 0, used = 0; i < count && used < sizeof known; i++)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names[i].text);
        free(names);
    }
    return error_set(err, ERR_NOT_FOUND, "there is no dataset \"%s\" (there are: %s)", name, known);
}

/* ---- Loading --------------------------------------------------------------------------------------- */

static struct stamp read_stamp(const char *folder, enum split split)
{
    static const char *const kinds[] = {"images-idx3", "labels-idx1"};
    static const char *const endings[] = {"", ".gz"};
    struct stamp stamp = {0};
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t ending = 0; ending < 2; ending++) {
            char path[FILES_PATH_SIZE];
            struct stat info;
            if (files_path(path, NULL, "%s/%s-%s-ubyte%s", folder, split == SPLIT_TRAIN ? "train" : "t10k",
                           kinds[kind], endings[ending]) ||
                stat(path, &info))
                continue;
            stamp.files[kind].inode = info.st_ino;
            stamp.files[kind].size = info.st_size;
            stamp.files[kind].seconds = info.st_mtim.tv_sec;
            stamp.files[kind].nanoseconds = info.st_mtim.tv_nsec;
            break;
        }
    }
    return stamp;
}

/* The entry of a split whose files have not changed since; entries of changed files are dropped. */
static struct entry *find_entry(struct datasets *datasets, const char *name, enum split split,
                                const struct stamp *stamp)
{
    for (struct entry **link = &datasets->entries; *link; link = &(*link)->next) {
        struct entry *entry = *link;
        if (entry->split != split || strcmp(entry->name, name) != 0)
            continue;
        if (memcmp(&entry->stamp, stamp, sizeof *stamp) == 0)
            return entry;
        *link = entry->next;
        free_entry(entry);
        return NULL;
    }
    return NULL;
}

/* NULL without memory. */
static struct entry *add_entry(struct datasets *datasets, const char *name, enum split split,
                               const struct stamp *stamp, const struct dataset *dataset)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->split = split;
    entry->stamp = *stamp;
    entry->info.count = dataset_count(dataset);
    snprintf(entry->info.digest, sizeof entry->info.digest, "%s", dataset_digest(dataset));
    entry->next = datasets->entries;
    datasets->entries = entry;
    return entry;
}

/* With the mutex held: the images of `entry` were asked for; those of the splits before the last few are let go. */
static void keep_latest(struct datasets *datasets, struct entry *entry)
{
    struct entry **link = &datasets->entries;
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    entry->next = datasets->entries;
    datasets->entries = entry;

    size_t kept = 0;
    for (; entry; entry = entry->next) {
        if (entry->dataset && ++kept > DATASETS_KEPT_MAX) {
            dataset_unref(entry->dataset);
            entry->dataset = NULL;
        }
    }
}

/* With the mutex held: the entry of a split, loaded if need be; it holds the images if `images`. */
static enum status look_up(struct datasets *datasets, const char *name, enum split split, bool images,
                           struct entry **ret_entry, struct error *err)
{
    char folder[FILES_PATH_SIZE];
    if (!datasets_has(datasets, name))
        return unknown_dataset(datasets, name, err);
    enum status status = files_path(folder, err, "%s/%s", datasets->data_dir, name);
    if (status)
        return status;

    struct stamp stamp = read_stamp(folder, split);
    struct entry *entry = find_entry(datasets, name, split, &stamp);
    if (!entry || (images && !entry->dataset)) {
        struct dataset *dataset;
        if ((status = dataset_load(folder, split, &dataset, err)))
            return status;
        if (!entry)
            entry = add_entry(datasets, name, split, &stamp, dataset);
        if (entry && images)
            entry->dataset = dataset_ref(dataset);
        dataset_unref(dataset);
    }
    if (!entry)
        return error_set(err, ERR_MEMORY, "no memory for dataset %s", name);
    if (images)
        keep_latest(datasets, entry);
    *ret_entry = entry;
    return OK;
}

enum status datasets_info(struct datasets *datasets, const char *name, struct dataset_info *ret_info,
                          struct error *err)
{
    struct entry *train, *test;
    pthread_mutex_lock(&datasets->mutex);
    enum status status = look_up(datasets, name, SPLIT_TRAIN, false, &train, err);
    if (status == OK)
        status = look_up(datasets, name, SPLIT_TEST, false, &test, err);
    if (status == OK) {
        ret_info->splits[SPLIT_TRAIN] = train->info;
        ret_info->splits[SPLIT_TEST] = test->info;
    }
    pthread_mutex_unlock(&datasets->mutex);
    return status;
}

enum status datasets_split_info(struct datasets *datasets, const char *name, enum split split,
                                struct split_info *ret_info, struct error *err)
{
    struct entry *entry;
    pthread_mutex_lock(&datasets->mutex);
    enum status status = look_up(datasets, name, split, false, &entry, err);
    if (status == OK)
        *ret_info = entry->info;
    pthread_mutex_unlock(&datasets->mutex);
    return status;
}

enum status datasets_open(struct datasets *datasets, const char *name, enum split split,
                          struct dataset **ret_dataset, struct error *err)
{
    struct entry *entry;
    pthread_mutex_lock(&datasets->mutex);
    enum status status = look_up(datasets, name, split, true, &entry, err);
    if (status == OK)
        *ret_dataset = dataset_ref(entry->dataset);
    pthread_mutex_unlock(&datasets->mutex);
    return status;
}

void datasets_trim(struct datasets *datasets)
{
    pthread_mutex_lock(&datasets->mutex);
    for (struct entry *entry = datasets->entries; entry; entry = entry->next) {
        dataset_unref(entry->dataset);
        entry->dataset = NULL;
    }
    pthread_mutex_unlock(&datasets->mutex);
}
