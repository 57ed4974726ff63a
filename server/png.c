#include "server/png.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MALLOC_MAX ((png_alloc_size_t)1 << 20)
#define HEADER_SIZE      24 /* signature, length and type of IHDR, width, height */

/* Grey levels of 28x28 compress in microseconds at level 1; more effort saves few bytes. */
#define COMPRESSION_LEVEL 1

/* For images as small as these; zlib would clear a table of 64 KB for each. */
#define COMPRESSION_MEMORY 1

struct source {
    const uint8_t *data;
    size_t size, used;
};

struct sink {
    uint8_t *data;
    size_t size, capacity;
};

/* ---- libpng's callbacks ------------------------------------------------------------------------------- */

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
    struct error *err = png_get_error_ptr(png);
    error_set(err, ERR_FORMAT, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static void on_read(png_structp png, png_bytep target, size_t size)
{
    struct source *source = png_get_io_ptr(png);
    if (size > source->size - source->used)
        png_error(png, "it ends too early");
    memcpy(target, source->data + source->used, size);
    source->used += size;
}

static void on_write(png_structp png, png_bytep data, size_t size)
{
    struct sink *sink = png_get_io_ptr(png);
    if (size > sink->capacity - sink->size)
        png_error(png, "no room for the PNG");
    memcpy(sink->data + sink->size, data, size);
    sink->size += size;
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* ---- Decoding ----------------------------------------------------------------------------------------- */

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

enum status png_read_sides(const uint8_t *data, size_t size, uint32_t *ret_width, uint32_t *ret_height,
                           struct error *err)
{
    if (size < 8 || png_sig_cmp(data, 0, 8) != 0)
        return error_set(err, ERR_FORMAT, "it does not begin as a PNG does");
    if (size < HEADER_SIZE || memcmp(data + 12, "IHDR", 4) != 0)
        return error_set(err, ERR_FORMAT, "it ends before the size of the image is known");
    *ret_width = read_u32(data + 16);
    *ret_height = read_u32(data + 20);
    return OK;
}

/* Whatever the file holds, rows come out as RGBA of 8 bits. */
static void ask_for_rgba(png_structp png, png_infop info)
{
    png_set_expand(png); /* palette to RGB, 1..4 bits to 8, tRNS to alpha */
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
    png_read_update_info(png, info);
}

/* The only function with setjmp on this side; it owns nothing. */
static enum status read_rows(png_structp png, png_infop info, uint8_t *rgba, size_t stride,
                             png_uint_32 height)
{
    if (setjmp(png_jmpbuf(png)))
        return ERR_FORMAT;
    png_set_user_limits(png, PNG_SIDE_MAX, PNG_SIDE_MAX);
    png_set_chunk_cache_max(png, 1);
    png_set_chunk_malloc_max(png, CHUNK_MALLOC_MAX);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, info);
    int passes = png_set_interlace_handling(png);
    ask_for_rgba(png, info);
    if (png_get_rowbytes(png, info) != stride)
        png_error(png, "rows of an unexpected length");
    for (int pass = 0; pass < passes; pass++)
        for (png_uint_32 y = 0; y < height; y++)
            png_read_row(png, rgba + y * stride, NULL);
    png_read_end(png, NULL);
    return OK;
}

enum status png_decode(const uint8_t *data, size_t size, struct pixels *ret_pixels, struct error *err)
{
    uint32_t width, height;
    enum status status = png_read_sides(data, size, &width, &height, err);
    if (status != OK)
        return status;
    if (width > PNG_SIDE_MAX || height > PNG_SIDE_MAX)
        return error_set(err, ERR_SHAPE, "%ux%u pixels are more than %dx%d", width, height, PNG_SIDE_MAX,
                         PNG_SIDE_MAX);
    if (width == 0 || height == 0)
        return error_set(err, ERR_FORMAT, "an image of %ux%u pixels", width, height);

    struct source source = {.data = data, .size = size};
    struct error reason = {0};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reason, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    size_t stride = 4 * (size_t)width;
    uint8_t *rgba = calloc(height, stride);
    status = info && rgba ? OK : error_set(&reason, ERR_MEMORY, "no memory to decode the image");
    if (status == OK) {
        png_set_read_fn(png, &source, on_read);
        status = read_rows(png, info, rgba, stride, height);
    }
    png_destroy_read_struct(&png, &info, NULL);
    if (status != OK) {
        free(rgba);
        return error_set(err, status, "%s", reason.message);
    }
    *ret_pixels = (struct pixels){.width = (int)width, .height = (int)height, .rgba = rgba};
    return OK;
}

/* ---- Encoding ----------------------------------------------------------------------------------------- */

static enum status write_rows(png_structp png, png_infop info, int compression, const uint8_t *levels,
                              png_uint_32 width, png_uint_32 height)
{
    if (setjmp(png_jmpbuf(png)))
        return ERR_MEMORY;
    png_set_compression_level(png, compression);
    png_set_compression_mem_level(png, COMPRESSION_MEMORY);
    png_set_filter(png, 0, PNG_FILTER_NONE);
    png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (png_uint_32 y = 0; y < height; y++)
        png_write_row(png, levels + (size_t)y * width);
    png_write_end(png, NULL);
    return OK;
}

static enum status encode(int compression, const uint8_t *levels, int width, int height, uint8_t **ret_data,
                          size_t *ret_size, struct error *err)
{
    /* Deflate may grow what it cannot compress by 5 bytes a block of 16 KB; chunks take less than 256 bytes. */
    size_t raw = ((size_t)width + 1) * (size_t)height;
    struct sink sink = {.capacity = raw + raw / 1000 + 256};
    struct error reason = {0};
    sink.data = malloc(sink.capacity);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &reason, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    enum status status = info && sink.data ? OK : ERR_MEMORY;
    if (status == OK) {
        png_set_write_fn(png, &sink, on_write, on_flush);
        status = write_rows(png, info, compression, levels, (png_uint_32)width, (png_uint_32)height);
    }
    png_destroy_write_struct(&png, &info);
    if (status != OK) {
        free(sink.data);
        return error_set(err, status, "no memory to encode an image");
    }
    *ret_data = sink.data;
    *ret_size = sink.size;
    return OK;
}

enum status png_encode_grey(const uint8_t *levels, int width, int height, uint8_t **ret_data,
                            size_t *ret_size, struct error *err)
{
    return encode(COMPRESSION_LEVEL, levels, width, height, ret_data, ret_size, err);
}

enum status png_store_grey(const uint8_t *levels, int width, int height, uint8_t **ret_data, size_t *ret_size,
                           struct error *err)
{
    return encode(0, levels, width, height, ret_data, ret_size, err);
}
