#include "server/registry_private.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The bytes as a file, since that is what the engine reads. The folder's sweep at start takes what a kill leaves. */
static enum status write_upload(const struct registry *registry, const void *bytes, size_t size,
                                char ret_path[FILES_PATH_SIZE], struct error *err)
{
    enum status status = files_path(ret_path, err, "%s/models/upload-XXXXXX", store_folder(registry->store));
    int fd = status ? -1 : mkostemp(ret_path, O_CLOEXEC);
    if (status)
        return status;
    if (fd < 0)
        return error_set_errno(err, "creating a file for an upload");
    FILE *file = fdopen(fd, "wb");
    bool written = file && fwrite(bytes, 1, size, file) == size;
    if ((file ? fclose(file) : close(fd)) || !written) {
        status = error_set_errno(err, "writing an upload");
        unlink(ret_path);
    }
    return status;
}

/* Messages of the engine begin with the path, which is no business of the client's. */
static void hide_path(const char *path, struct error *err)
{
    size_t length = strlen(path);
    char *found = strstr(err->message, path);
    if (!found)
        return;
    const char *rest = found + length;
    rest += strncmp(rest, ": ", 2) == 0 ? 2 : 0;
    memmove(found, rest, strlen(rest) + 1);
}

/* Has what readers of a version's config look at. */
static bool is_config(const json_t *config)
{
    return json_is_string(json_object_get(config, "name")) &&
           json_is_string(json_object_get(config, "dataset")) &&
           json_is_array(json_object_get(json_object_get(config, "model"), "layers")) &&
           json_is_object(json_object_get(config, "training")) &&
           json_is_string(json_object_get(config, "promotion"));
}

/* What the file says of its training. It is shown as lineage, and never taken for a measurement of ours. */
static enum status read_lineage(const char *path, struct version_record *version, struct error *err)
{
    struct json_t *metadata;
    enum status status = model_metadata(path, &metadata, err);
    if (status)
        return status;
    const char *config = json_string_value(json_object_get(metadata, "config"));
    const char *digest = json_string_value(json_object_get(metadata, "train_digest"));
    json_t *parsed = config ? json_loads(config, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (is_config(parsed))
        version->config = json_dumps(parsed, JSON_COMPACT);
    json_decref(parsed);
    if (digest && strlen(digest) == DIGEST_TEXT_SIZE - 1 &&
        strspn(digest, "0123456789abcdef") == DIGEST_TEXT_SIZE - 1)
        memcpy(version->train_digest, digest, DIGEST_TEXT_SIZE);
    json_decref(metadata);
    return OK;
}

enum status registry_add(struct registry *registry, struct model *model, struct version_record *version,
                         struct error *err)
{
    char path[FILES_PATH_SIZE];
    pthread_mutex_lock(&registry->publish_mutex);
    enum status status = registry_write(registry, model, version, path, err);
    if (status == OK && (status = store_version_add(registry->store, version, err)))
        unlink(path);
    pthread_mutex_unlock(&registry->publish_mutex);
    return status;
}

enum status registry_import(struct registry *registry, const char *name, const void *bytes, size_t size,
                            const struct model_plan *plan, int *ret_version, struct error *err)
{
    char path[FILES_PATH_SIZE];
    struct model *model;
    struct version_record version = {.test_loss = NAN,
                                     .test_accuracy = NAN,
                                     .validation_loss = NAN,
                                     .validation_accuracy = NAN,
                                     .training_seconds = NAN};
    snprintf(version.model, sizeof version.model, "%s", name);
    enum status status = write_upload(registry, bytes, size, path, err);
    if (status)
        return status;
    status = model_load_as(path, plan, &model, err);
    if (status == OK) {
        status = read_lineage(path, &version, err);
        if (status == OK)
            status = registry_add(registry, model, &version, err);
        model_unref(model);
    }
    unlink(path);
    if (status)
        hide_path(path, err);
    else
        *ret_version = version.version;
    version_record_clear(&version);
    return status;
}
