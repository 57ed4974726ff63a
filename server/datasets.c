#include "server/datasets.h"

#include "server/files.h"
#include "server/store_samples.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Tells whether a split's two files are still those that were loaded, or own data in the same revision. */
struct stamp {
    int64_t revision; /* 0: files */
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
    struct store *store;   /* of own data; NULL: there is none */
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

void datasets_use_store(struct datasets *datasets, struct store *store)
{
    datasets->store = store;
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

bool datasets_has_folder(const struct datasets *datasets, const char *name)
{
    char path[FILES_PATH_SIZE];
    return name_is_valid(name) && files_path(path, NULL, "%s/%s", datasets->data_dir, name) == OK &&
           is_folder(path);
}

bool datasets_may_be_own(const struct datasets *datasets, const char *name)
{
    static const char *const built_in[] = {"mnist", "fashion-mnist"}; /* which need not be there yet */
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        if (strcmp(name, built_in[i]) == 0)
            return false;
    return !datasets_has_folder(datasets, name);
}

static int has_valid_name(const struct dirent *entry)
{
    return name_is_valid(entry->d_name);
}

/* Names in the making. */
struct name_list {
    size_t count;
    struct dataset_name names[DATASETS_LISTED_MAX + 1]; /* one more tells that there are more */
};

static void add_name(struct name_list *list, const char *name)
{
    if (list->count <= DATASETS_LISTED_MAX)
        memcpy(list->names[list->count++].text, name, strlen(name) + 1); /* valid names fit */
}

static enum status list_folders(const struct datasets *datasets, struct name_list *list, struct error *err)
{
    struct dirent **found = NULL;
    int entries = scandir(datasets->data_dir, &found, has_valid_name, alphasort);
    if (entries < 0 && errno != ENOENT)
        return error_set_errno(err, "reading folder %s", datasets->data_dir);
    for (int i = 0; i < entries; i++) {
        if (datasets_has_folder(datasets, found[i]->d_name))
            add_name(list, found[i]->d_name);
        free(found[i]);
    }
    free(found);
    return OK;
}

static enum status list_own(const struct datasets *datasets, struct name_list *list, struct error *err)
{
    struct own_dataset *owns;
    size_t count;
    enum status status = datasets->store ? store_own_list(datasets->store, &owns, &count, err) : OK;
    if (status || !datasets->store)
        return status;
    for (size_t i = 0; i < count; i++)
        if (!datasets_has_folder(datasets, owns[i].name))
            add_name(list, owns[i].name);
    free(owns);
    return OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct dataset_name *)a)->text, ((const struct dataset_name *)b)->text);
}

