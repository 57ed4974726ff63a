#include "engine/dataset.h"
#include "engine/engine.h"
#include "engine/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

struct dataset {
    atomic_size_t references;
    size_t count;
    bool is_divided;          /* a mix: by the split, whatever a run's configuration says */
    struct train_split split; /* if it is */
    char digest[2 * SHA256_DIGEST_SIZE + 1];
    uint8_t bytes[]; /* images [count][28][28], then labels [count] */
};

/* ---- Making and sharing ------------------------------------------------------------------------ */

static uint8_t *labels_of(struct dataset *dataset)
{
    return dataset->bytes + dataset->count * IMAGE_PIXELS;
}

/* NULL without memory, with `err` filled. */
static struct dataset *dataset_allocate(size_t count, struct error *err)
{
    struct dataset *dataset = malloc(sizeof *dataset + count * (IMAGE_PIXELS + 1));
    if (!dataset) {
        error_set(err, ERR_MEMORY, "no memory for %zu images of %dx%d", count, IMAGE_SIDE, IMAGE_SIDE);
        return NULL;
    }
    atomic_init(&dataset->references, 1);
    dataset->count = count;
    dataset->is_divided = false;
    return dataset;
}

static void dataset_seal(struct dataset *dataset)
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, dataset->count * (IMAGE_PIXELS + 1), dataset->bytes);
    sha256_digest(&context, sizeof digest, digest);
    base16_encode_update(dataset->digest, sizeof digest, digest);
    dataset->digest[sizeof dataset->digest - 1] = '\0';
}

/* Index of the first label above 9, or `count`. */
static size_t first_bad_label(const uint8_t *labels, size_t count)
{
    size_t index = 0;
    while (index < count && labels[index] < CLASSES)
        index++;
    return index;
}

enum status dataset_create(const uint8_t *images, const uint8_t *labels, size_t count,
                           struct dataset **ret_dataset, struct error *err)
{
    if (count < 1 || count > DATASET_MAX_IMAGES)
        return error_set(err, ERR_ARGUMENT, "a dataset has 1 to %d images, not %zu", DATASET_MAX_IMAGES,
                         count);
    size_t bad = first_bad_label(labels, count);
    if (bad < count)
        return error_set(err, ERR_ARGUMENT, "label %zu is %d, expected 0 to %d", bad, labels[bad],
                         CLASSES - 1);

    struct dataset *dataset = dataset_allocate(count, err);
    if (!dataset)
        return ERR_MEMORY;
    memcpy(dataset->bytes, images, count * IMAGE_PIXELS);
    memcpy(labels_of(dataset), labels, count);
    dataset_seal(dataset);
    *ret_dataset = dataset;
    return OK;
}

struct dataset *dataset_ref(struct dataset *dataset)
{
    atomic_fetch_add_explicit(&dataset->references, 1, memory_order_relaxed);
    return dataset;
}

void dataset_unref(struct dataset *dataset)
{
    if (dataset && atomic_fetch_sub_explicit(&dataset->references, 1, memory_order_acq_rel) == 1)
        free(dataset);
}

size_t dataset_count(const struct dataset *dataset)
{
    return dataset->count;
}

const uint8_t *dataset_image(const struct dataset *dataset, size_t index)
{
    return dataset->bytes + index * IMAGE_PIXELS;
}

const uint8_t *dataset_labels(const struct dataset *dataset)
{
    return dataset->bytes + dataset->count * IMAGE_PIXELS;
}

int dataset_label(const struct dataset *dataset, size_t index)
{
    return dataset_labels(dataset)[index];
}

void dataset_divide(struct dataset *dataset, const struct train_split *split)
{
    dataset->is_divided = true;
    dataset->split = *split;
}

struct train_split dataset_split(const struct dataset *dataset, const struct train_config *config)
{
    return dataset->is_divided ? dataset->split : train_split_of(config, dataset->count);
}

const char *dataset_digest(const struct dataset *dataset)
{
    return dataset->digest;
}

/* ---- IDX files (yann.lecun.com/exdb/mnist: "The IDX file format") ------------------------------- */

