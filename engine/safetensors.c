#include "engine/safetensors.h"

#include "engine/atomic_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER != __LITTLE_ENDIAN
#error "tensors are read and written as they lie in memory, which must be little-endian"
#endif

#define MAX_HEADER (1 << 20)

struct safetensors_file {
    char *path;
    int descriptor;
    json_t *header;
    uint64_t data_start, data_size;
};

/* ---- Writing ---- */

static json_t *tensor_entry(const struct safetensor *tensor, uint64_t offset)
{
    json_t *shape = json_array();
    for (size_t i = 0; i < tensor->rank; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)tensor->dimensions[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets",
                     (json_int_t)offset, (json_int_t)(offset + tensor->count * sizeof(float)));
}

/* The header's text, padded with spaces to 8 bytes; NULL without memory. */
static char *header_text(const struct safetensor *tensors, size_t count, const json_t *metadata)
{
    json_t *header = json_object();
    uint64_t offset = 0;
    bool complete = header && json_object_set(header, "__metadata__", (json_t *)(uintptr_t)metadata) == 0;
    for (size_t i = 0; i < count && complete; i++) {
        complete = json_object_set_new(header, tensors[i].name, tensor_entry(&tensors[i], offset)) == 0;
        offset += tensors[i].count * sizeof(float);
    }
    char *text = complete ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    size_t length = text ? strlen(text) : 0, padded = (length + 7) / 8 * 8;
    char *result = text ? realloc(text, padded + 1) : NULL;
    if (!result) {
        free(text);
        return NULL;
    }
    memset(result + length, ' ', padded - length);
    result[padded] = '\0';
    return result;
}

enum status safetensors_write(const char *path, const struct safetensor *tensors, size_t count,
                              const json_t *metadata, struct error *err)
{
    struct atomic_file file;
    char *header = header_text(tensors, count, metadata);
    if (!header)
        return error_set(err, ERR_MEMORY, "no memory for the header of %s", path);
    uint64_t length = htole64(strlen(header));
    enum status status = atomic_file_begin(&file, path, err);
    if (status == OK) {
        status = atomic_file_append(&file, &length, sizeof length, err);
        if (status == OK)
            status = atomic_file_append(&file, header, strlen(header), err);
        for (size_t i = 0; i < count && status == OK; i++)
            status = atomic_file_append(&file, tensors[i].data, tensors[i].count * sizeof(float), err);
        status = atomic_file_end(&file, status, err);
    }
    free(header);
    return status;
}

/* ---- Reading ---- */

static enum status read_at(const struct safetensors_file *file, uint64_t offset, void *data, size_t size,
                           struct error *err)
{
    char *bytes = data;
    while (size > 0) {
        ssize_t got = pread(file->descriptor, bytes, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, "cannot read %s", file->path);
        if (got == 0)
            return error_set(err, ERR_FORMAT, "%s: ends at byte %llu, %zu bytes too early", file->path,
                             (unsigned long long)offset, size);
        bytes += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return OK;
}

static enum status parse_header(struct safetensors_file *file, uint64_t length, struct error *err)
{
    char *text = malloc(length + 1);
    if (!text)
        return error_set(err, ERR_MEMORY, "no memory for the header of %s", file->path);
    enum status status = read_at(file, 8, text, length, err);
    if (status == OK) {
        json_error_t where;
        file->header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
        if (!file->header)
            status = error_set(err, ERR_FORMAT, "%s: the header is not JSON: %s (byte %d)", file->path,
                               where.text, 8 + where.position);
        else if (!json_is_object(file->header))
            status = error_set(err, ERR_FORMAT, "%s: the header is not a JSON object", file->path);
    }
    free(text);
    return status;
}

/* What a tensor's entry says; false unless it is well-formed F32. */
static bool read_entry(const json_t *entry, uint64_t *ret_begin, uint64_t *ret_end)
{
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    const json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (!type || strcmp(type, "F32") != 0 || !json_is_array(shape) || json_array_size(offsets) != 2 ||
        !json_is_integer(begin) || !json_is_integer(end) || json_integer_value(begin) < 0 ||
        json_integer_value(end) < json_integer_value(begin))
        return false;
    uint64_t bytes = sizeof(float);
    for (size_t i = 0; i < json_array_size(shape); i++) {
        json_int_t dimension = json_integer_value(json_array_get(shape, i));
        if (!json_is_integer(json_array_get(shape, i)) || dimension < 0 ||
            __builtin_mul_overflow(bytes, (uint64_t)dimension, &bytes))
            return false;
    }
    *ret_begin = (uint64_t)json_integer_value(begin);
    *ret_end = (uint64_t)json_integer_value(end);
    return *ret_end - *ret_begin == bytes;
}

struct extent {
    uint64_t begin, end;
};

static int by_begin(const void *a, const void *b)
{
    const struct extent *left = a, *right = b;
    if (left->begin != right->begin)
        return left->begin < right->begin ? -1 : 1;
    return left->end < right->end ? -1 : left->end > right->end;
}

/* The tensors must cover the data from the first byte to the last, one behind the other. */
static enum status check_cover(const struct safetensors_file *file, struct extent *extents, size_t count,
                               struct error *err)
{
    qsort(extents, count, sizeof *extents, by_begin);
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (extents[i].begin != at)
            return error_set(err, ERR_FORMAT, "%s: the tensors %s at byte %llu of the data", file->path,
                             extents[i].begin < at ? "overlap" : "leave a hole", (unsigned long long)at);
        at = extents[i].end;
    }
    if (at != file->data_size)
        return error_set(err, ERR_FORMAT, "%s: the tensors take %llu bytes of data, the file has %llu",
                         file->path, (unsigned long long)at, (unsigned long long)file->data_size);
    return OK;
}

