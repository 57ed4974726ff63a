/* The safetensors file format: a JSON header, then raw little-endian data.
 *
 * u64 length of the header, the header padded with spaces to 8 bytes, then the tensors one after another without holes:
 * {"name": {"dtype": "F32", "shape": […], "data_offsets": [begin, end]}, …, "__metadata__": {string: string}}.
 * Only F32 is read and written. Any thread. */
#ifndef ENGINE_SAFETENSORS_H
#define ENGINE_SAFETENSORS_H

#include "engine/engine.h"

#include <jansson.h>

/* A tensor to write, or to check and read. */
struct safetensor {
    char name[64];
    size_t rank, dimensions[4];
    size_t count;
    float *data;
};

/* Writes tensors[count] and `metadata` (an object of strings) to a temporary file beside `path`, syncs, renames over
 * `path`, syncs the folder. ERR_IO, ERR_MEMORY. */
MUST_CHECK enum status safetensors_write(const char *path, const struct safetensor *tensors, size_t count,
                                         const json_t *metadata, struct error *err);

struct
    safetensors_file; /* an open file whose header was validated: no holes, no overlap, all within the file */

/* ERR_NOT_FOUND, ERR_IO, ERR_FORMAT with the path and what is wrong. */
MUST_CHECK enum status safetensors_open(const char *path, struct safetensors_file **ret_file,
                                        struct error *err);
void safetensors_close(struct safetensors_file *file);

/* The string under `key` of the metadata, or NULL. Valid until the file is closed. */
const char *safetensors_metadata(const struct safetensors_file *file, const char *key);

/* All of the metadata, an object, or NULL. Valid until the file is closed. */
const json_t *safetensors_all_metadata(const struct safetensors_file *file);

/* ERR_FORMAT unless the file holds exactly these tensors, with these shapes. */
MUST_CHECK enum status safetensors_check(const struct safetensors_file *file,
                                         const struct safetensor *tensors, size_t count, struct error *err);

/* Reads the tensors' data; call safetensors_check first. */
MUST_CHECK enum status safetensors_read(const struct safetensors_file *file, const struct safetensor *tensors,
                                        size_t count, struct error *err);

#endif
