#include "server/archive.h"

#include "server/png.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zip.h>

/* An archive while it is read. */
struct reading {
    zip_t *zip;
    enum drawing_mode mode;
    size_t pixels_left;
    uint8_t *file; /* [ARCHIVE_FILE_MAX], the one that is unpacked */
    struct archive_images images;
};

void archive_images_clear(struct archive_images *images)
{
    free(images->images);
    free(images->labels);
    json_decref(images->rejected);
    *images = (struct archive_images){.count = 0};
}

/* ---- Names ----------------------------------------------------------------------------------------- */

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* Folders, hidden files, and what macOS adds. */
static bool is_passed_over(const char *name)
{
    const char *file = last_part(name);
    return *file == '\0' || *file == '.' || strncmp(name, "__MACOSX/", 9) == 0;
}

/* The digit that the file's folder is called by; -1: another folder, or none. */
static int label_of(const char *name)
{
    const char *file = last_part(name);
    if (file - name < 2 || (file - name > 2 && file[-3] != '/'))
        return -1;
    return file[-2] >= '0' && file[-2] <= '9' ? file[-2] - '0' : -1;
}

static bool is_png(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && strcasecmp(name + length - 4, ".png") == 0;
}

/* ---- Files ----------------------------------------------------------------------------------------- */

static enum status unpack(struct reading *reading, zip_uint64_t index, size_t size, struct error *err)
{
    zip_file_t *file = zip_fopen_index(reading->zip, index, 0);
    if (!file)
        return error_set(err, ERR_FORMAT, "cannot be unpacked: %s", zip_strerror(reading->zip));
    uint8_t beyond;
    bool whole =
        zip_fread(file, reading->file, size) == (zip_int64_t)size && zip_fread(file, &beyond, 1) == 0;
    zip_fclose(file);
    return whole ? OK : error_set(err, ERR_FORMAT, "cannot be unpacked: it is damaged");
}

static enum status decode(struct reading *reading, size_t size, uint8_t image[IMAGE_PIXELS],
                          struct error *err)
{
    uint32_t width, height;
    struct pixels pixels;
    enum status status = png_read_sides(reading->file, size, &width, &height, err);
    if (status)
        return status;
    if ((uint64_t)width * height > reading->pixels_left)
        return error_set(err, ERR_SHAPE, "the pictures before it have as many pixels as an archive may");
    status = png_decode(reading->file, size, &pixels, err);
    if (status)
        return status;
    reading->pixels_left -= (size_t)pixels.width * (size_t)pixels.height;
    status = drawing_from_pixels(pixels.rgba, pixels.width, pixels.height, reading->mode, image, err);
    free(pixels.rgba);
    return status;
}

static enum status read_file(struct reading *reading, zip_uint64_t index, const char *name, size_t size,
                             struct error *err)
{
    int label = label_of(name);
    struct archive_images *images = &reading->images;
    if (label < 0)
        return error_set(err, ERR_ARGUMENT, "is in no folder from 0 to 9");
    if (!is_png(name))
        return error_set(err, ERR_FORMAT, "is no .png");
    if (size > ARCHIVE_FILE_MAX)
        return error_set(err, ERR_SHAPE, "is larger than %d bytes", ARCHIVE_FILE_MAX);
    enum status status = unpack(reading, index, size, err);
    if (status == OK)
        status = decode(reading, size, images->images[images->count], err);
    if (status == OK)
        images->labels[images->count++] = (uint8_t)label;
    return status;
}

static enum status reject(struct archive_images *images, const char *name, const struct error *reason,
                          struct error *err)
{
    if (++images->rejected_count > ARCHIVE_REJECTED_MAX)
        return OK;
    json_t *text = json_string(name);
    json_t *entry =
        json_pack("{s:o, s:s}", "name", text ? text : json_string("(not UTF-8)"), "detail", reason->message);
    if (json_array_append_new(images->rejected, entry))
        return error_set(err, ERR_MEMORY, "no memory for the list of what is rejected");
    return OK;
}