#define IDX_UNSIGNED_BYTE 0x08
#define IDX_MAX_HEADER    16

/* Deflate cannot shrink data by more than this (zlib's technical details: 1032:1). */
#define GZIP_MAX_RATIO 1032

/* So much of a path goes into a message, which has room for 320 bytes in all. */
#define PATH_SHOWN 150

struct idx_file {
    gzFile stream; /* reads plain files as they are */
    char path[PATH_MAX];
    const char *shown;  /* in messages: the end of `path`, or what bytes in memory are called */
    bool in_memory;     /* `shown` is a name, and so the error's pointer */
    uint64_t stored;    /* bytes as they are, compressed or not */
    uint64_t offset;    /* of the next byte to read, decompressed */
    uint32_t count_max; /* images or labels */
    uint32_t count;
};

/* Says what is wrong with the contents of the file. */
static enum status PRINTF_LIKE(3, 4)
    idx_fault(const struct idx_file *file, struct error *err, const char *format, ...)
{
    char reason[sizeof err->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    error_set(err, ERR_FORMAT, "%s: %s", file->shown, reason);
    if (err && file->in_memory)
        snprintf(err->pointer, sizeof err->pointer, "/%s", file->shown);
    return ERR_FORMAT;
}

static const char *end_of_path(const char *path)
{
    size_t length = strlen(path);
    if (length <= PATH_SHOWN)
        return path;
    const char *slash = strchr(path + length - PATH_SHOWN, '/');
    return slash ? slash + 1 : path + length - PATH_SHOWN;
}

static enum status idx_open_descriptor(const char *folder, const char *name, struct idx_file *file,
                                       int *ret_descriptor, struct error *err)
{
    static const char *const endings[] = {"", ".gz"};
    int descriptor = -1;
    for (size_t i = 0; i < sizeof endings / sizeof *endings && descriptor < 0; i++) {
        int length = snprintf(file->path, sizeof file->path, "%s/%s%s", folder, name, endings[i]);
        if (length < 0 || (size_t)length >= sizeof file->path)
            return error_set(err, ERR_ARGUMENT, "path too long: the folder of %s", name);
        file->shown = end_of_path(file->path);
        /* O_NONBLOCK: a FIFO in place of the file must not hang the open. */
        descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (descriptor < 0 && errno != ENOENT)
            return error_set_errno(err, "%s", file->shown);
    }
    if (descriptor < 0)
        return error_set(err, ERR_NOT_FOUND, "%s: no such file, nor one without .gz", file->shown);
    *ret_descriptor = descriptor;
    return OK;
}

static enum status idx_open_take(int descriptor, struct idx_file *file, struct error *err)
{
    struct stat stat;
    enum status status = OK;
    if (fstat(descriptor, &stat) != 0)
        status = error_set_errno(err, "%s", file->shown);
    else if (!S_ISREG(stat.st_mode))
        status = idx_fault(file, err, "not a regular file");
    else if (!(file->stream = gzdopen(descriptor, "rb")))
        status = error_set(err, ERR_MEMORY, "%s: no memory to read it", file->shown);
    if (status != OK) {
        close(descriptor);
        return status;
    }
    file->stored = (uint64_t)stat.st_size;
    (void)gzbuffer(file->stream, 1 << 18); /* only speed depends on it */
    return OK;
}

static enum status idx_open(const char *folder, const char *name, struct idx_file *file, struct error *err)
{
    int descriptor = -1;
    file->count_max = DATASET_MAX_IMAGES;
    enum status status = idx_open_descriptor(folder, name, file, &descriptor, err);
    return status ? status : idx_open_take(descriptor, file, err);
}

/* By a file that is nowhere but in memory: zlib tells plain from gzip by itself only where it reads a descriptor. */
static enum status idx_open_bytes(const struct idx_bytes *bytes, size_t count_max, struct idx_file *file,
                                  struct error *err)
{
    file->shown = bytes->name;
    file->in_memory = true;
    file->count_max = count_max < DATASET_MAX_IMAGES ? (uint32_t)count_max : DATASET_MAX_IMAGES;
    int descriptor = memfd_create(bytes->name, MFD_CLOEXEC);
    if (descriptor >= 0 && write_all(descriptor, bytes->data, bytes->size) &&
        lseek(descriptor, 0, SEEK_SET) == 0)
        return idx_open_take(descriptor, file, err);
    enum status status = error_set_errno(err, "%s: cannot be kept in memory", file->shown);
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

static void idx_close(struct idx_file *file)
{
    if (file->stream)
        gzclose(file->stream);
}

/* Why gzread gave fewer bytes than asked for. */
static enum status idx_read_error(struct idx_file *file, const char *what, struct error *err)
{
    int saved = errno, code;
    (void)gzerror(file->stream, &code);
    unsigned long long offset = file->offset;
    switch (code) {
    case Z_ERRNO:
        errno = saved;
        return error_set_errno(err, "%s: offset %llu: cannot read", file->shown, offset);
    case Z_MEM_ERROR:
        return error_set(err, ERR_MEMORY, "%s: no memory to decompress it", file->shown);
    case Z_DATA_ERROR:
        return idx_fault(file, err, "offset %llu of the decompressed data: gzip stream is corrupt", offset);
    default: /* Z_OK, or Z_BUF_ERROR where a gzip stream stops early */
        return idx_fault(file, err, "truncated at offset %llu, expected %s", offset, what);
    }
}

static enum status idx_read(struct idx_file *file, uint8_t *bytes, size_t count, const char *what,
                            struct error *err)
{
    while (count > 0) {
        unsigned piece = count < (1u << 24) ? (unsigned)count : 1u << 24;
        int got = gzread(file->stream, bytes, piece);
        if (got > 0)
            file->offset += (unsigned)got;
        if (got != (int)piece)
            return idx_read_error(file, what, err);
        bytes += piece;
        count -= piece;
    }
    return OK;
}

/* Nothing may follow the data. Reading on is also what makes zlib compare the checksum. */
static enum status idx_expect_end(struct idx_file *file, struct error *err)
{
    uint8_t byte;
    int got = gzread(file->stream, &byte, 1);
    int code;
    (void)gzerror(file->stream, &code);
    if (got == 0 && (code == Z_OK || code == Z_STREAM_END))
        return OK;
    if (got != 1)
        return idx_read_error(file, "the end of the gzip stream", err);
    return idx_fault(file, err, "offset %llu: expected the end of the file, found more bytes",
                     (unsigned long long)file->offset);
}

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static enum status idx_check_magic(const struct idx_file *file, const uint8_t *magic, int dimensions,
                                   struct error *err)
{
    if (magic[0] != 0 || magic[1] != 0)
        return idx_fault(file, err, "offset 0: expected the magic 00 00 of an IDX file, found %02x %02x",
                         magic[0], magic[1]);
    if (magic[2] != IDX_UNSIGNED_BYTE)
        return idx_fault(file, err, "offset 2: expected type 08 (unsigned bytes), found %02x", magic[2]);
    if (magic[3] != dimensions)
        return idx_fault(file, err, "offset 3: expected %d dimension%s, found %d", dimensions,
                         dimensions == 1 ? "" : "s", magic[3]);
    return OK;
}

/* Refuses a count that the file cannot hold, so that a header alone never makes the program allocate. */
static enum status idx_check_count(const struct idx_file *file, size_t item_size, struct error *err)
{
    if (file->count < 1 || file->count > file->count_max)
        return idx_fault(file, err, "offset 4: expected a count of 1 to %lu, found %lu",
                         (unsigned long)file->count_max, (unsigned long)file->count);
    uint64_t needed = file->offset + (uint64_t)file->count * item_size;
    if (gzdirect(file->stream) ? needed > file->stored : needed / GZIP_MAX_RATIO > file->stored)
        return idx_fault(file, err, "truncated: %llu bytes stored, expected %llu%s for a count of %lu",
                         (unsigned long long)file->stored, (unsigned long long)needed,
                         gzdirect(file->stream) ? "" : " decompressed", (unsigned long)file->count);
    return OK;
}

/* Reads magic, count and, for images, the two sides. */
static enum status idx_read_header(struct idx_file *file, int dimensions, struct error *err)
{
    uint8_t header[IDX_MAX_HEADER];
    size_t length = 4 + 4 * (size_t)dimensions;
    enum status status = idx_read(file, header, length, "an IDX header", err);
    if (status == OK)
        status = idx_check_magic(file, header, dimensions, err);
    if (status != OK)
        return status;

    size_t item_size = 1;
    for (size_t at = 8; at < length; at += 4) {
        uint32_t side = big_endian(header + at);
        if (side != IMAGE_SIDE)
            return idx_fault(file, err, "offset %zu: expected images of %dx%d, found %s %lu", at, IMAGE_SIDE,
                             IMAGE_SIDE, at == 8 ? "height" : "width", (unsigned long)side);
        item_size *= side;
    }
    file->count = big_endian(header + 4);
    return idx_check_count(file, item_size, err);
}

static enum status read_bytes(struct idx_file *images, struct idx_file *labels, struct dataset *dataset,
                              struct error *err)
{
    size_t count = dataset->count;
    char what[64];
    snprintf(what, sizeof what, "%zu images of %d bytes", count, IMAGE_PIXELS);
    enum status status = idx_read(images, dataset->bytes, count * IMAGE_PIXELS, what, err);
    if (status == OK)
        status = idx_expect_end(images, err);
    if (status != OK)
        return status;

    uint64_t start = labels->offset;
    snprintf(what, sizeof what, "%zu labels of one byte", count);
    status = idx_read(labels, labels_of(dataset), count, what, err);
    if (status == OK)
        status = idx_expect_end(labels, err);
    if (status != OK)
        return status;

    size_t bad = first_bad_label(labels_of(dataset), count);
    if (bad < count)
        return idx_fault(labels, err, "offset %llu: label %zu is %d, expected 0 to %d",
                         (unsigned long long)(start + bad), bad, labels_of(dataset)[bad], CLASSES - 1);
    return OK;
}

static enum status load_pair(struct idx_file *images, struct idx_file *labels, struct dataset **ret_dataset,
                             struct error *err)
{
    enum status status = idx_read_header(images, 3, err);
    if (status == OK)
        status = idx_read_header(labels, 1, err);
    if (status != OK)
        return status;
    if (images->count != labels->count)
        return idx_fault(labels, err, "offset 4: expected %lu labels, one an image, found %lu",
                         (unsigned long)images->count, (unsigned long)labels->count);

    struct dataset *dataset = dataset_allocate(images->count, err);
    if (!dataset)
        return ERR_MEMORY;
    status = read_bytes(images, labels, dataset, err);
    if (status != OK) {
        dataset_unref(dataset);
        return status;
    }
    dataset_seal(dataset);
    *ret_dataset = dataset;
    return OK;
}

enum status dataset_load(const char *folder, enum split split, struct dataset **ret_dataset,
                         struct error *err)
{
    static const struct {
        const char *images, *labels;
    } names[] = {
        [SPLIT_TRAIN] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
        [SPLIT_TEST] = {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
    };
    struct idx_file images = {0}, labels = {0};
    enum status status = idx_open(folder, names[split].images, &images, err);
    if (status == OK)
        status = idx_open(folder, names[split].labels, &labels, err);
    if (status == OK)
        status = load_pair(&images, &labels, ret_dataset, err);
    idx_close(&labels);
    idx_close(&images);
    return status;
}

enum status dataset_read(const struct idx_bytes *images, const struct idx_bytes *labels, size_t count_max,
                         struct dataset **ret_dataset, struct error *err)
{
    struct idx_file image_file = {0}, label_file = {0};
    enum status status = idx_open_bytes(images, count_max, &image_file, err);
    if (status == OK)
        status = idx_open_bytes(labels, count_max, &label_file, err);
    if (status == OK)
        status = load_pair(&image_file, &label_file, ret_dataset, err);
    idx_close(&label_file);
    idx_close(&image_file);
    return status;
}
