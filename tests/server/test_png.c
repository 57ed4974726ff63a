/* PNG: every form that libpng writes comes back as the RGBA it stands for, and no broken or hostile file does harm. */
#include "server/png.h"
#include "tests/png_chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <png.h>
#include <sys/resource.h>
#include <zlib.h>

#define WIDTH  13 /* no multiple of a byte's pixels at any depth */
#define HEIGHT 9

struct file {
    uint8_t bytes[1 << 20];
    size_t size;
};

static struct file file;

static void write_to_file(png_structp png, png_bytep data, size_t size)
{
    struct file *target = png_get_io_ptr(png);
    assert_true(size <= sizeof target->bytes - target->size);
    memcpy(target->bytes + target->size, data, size);
    target->size += size;
}

/* A sample of `depth` bits for a pixel, different for each place and channel. */
static unsigned sample(int x, int y, int channel, int depth)
{
    return (unsigned)(x * 7 + y * 31 + channel * 97) * 2654435761u >> (32 - depth);
}

static int channels_of(int colour_type)
{
    return colour_type == PNG_COLOR_TYPE_GRAY         ? 1
           : colour_type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
           : colour_type == PNG_COLOR_TYPE_RGB        ? 3
           : colour_type == PNG_COLOR_TYPE_RGB_ALPHA  ? 4
                                                      : 1;
}

static void pack_row(uint8_t *row, int y, int channels, int depth)
{
    memset(row, 0, 8 * WIDTH);
    for (int i = 0; i < WIDTH * channels; i++) {
        unsigned value = sample(i / channels, y, i % channels, depth);
        if (depth == 16) {
            row[2 * i] = (uint8_t)(value >> 8);
            row[2 * i + 1] = (uint8_t)value;
        } else {
            int bit = i * depth;
            row[bit / 8] |= (uint8_t)(value << (8 - depth - bit % 8));
        }
    }
}

/* The palette is a ramp of colours, its first half half-transparent. */
static void set_palette(png_structp png, png_infop info, int depth)
{
    png_color palette[256];
    png_byte alpha[256];
    int count = 1 << depth;
    for (int i = 0; i < count; i++) {
        palette[i] = (png_color){(png_byte)(i * 255 / (count - 1)), (png_byte)(255 - i), (png_byte)(i * 3)};
        alpha[i] = i < count / 2 ? 100 : 255;
    }
    png_set_PLTE(png, info, palette, count);
    png_set_tRNS(png, info, alpha, count, NULL);
}

static void write_png(int colour_type, int depth, int interlace)
{
    file.size = 0;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    assert_false(setjmp(png_jmpbuf(png)));
    png_set_write_fn(png, &file, write_to_file, NULL);
    png_set_IHDR(png, info, WIDTH, HEIGHT, depth, colour_type, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (colour_type == PNG_COLOR_TYPE_PALETTE)
        set_palette(png, info, depth);
    png_write_info(png, info);
    uint8_t rows[HEIGHT][8 * WIDTH], *pointers[HEIGHT];
    for (int y = 0; y < HEIGHT; y++) {
        pack_row(rows[y], y, channels_of(colour_type), depth);
        pointers[y] = rows[y];
    }
    png_write_image(png, pointers);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
}

/* What the pixel stands for, by the PNG specification (12.1, 13.12). */
static void expected_rgba(int colour_type, int depth, int x, int y, int rgba[4])
{
    int levels = (1 << depth) - 1, value[4];
    int channels = channels_of(colour_type);
    for (int c = 0; c < channels; c++)
        value[c] = ((int)sample(x, y, c, depth) * 255 + levels / 2) / levels;
    bool grey = channels < 3;
    if (colour_type == PNG_COLOR_TYPE_PALETTE) {
        int i = (int)sample(x, y, 0, depth);
        rgba[0] = i * 255 / levels;
        rgba[1] = 255 - i;
        rgba[2] = i * 3 & 255;
        rgba[3] = i < (levels + 1) / 2 ? 100 : 255;
        return;
    }
    rgba[0] = value[0];
    rgba[1] = value[grey ? 0 : 1];
    rgba[2] = value[grey ? 0 : 2];
    rgba[3] = colour_type & PNG_COLOR_MASK_ALPHA ? value[channels - 1] : 255;
}

static void check_form(int colour_type, int depth, int interlace)
{
    struct pixels pixels;
    struct error err = {0};
    write_png(colour_type, depth, interlace);
    enum status status = png_decode(file.bytes, file.size, &pixels, &err);
    if (status != OK)
        fail_msg("colour type %d, depth %d, interlace %d: %s", colour_type, depth, interlace, err.message);
    assert_int_equal(pixels.width, WIDTH);
    assert_int_equal(pixels.height, HEIGHT);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int expected[4];
            expected_rgba(colour_type, depth, x, y, expected);
            for (int c = 0; c < 4; c++)
                if (pixels.rgba[4 * (y * WIDTH + x) + c] != expected[c])
                    fail_msg("colour type %d, depth %d, interlace %d: channel %d at %d,%d is %d, not %d",
                             colour_type, depth, interlace, c, x, y, pixels.rgba[4 * (y * WIDTH + x) + c],
                             expected[c]);
        }
    free(pixels.rgba);
}