static enum status check_header(const struct safetensors_file *file, struct error *err)
{
    struct extent *extents = calloc(json_object_size(file->header) + 1, sizeof *extents);
    if (!extents)
        return error_set(err, ERR_MEMORY, "no memory to check %s", file->path);
    enum status status = OK;
    size_t count = 0;
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        if (!read_entry(entry, &extents[count].begin, &extents[count].end)) {
            status = error_set(err, ERR_FORMAT,
                               "%s: tensor \"%.60s\" is not F32 with a shape and offsets that agree",
                               file->path, name);
            break;
        }
        count++;
    }
    if (status == OK)
        status = check_cover(file, extents, count, err);
    free(extents);
    return status;
}

static enum status read_header(struct safetensors_file *file, struct error *err)
{
    struct stat info;
    uint64_t length;
    if (fstat(file->descriptor, &info) != 0)
        return error_set_errno(err, "cannot read %s", file->path);
    uint64_t size = (uint64_t)info.st_size;
    if (!S_ISREG(info.st_mode) || size < 8)
        return error_set(err, ERR_FORMAT, "%s: not a safetensors file: shorter than 8 bytes", file->path);
    enum status status = read_at(file, 0, &length, sizeof length, err);
    if (status != OK)
        return status;
    length = le64toh(length);
    if (length > MAX_HEADER || length > size - 8)
        return error_set(err, ERR_FORMAT,
                         "%s: not a safetensors file: a header of %llu bytes in a file of %llu", file->path,
                         (unsigned long long)length, (unsigned long long)size);
    file->data_start = 8 + length;
    file->data_size = size - file->data_start;
    status = parse_header(file, length, err);
    return status == OK ? check_header(file, err) : status;
}

enum status safetensors_open(const char *path, struct safetensors_file **ret_file, struct error *err)
{
    struct safetensors_file *file = calloc(1, sizeof *file);
    if (!file)
        return error_set(err, ERR_MEMORY, "no memory to read %s", path);
    file->path = strdup(path);
    file->descriptor = file->path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    enum status status =
        file->descriptor < 0 ? error_set_errno(err, "cannot open %s", path) : read_header(file, err);
    if (status != OK) {
        safetensors_close(file);
        return status;
    }
    *ret_file = file;
    return OK;
}

void safetensors_close(struct safetensors_file *file)
{
    if (!file)
        return;
    if (file->descriptor >= 0)
        close(file->descriptor);
    json_decref(file->header);
    free(file->path);
    free(file);
}

const json_t *safetensors_all_metadata(const struct safetensors_file *file)
{
    return json_object_get(file->header, "__metadata__");
}

const char *safetensors_metadata(const struct safetensors_file *file, const char *key)
{
    return json_string_value(json_object_get(safetensors_all_metadata(file), key));
}

static bool same_shape(const json_t *shape, const struct safetensor *tensor)
{
    if (json_array_size(shape) != tensor->rank)
        return false;
    for (size_t i = 0; i < tensor->rank; i++)
        if (json_integer_value(json_array_get(shape, i)) != (json_int_t)tensor->dimensions[i])
            return false;
    return true;
}

enum status safetensors_check(const struct safetensors_file *file, const struct safetensor *tensors,
                              size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_object_get(file->header, tensors[i].name);
        if (!entry)
            return error_set(err, ERR_FORMAT, "%s: has no tensor \"%s\"", file->path, tensors[i].name);
        const json_t *shape = json_object_get(entry, "shape");
        if (!same_shape(shape, &tensors[i])) {
            char *text = json_dumps(shape, JSON_COMPACT);
            enum status status =
                error_set(err, ERR_SHAPE, "%s: tensor \"%s\" has shape %.80s, which does not fit the model",
                          file->path, tensors[i].name, text ? text : "unknown");
            free(text);
            return status;
        }
    }
    size_t present = json_object_size(file->header) - (json_object_get(file->header, "__metadata__") ? 1 : 0);
    if (present != count)
        return error_set(err, ERR_FORMAT, "%s: has %zu tensors, the model has %zu", file->path, present,
                         count);
    return OK;
}

enum status safetensors_read(const struct safetensors_file *file, const struct safetensor *tensors,
                             size_t count, struct error *err)
{
    enum status status = OK;
    for (size_t i = 0; i < count && status == OK; i++) {
        const json_t *offsets =
            json_object_get(json_object_get(file->header, tensors[i].name), "data_offsets");
        uint64_t begin = (uint64_t)json_integer_value(json_array_get(offsets, 0));
        status =
            read_at(file, file->data_start + begin, tensors[i].data, tensors[i].count * sizeof(float), err);
    }
    return status;
}