enum status datasets_list(struct datasets *datasets, struct dataset_name **ret_names, size_t *ret_count,
                          bool *ret_has_more, struct error *err)
{
    struct name_list list = {.count = 0};
    enum status status = list_folders(datasets, &list, err);
    if (status == OK)
        status = list_own(datasets, &list, err);
    if (status)
        return status;
    bool has_more = list.count > DATASETS_LISTED_MAX;
    list.count -= has_more;
    qsort(list.names, list.count, sizeof *list.names, compare_names);
    struct dataset_name *copy = malloc((list.count + 1) * sizeof *copy);
    if (!copy)
        return error_set(err, ERR_MEMORY, "no memory for the list of datasets");
    memcpy(copy, list.names, list.count * sizeof *copy);
    *ret_names = copy;
    *ret_count = list.count;
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
    for (size_t i = 0; i < entry->info.count; i++)
        entry->info.classes[dataset_label(dataset, i)]++;
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

/* Where the images of a split are. */
struct source {
    const char *name;
    enum split split;
    struct stamp stamp;
    char folder[FILES_PATH_SIZE]; /* "": own data */
};

static enum status find_source(struct datasets *datasets, const char *name, enum split split,
                               struct source *ret_source, struct error *err)
{
    struct own_dataset own;
    *ret_source = (struct source){.name = name, .split = split};
    if (datasets_has_folder(datasets, name)) {
        enum status status = files_path(ret_source->folder, err, "%s/%s", datasets->data_dir, name);
        if (status == OK)
            ret_source->stamp = read_stamp(ret_source->folder, split);
        return status;
    }
    enum status status = datasets->store ? store_own_read(datasets->store, name, &own, err) : ERR_NOT_FOUND;
    if (status == ERR_NOT_FOUND)
        return unknown_dataset(datasets, name, err);
    if (status == OK)
        ret_source->stamp.revision = own.revision;
    return status;
}

static enum status load(const struct datasets *datasets, const struct source *source,
                        struct dataset **ret_dataset, struct error *err)
{
    if (*source->folder)
        return dataset_load(source->folder, source->split, ret_dataset, err);
    if (source->split == SPLIT_TEST)
        return error_set(err, ERR_NOT_FOUND, "%s is own data, which has no test set", source->name);
    return store_samples_load(datasets->store, source->name, source->stamp.revision, ret_dataset, err);
}

/* With the mutex held: the entry of a split, loaded if need be; it holds the images if `images`. */
static enum status look_up(struct datasets *datasets, const struct source *source, bool images,
                           struct entry **ret_entry, struct error *err)
{
    struct entry *entry = find_entry(datasets, source->name, source->split, &source->stamp);
    if (!entry || (images && !entry->dataset)) {
        struct dataset *dataset;
        enum status status = load(datasets, source, &dataset, err);
        if (status)
            return status;
        if (!entry)
            entry = add_entry(datasets, source->name, source->split, &source->stamp, dataset);
        if (entry && images)
            entry->dataset = dataset_ref(dataset);
        dataset_unref(dataset);
    }
    if (!entry)
        return error_set(err, ERR_MEMORY, "no memory for dataset %s", source->name);
    if (images)
        keep_latest(datasets, entry);
    *ret_entry = entry;
    return OK;
}

/* The same by name. Own data may lose the revision that was found before it is read: then it is found anew. */
static enum status find_split(struct datasets *datasets, const char *name, enum split split, bool images,
                              struct source *ret_source, struct entry **ret_entry, struct error *err)
{
    enum status status;
    do {
        status = find_source(datasets, name, split, ret_source, err);
        if (status == OK)
            status = look_up(datasets, ret_source, images, ret_entry, err);
    } while (status == ERR_CHANGED);
    return status;
}

/* With the mutex held: what is known of a split. Of own data that has none there is nothing to know. */
static enum status look_at(struct datasets *datasets, const char *name, enum split split,
                           struct dataset_info *info, struct error *err)
{
    struct source source;
    struct entry *entry;
    enum status status = find_split(datasets, name, split, false, &source, &entry, err);
    info->revision = source.stamp.revision;
    if (status == OK)
        info->splits[split] = entry->info;
    return status == ERR_NOT_FOUND && info->revision ? OK : status;
}

enum status datasets_info(struct datasets *datasets, const char *name, struct dataset_info *ret_info,
                          struct error *err)
{
    struct dataset_info info = {.revision = 0};
    pthread_mutex_lock(&datasets->mutex);
    enum status status = look_at(datasets, name, SPLIT_TRAIN, &info, err);
    if (status == OK)
        status = look_at(datasets, name, SPLIT_TEST, &info, err);
    pthread_mutex_unlock(&datasets->mutex);
    if (status == OK)
        *ret_info = info;
    return status;
}

enum status datasets_split_info(struct datasets *datasets, const char *name, enum split split,
                                struct split_info *ret_info, struct error *err)
{
    struct source source;
    struct entry *entry;
    pthread_mutex_lock(&datasets->mutex);
    enum status status = find_split(datasets, name, split, false, &source, &entry, err);
    if (status == OK)
        *ret_info = entry->info;
    pthread_mutex_unlock(&datasets->mutex);
    return status;
}

enum status datasets_open(struct datasets *datasets, const char *name, enum split split,
                          struct dataset **ret_dataset, struct error *err)
{
    struct source source;
    struct entry *entry;
    pthread_mutex_lock(&datasets->mutex);
    enum status status = find_split(datasets, name, split, true, &source, &entry, err);
    if (status == OK)
        *ret_dataset = dataset_ref(entry->dataset);
    pthread_mutex_unlock(&datasets->mutex);
    return status;
}

enum status datasets_open_revision(struct datasets *datasets, const char *name, int64_t revision,
                                   struct dataset **ret_dataset, struct error *err)
{
    if (revision == 0)
        return datasets_open(datasets, name, SPLIT_TRAIN, ret_dataset, err);
    if (!datasets->store || datasets_has_folder(datasets, name))
        return error_set(err, ERR_CHANGED, "%s is not own data: it has no revisions", name);
    return store_samples_load(datasets->store, name, revision, ret_dataset, err);
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