static void every_colour_type_depth_and_interlacing_is_decoded(void **state)
{
    (void)state;
    static const struct {
        int colour_type, depths[5];
    } forms[] = {{PNG_COLOR_TYPE_GRAY, {1, 2, 4, 8, 16}},
                 {PNG_COLOR_TYPE_PALETTE, {1, 2, 4, 8}},
                 {PNG_COLOR_TYPE_GRAY_ALPHA, {8, 16}},
                 {PNG_COLOR_TYPE_RGB, {8, 16}},
                 {PNG_COLOR_TYPE_RGB_ALPHA, {8, 16}}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (size_t d = 0; d < 5 && forms[i].depths[d]; d++) {
            check_form(forms[i].colour_type, forms[i].depths[d], PNG_INTERLACE_NONE);
            check_form(forms[i].colour_type, forms[i].depths[d], PNG_INTERLACE_ADAM7);
        }
}

static void check_grey(const uint8_t levels[IMAGE_PIXELS], uint8_t *png, size_t size)
{
    struct pixels pixels;
    struct error err;
    assert_int_equal(png_decode(png, size, &pixels, &err), OK);
    assert_int_equal(pixels.width, IMAGE_SIDE);
    assert_int_equal(pixels.height, IMAGE_SIDE);
    for (int i = 0; i < IMAGE_PIXELS; i++)
        assert_int_equal(pixels.rgba[4 * i], levels[i]);
    free(pixels.rgba);
    free(png);
}

static void what_is_encoded_is_decoded_again(void **state)
{
    (void)state;
    uint8_t levels[IMAGE_PIXELS], *png;
    size_t size;
    struct error err;
    for (int noise = 0; noise < 2; noise++) {
        for (int i = 0; i < IMAGE_PIXELS; i++)
            levels[i] = (uint8_t)(noise ? sample(i, i, 0, 8) : 200);
        assert_int_equal(png_encode_grey(levels, IMAGE_SIDE, IMAGE_SIDE, &png, &size, &err), OK);
        check_grey(levels, png, size);
        assert_int_equal(png_store_grey(levels, IMAGE_SIDE, IMAGE_SIDE, &png, &size, &err), OK);
        check_grey(levels, png, size);
    }
}

static void png_cut_off_anywhere_is_an_error(void **state)
{
    (void)state;
    write_png(PNG_COLOR_TYPE_RGB_ALPHA, 8, PNG_INTERLACE_ADAM7);
    for (size_t size = 0; size < file.size; size++) {
        struct pixels pixels;
        struct error err = {0};
        uint8_t *copy = malloc(size ? size : 1); /* so that a byte read too far is seen by the sanitizer */
        memcpy(copy, file.bytes, size);
        if (png_decode(copy, size, &pixels, &err) != ERR_FORMAT)
            fail_msg("cut to %zu of %zu bytes, it was decoded", size, file.size);
        assert_true(err.message[0] != '\0');
        free(copy);
    }
}

static void flipped_bits_are_an_error_or_an_image(void **state)
{
    (void)state;
    write_png(PNG_COLOR_TYPE_PALETTE, 4, PNG_INTERLACE_ADAM7);
    int errors = 0;
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        struct pixels pixels;
        struct error err;
        file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum status status = png_decode(file.bytes, file.size, &pixels, &err);
        file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (status == OK)
            free(pixels.rgba);
        else
            errors++;
    }
    assert_true(errors > (int)file.size);
}

