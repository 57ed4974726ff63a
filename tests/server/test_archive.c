/* Archives of labelled pictures: what is taken, what is rejected and why, and that none costs more than it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/archive.h"
#include "server/png.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

struct bytes {
    uint8_t *data;
    size_t size;
};

/* A vertical bar in a picture of so many levels a side, as a PNG. */
static struct bytes picture(int side, uint8_t level)
{
    struct bytes png;
    uint8_t *levels = calloc((size_t)side, (size_t)side);
    for (int y = side / 4; y < side * 3 / 4; y++)
        levels[y * side + side / 2] = level;
    assert_int_equal(png_encode_grey(levels, side, side, &png.data, &png.size, NULL), OK);
    free(levels);
    return png;
}

/* An archive that is made in memory. */
static zip_source_t *source;
static zip_t *zip;

static void begin(void)
{
    zip_error_t reason;
    source = zip_source_buffer_create(NULL, 0, 0, &reason);
    zip = zip_open_from_source(source, ZIP_TRUNCATE, &reason);
    assert_non_null(zip);
    zip_source_keep(source);
}

/* `data` must stay until finish. */
static void put(const char *name, const void *data, size_t size)
{
    assert_true(zip_file_add(zip, name, zip_source_buffer(zip, data, size, 0), ZIP_FL_ENC_UTF_8) >= 0);
}

static struct bytes finish(void)
{
    zip_stat_t info;
    assert_int_equal(zip_close(zip), 0);
    assert_int_equal(zip_source_stat(source, &info), 0);
    struct bytes archive = {malloc(info.size), info.size};
    assert_int_equal(zip_source_open(source), 0);
    assert_int_equal(zip_source_read(source, archive.data, info.size), info.size);
    zip_source_close(source);
    zip_source_free(source);
    return archive;
}

static struct archive_images read_archive(struct bytes archive)
{
    struct archive_images images;
    struct error err;
    if (archive_read(archive.data, archive.size, DRAWING_AUTO, &images, &err))
        fail_msg("%s", err.message);
    return images;
}

static void assert_rejected(const struct archive_images *images, size_t index, const char *name,
                            const char *detail)
{
    const json_t *entry = json_array_get(images->rejected, index);
    assert_string_equal(json_string_value(json_object_get(entry, "name")), name);
    const char *found = json_string_value(json_object_get(entry, "detail"));
    if (!strstr(found, detail))
        fail_msg("%s: \"%s\" does not say \"%s\"", name, found, detail);
}

static void pictures_are_labelled_by_their_folders_and_others_rejected(void **state)
{
    (void)state;
    struct bytes png = picture(50, 255), empty = picture(50, 0), large = {calloc(1, ARCHIVE_FILE_MAX + 1), 0};
    begin();
    assert_true(zip_dir_add(zip, "7", 0) >= 0);
    put("7/a.png", png.data, png.size);
    put("my digits/set/0/b.PNG", png.data, png.size);
    put("../../9/c.png", png.data, png.size); /* a name is never a path */
    put("__MACOSX/7/._a.png", "x", 1);
    put("7/.DS_Store", "x", 1);
    put("d.png", png.data, png.size);
    put("17/e.png", png.data, png.size);
    put("x/f.png", png.data, png.size);
    put("7/g.jpg", png.data, png.size);
    put("7/h.png", "no picture", 10);
    put("7/i.png", empty.data, empty.size);
    put("7/j.png", large.data, ARCHIVE_FILE_MAX + 1);
    struct bytes archive = finish();
    struct archive_images images = read_archive(archive);
    uint8_t expected[IMAGE_PIXELS];
    struct pixels pixels;
    assert_int_equal(png_decode(png.data, png.size, &pixels, NULL), OK);
    assert_int_equal(drawing_from_pixels(pixels.rgba, 50, 50, DRAWING_AUTO, expected, NULL), OK);
    assert_int_equal(images.count, 3);
    assert_memory_equal(images.labels, ((const uint8_t[]){7, 0, 9}), 3);
    assert_memory_equal(images.images[2], expected, IMAGE_PIXELS);
    assert_int_equal(images.rejected_count, 7);
    assert_rejected(&images, 0, "d.png", "folder");
    assert_rejected(&images, 1, "17/e.png", "folder");
    assert_rejected(&images, 2, "x/f.png", "folder");
    assert_rejected(&images, 3, "7/g.jpg", ".png");
    assert_rejected(&images, 4, "7/h.png", "PNG");
    assert_rejected(&images, 5, "7/i.png", "");
    assert_rejected(&images, 6, "7/j.png", "larger");
    archive_images_clear(&images);
    free(pixels.rgba);
    free(archive.data);
    free(large.data);
    free(empty.data);
    free(png.data);
}