/* ---- Archives -------------------------------------------------------------------------------------- */

static enum status open_archive(const void *bytes, size_t size, zip_t **ret_zip, struct error *err)
{
    zip_error_t reason;
    zip_error_init(&reason);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &reason);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &reason) : NULL;
    enum status status = OK;
    if (!zip) {
        bool memory = zip_error_code_zip(&reason) == ZIP_ER_MEMORY;
        status = error_set(err, memory ? ERR_MEMORY : ERR_FORMAT, "not a readable ZIP archive: %s",
                           zip_error_strerror(&reason));
        zip_source_free(source);
    }
    zip_error_fini(&reason);
    if (status == OK)
        *ret_zip = zip;
    return status;
}

/* Before anything is unpacked. */
static enum status check_limits(zip_t *zip, struct error *err)
{
    zip_int64_t entries = zip_get_num_entries(zip, 0);
    uint64_t unpacked = 0;
    if (entries > ARCHIVE_ENTRIES_MAX)
        return error_set(err, ERR_SHAPE, "%lld entries are more than the %d that may be in an archive",
                         (long long)entries, ARCHIVE_ENTRIES_MAX);
    for (zip_int64_t i = 0; i < entries; i++) {
        zip_stat_t info;
        if (zip_stat_index(zip, (zip_uint64_t)i, 0, &info) == 0 && info.valid & ZIP_STAT_SIZE)
            unpacked += info.size < ARCHIVE_UNPACKED_MAX ? info.size : (uint64_t)ARCHIVE_UNPACKED_MAX + 1;
    }
    if (unpacked > ARCHIVE_UNPACKED_MAX)
        return error_set(err, ERR_SHAPE, "unpacked it has more than the %d bytes that an archive may have",
                         ARCHIVE_UNPACKED_MAX);
    return OK;
}

static enum status read_entry(struct reading *reading, zip_uint64_t index, struct error *err)
{
    zip_stat_t info;
    struct error reason;
    if (zip_stat_index(reading->zip, index, 0, &info) || !(info.valid & ZIP_STAT_NAME) ||
        !(info.valid & ZIP_STAT_SIZE))
        return error_set(err, ERR_FORMAT, "entry %llu of the archive is damaged", (unsigned long long)index);
    if (is_passed_over(info.name))
        return OK;
    enum status status = read_file(reading, index, info.name, info.size, &reason);
    if (status == ERR_MEMORY) {
        *err = reason;
        return status;
    }
    return status ? reject(&reading->images, info.name, &reason, err) : OK;
}

static enum status read_all(struct reading *reading, struct error *err)
{
    enum status status = check_limits(reading->zip, err);
    if (status)
        return status;
    size_t entries = (size_t)zip_get_num_entries(reading->zip, 0);
    struct archive_images *images = &reading->images;
    images->images = malloc(entries * sizeof *images->images + 1);
    images->labels = malloc(entries + 1);
    images->rejected = json_array();
    reading->file = malloc(ARCHIVE_FILE_MAX);
    if (!images->images || !images->labels || !images->rejected || !reading->file)
        return error_set(err, ERR_MEMORY, "no memory for the pictures of the archive");
    for (size_t i = 0; i < entries && status == OK; i++)
        status = read_entry(reading, i, err);
    return status;
}

enum status archive_read(const void *bytes, size_t size, enum drawing_mode mode,
                         struct archive_images *ret_images, struct error *err)
{
    struct reading reading = {.mode = mode, .pixels_left = ARCHIVE_PIXELS_MAX};
    enum status status = open_archive(bytes, size, &reading.zip, err);
    if (status)
        return status;
    status = read_all(&reading, err);
    zip_discard(reading.zip);
    free(reading.file);
    if (status)
        archive_images_clear(&reading.images);
    else
        *ret_images = reading.images;
    return status;
}