static void text_is_no_png(void **state)
{
    (void)state;
    struct pixels pixels;
    struct error err;
    assert_int_equal(png_decode((const uint8_t *)"seven", 5, &pixels, &err), ERR_FORMAT);
    assert_non_null(strstr(err.message, "does not begin as a PNG"));
}

/* The header of an image with these sides, and nothing behind it. */
static void write_header_only(uint32_t width, uint32_t height)
{
    static const uint8_t start[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
                                    0,    0,   0,   13,  'I',  'H',  'D',  'R'};
    memcpy(file.bytes, start, sizeof start);
    for (int i = 0; i < 4; i++) {
        file.bytes[16 + i] = (uint8_t)(width >> (24 - 8 * i));
        file.bytes[20 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    memcpy(file.bytes + 24, (const uint8_t[]){8, 0, 0, 0, 0}, 5);
    uint32_t crc = (uint32_t)crc32(0, file.bytes + 12, 17);
    for (int i = 0; i < 4; i++)
        file.bytes[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    file.size = 33;
}

static void sides_are_limited(void **state)
{
    (void)state;
    static const uint32_t sides[][2] = {{20000, 20000}, {1025, 1}, {1, 1025}, {0x7fffffff, 0x7fffffff}};
    struct pixels pixels;
    struct error err;
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        write_header_only(sides[i][0], sides[i][1]);
        assert_int_equal(png_decode(file.bytes, file.size, &pixels, &err), ERR_SHAPE);
        assert_non_null(strstr(err.message, "1024x1024"));
    }
    write_header_only(0, 10);
    assert_int_equal(png_decode(file.bytes, file.size, &pixels, &err), ERR_FORMAT);
}

/* 60 chunks of compressed text that inflate to 7 MB each, behind the header of a good image. */
static void write_bomb(void)
{
    static uint8_t plain[7 << 20], chunk[16 << 10];
    write_png(PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_NONE);
    uLongf packed = sizeof chunk - 3;
    memcpy(chunk, "a\0", 3);
    assert_int_equal(compress2(chunk + 3, &packed, plain, sizeof plain, 9), Z_OK);
    size_t rest = file.size - 33;
    uint8_t *tail = malloc(rest);
    memcpy(tail, file.bytes + 33, rest);
    file.size = 33;
    for (int i = 0; i < 60; i++)
        file.size += add_chunk(file.bytes + file.size, "zTXt", chunk, packed + 3);
    memcpy(file.bytes + file.size, tail, rest);
    file.size += rest;
    free(tail);
}

static void compressed_text_is_not_inflated(void **state)
{
    (void)state;
    struct rusage before, after;
    struct pixels pixels;
    struct error err;
    write_bomb();
    getrusage(RUSAGE_SELF, &before);
    assert_int_equal(png_decode(file.bytes, file.size, &pixels, &err), OK);
    getrusage(RUSAGE_SELF, &after);
    free(pixels.rgba);
    assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_colour_type_depth_and_interlacing_is_decoded),
        cmocka_unit_test(what_is_encoded_is_decoded_again),
        cmocka_unit_test(png_cut_off_anywhere_is_an_error),
        cmocka_unit_test(flipped_bits_are_an_error_or_an_image),
        cmocka_unit_test(text_is_no_png),
        cmocka_unit_test(sides_are_limited),
        cmocka_unit_test(compressed_text_is_not_inflated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