static void a_file_that_is_damaged_is_rejected_alone(void **state)
{
    (void)state;
    struct bytes png = picture(50, 255);
    begin();
    put("7/a.png", png.data, png.size);
    put("8/b.png", png.data, png.size);
    struct bytes archive = finish();
    archive.data[30 + strlen("7/a.png") + 20] ^= 0xff; /* behind the first local header: APPNOTE.TXT, 4.3.7 */
    struct archive_images images = read_archive(archive);
    assert_int_equal(images.count, 1);
    assert_int_equal(images.labels[0], 8);
    assert_rejected(&images, 0, "7/a.png", "unpacked");
    archive_images_clear(&images);
    free(archive.data);
    free(png.data);
}

static void assert_refused(struct bytes archive, enum status expected)
{
    struct archive_images images;
    struct error err;
    assert_int_equal(archive_read(archive.data, archive.size, DRAWING_AUTO, &images, &err), expected);
}

static void what_is_no_archive_is_refused(void **state)
{
    (void)state;
    struct bytes png = picture(50, 255);
    begin();
    put("7/a.png", png.data, png.size);
    struct bytes archive = finish();
    assert_refused(png, ERR_FORMAT);
    for (size_t size = 1; size < archive.size; size += 7)
        assert_refused((struct bytes){archive.data, size}, ERR_FORMAT);
    free(archive.data);
    free(png.data);
}

/* A few kilobytes that would be gigabytes. */
static void bombs_are_refused_before_they_are_unpacked(void **state)
{
    (void)state;
    uint8_t *zeros = calloc(1, ARCHIVE_UNPACKED_MAX + 1);
    begin();
    put("7/a.png", zeros, ARCHIVE_UNPACKED_MAX + 1);
    struct bytes archive = finish();
    assert_true(archive.size < 100000);
    assert_refused(archive, ERR_SHAPE);
    free(archive.data);

    begin();
    char name[32];
    for (int i = 0; i < 65; i++) {
        snprintf(name, sizeof name, "7/%d.png", i);
        put(name, zeros, ARCHIVE_FILE_MAX);
    }
    archive = finish();
    assert_refused(archive, ERR_SHAPE);
    free(archive.data);
    free(zeros);

    begin();
    for (int i = 0; i <= ARCHIVE_ENTRIES_MAX; i++) {
        snprintf(name, sizeof name, "7/%d.png", i);
        put(name, "x", 1);
    }
    archive = finish();
    assert_refused(archive, ERR_SHAPE);
    free(archive.data);
}

static void pictures_beyond_the_pixels_of_an_archive_are_rejected(void **state)
{
    (void)state;
    struct bytes png = picture(PNG_SIDE_MAX, 255);
    char name[32];
    begin();
    for (int i = 0; i < 66; i++) {
        snprintf(name, sizeof name, "7/%d.png", i);
        put(name, png.data, png.size);
    }
    struct bytes archive = finish();
    struct archive_images images = read_archive(archive);
    assert_int_equal(images.count, ARCHIVE_PIXELS_MAX / (PNG_SIDE_MAX * PNG_SIDE_MAX));
    assert_int_equal(images.rejected_count, 2);
    assert_rejected(&images, 0, "7/64.png", "pixels");
    archive_images_clear(&images);
    free(archive.data);
    free(png.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_labelled_by_their_folders_and_others_rejected),
        cmocka_unit_test(a_file_that_is_damaged_is_rejected_alone),
        cmocka_unit_test(what_is_no_archive_is_refused),
        cmocka_unit_test(bombs_are_refused_before_they_are_unpacked),
        cmocka_unit_test(pictures_beyond_the_pixels_of_an_archive_are_rejected),
    };
    return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
