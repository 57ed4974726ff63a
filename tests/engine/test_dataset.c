/* dataset_*: every way in which a pair of IDX files can be wrong has its own message. */
#include "engine/engine.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define COUNT         3
#define IMAGES_LENGTH (16 + COUNT * IMAGE_PIXELS)
#define LABELS_LENGTH (8 + COUNT)
#define IMAGES_NAME   "t10k-images-idx3-ubyte"
#define LABELS_NAME   "t10k-labels-idx1-ubyte"

/* A folder of its own for each test, and the bytes of a correct pair to spoil. */
struct fixture {
    char folder[32];
    uint8_t images[IMAGES_LENGTH + 8];
    uint8_t labels[LABELS_LENGTH + 8];
};

static void put_big_endian(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

static int make_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/test_dataset.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));

    static const uint32_t image_header[] = {0x00000803, COUNT, IMAGE_SIDE, IMAGE_SIDE};
    for (size_t i = 0; i < 4; i++)
        put_big_endian(fixture->images + 4 * i, image_header[i]);
    for (size_t i = 16; i < IMAGES_LENGTH; i++)
        fixture->images[i] = (uint8_t)(i * 7);
    put_big_endian(fixture->labels, 0x00000801);
    put_big_endian(fixture->labels + 4, COUNT);
    memcpy(fixture->labels + 8, (uint8_t[]){7, 0, 9}, COUNT);
    *state = fixture;
    return 0;
}

static const char *path_in(const struct fixture *fixture, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    return path;
}

static int remove_fixture(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {IMAGES_NAME, LABELS_NAME, IMAGES_NAME ".gz", LABELS_NAME ".gz"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)remove(path_in(fixture, names[i]));
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void write_plain(const struct fixture *fixture, const char *name, const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(path_in(fixture, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void write_gzip(const struct fixture *fixture, const char *name, const uint8_t *bytes, unsigned length)
{
    gzFile file = gzopen(path_in(fixture, name), "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, length), length);
    assert_int_equal(gzclose(file), Z_OK);
}

static void write_pair(const struct fixture *fixture, size_t images_length, size_t labels_length)
{
    write_plain(fixture, IMAGES_NAME, fixture->images, images_length);
    write_plain(fixture, LABELS_NAME, fixture->labels, labels_length);
}

/* Loading fails with `code`, and the message has each of the parts. */
static void expect_refusal(const struct fixture *fixture, enum status code, const char *part,
                           const char *other_part)
{
    struct dataset *dataset = NULL;
    struct error err = {0};
    assert_int_equal(dataset_load(fixture->folder, SPLIT_TEST, &dataset, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.message, part) || !strstr(err.message, other_part))
        fail_msg("expected \"%s\" and \"%s\" in: %s", part, other_part, err.message);
    assert_null(dataset);
}

static void expect_loads(const struct fixture *fixture)
{
    struct dataset *dataset = NULL;
    struct error err = {0};
    if (dataset_load(fixture->folder, SPLIT_TEST, &dataset, &err) != OK)
        fail_msg("%s", err.message);
    assert_int_equal(dataset_count(dataset), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_memory_equal(dataset_image(dataset, i), fixture->images + 16 + i * IMAGE_PIXELS, IMAGE_PIXELS);
        assert_int_equal(dataset_label(dataset, i), fixture->labels[8 + i]);
    }
    dataset_unref(dataset);
}

/* ---- What is right ------------------------------------------------------------------------------ */

static void plain_files_load(void **state)
{
    struct fixture *fixture = *state;
    write_pair(fixture, IMAGES_LENGTH, LABELS_LENGTH);
    expect_loads(fixture);
}

static void gzip_files_load(void **state)
{
    struct fixture *fixture = *state;
    write_gzip(fixture, IMAGES_NAME ".gz", fixture->images, IMAGES_LENGTH);
    write_gzip(fixture, LABELS_NAME ".gz", fixture->labels, LABELS_LENGTH);
    expect_loads(fixture);
}

static void a_plain_and_a_gzip_file_load_together(void **state)
{
    struct fixture *fixture = *state;
    write_plain(fixture, IMAGES_NAME, fixture->images, IMAGES_LENGTH);
    write_gzip(fixture, LABELS_NAME ".gz", fixture->labels, LABELS_LENGTH);
    expect_loads(fixture);
}

static void digest_is_sha256_of_images_then_labels(void **state)
{
    (void)state;
    uint8_t images[2 * IMAGE_PIXELS] = {0}, labels[2] = {3, 4};
    struct dataset *dataset = NULL;
    assert_int_equal(dataset_create(images, labels, 2, &dataset, NULL), OK);
    /* (head -c 1568 /dev/zero; printf '\3\4') | sha256sum */
    assert_string_equal(dataset_digest(dataset),
                        "e1c8ea0882f47435c0b97c02b13da21ffadcb2592cdb74c8e7c3b5bbc80b424d");
    dataset_unref(dataset);
}

static void loaded_and_created_datasets_have_the_same_digest(void **state)
{
    struct fixture *fixture = *state;
    write_pair(fixture, IMAGES_LENGTH, LABELS_LENGTH);
    struct dataset *loaded = NULL, *created = NULL;
    assert_int_equal(dataset_load(fixture->folder, SPLIT_TEST, &loaded, NULL), OK);
    assert_int_equal(dataset_create(fixture->images + 16, fixture->labels + 8, COUNT, &created, NULL), OK);
    assert_string_equal(dataset_digest(loaded), dataset_digest(created));
    dataset_unref(loaded);
    dataset_unref(created);
}

static void dataset_lives_until_its_last_reference(void **state)
{
    struct fixture *fixture = *state;
    struct dataset *dataset = NULL;
    assert_int_equal(dataset_create(fixture->images + 16, fixture->labels + 8, COUNT, &dataset, NULL), OK);
    assert_ptr_equal(dataset_ref(dataset), dataset);
    dataset_unref(dataset);
    assert_int_equal(dataset_label(dataset, 2), 9); /* AddressSanitizer sees a use after free here */
    dataset_unref(dataset);
    dataset_unref(NULL);
}

/* ---- In memory ---------------------------------------------------------------------------------- */

/* The bytes of a file of the fixture. */
static struct idx_bytes bytes_of(const struct fixture *fixture, const char *file, const char *name)
{
    static uint8_t kept[2][IMAGES_LENGTH + 64];
    uint8_t *bytes = kept[strcmp(name, "labels") == 0];
    FILE *stream = fopen(path_in(fixture, file), "rb");
    assert_non_null(stream);
    size_t size = fread(bytes, 1, sizeof kept[0], stream);
    fclose(stream);
    return (struct idx_bytes){name, bytes, size};
}

static void expect_reads(const struct fixture *fixture, const char *images, const char *labels)
{
    struct dataset *dataset = NULL;
    const struct idx_bytes image_bytes = bytes_of(fixture, images, "images"),
                           label_bytes = bytes_of(fixture, labels, "labels");
    struct error err;
    if (dataset_read(&image_bytes, &label_bytes, COUNT, &dataset, &err))
        fail_msg("%s", err.message);
    assert_int_equal(dataset_count(dataset), COUNT);
    assert_memory_equal(dataset_image(dataset, 0), fixture->images + 16, COUNT * IMAGE_PIXELS);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(dataset_label(dataset, i), fixture->labels[8 + i]);
    dataset_unref(dataset);
}

static void files_in_memory_read_as_those_on_disk_do(void **state)
{
    struct fixture *fixture = *state;
    write_pair(fixture, IMAGES_LENGTH, LABELS_LENGTH);
    write_gzip(fixture, IMAGES_NAME ".gz", fixture->images, IMAGES_LENGTH);
    write_gzip(fixture, LABELS_NAME ".gz", fixture->labels, LABELS_LENGTH);
    expect_reads(fixture, IMAGES_NAME, LABELS_NAME);
    expect_reads(fixture, IMAGES_NAME ".gz", LABELS_NAME ".gz");
    expect_reads(fixture, IMAGES_NAME ".gz", LABELS_NAME);
}

/* Reading files in memory fails, and the message and pointer say which and why. */
static void expect_unread(struct idx_bytes images, struct idx_bytes labels, size_t count_max,
                          const char *pointer, const char *message)
{
    struct dataset *dataset = NULL;
    struct error err = {0};
    assert_int_equal(dataset_read(&images, &labels, count_max, &dataset, &err), ERR_FORMAT);
    assert_string_equal(err.message, message);
    assert_string_equal(err.pointer, pointer);
    assert_null(dataset);
}

static void what_is_wrong_in_memory_is_said_of_the_one_of_the_two(void **state)
{
    struct fixture *fixture = *state;
    struct idx_bytes images = {"images", fixture->images, IMAGES_LENGTH};
    struct idx_bytes labels = {"labels", fixture->labels, LABELS_LENGTH};
    struct idx_bytes cut = {"images", fixture->images, IMAGES_LENGTH - 1}, none = {"labels", "", 0};
    expect_unread(cut, labels, COUNT, "/images",
                  "images: truncated: 2367 bytes stored, expected 2368 for a count of 3");
    expect_unread(images, none, COUNT, "/labels", "labels: truncated at offset 0, expected an IDX header");
    expect_unread(images, images, COUNT, "/images", "images: offset 3: expected 1 dimension, found 3");
    fixture->labels[7] = 2;
    expect_unread(images, labels, COUNT, "/labels",
                  "labels: offset 4: expected 3 labels, one an image, found 2");
    fixture->labels[7] = 3;
    fixture->labels[8] = 11;
    expect_unread(images, labels, COUNT, "/labels", "labels: offset 8: label 0 is 11, expected 0 to 9");
}

/* A kilobyte that would be many more: what its header announces is all that is looked at. */
static void no_more_is_unpacked_than_may_be(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t zeros[1000 * IMAGE_PIXELS];
    struct idx_bytes labels = {"labels", fixture->labels, LABELS_LENGTH};
    put_big_endian(fixture->images + 4, 4);
    memcpy(zeros, fixture->images, 16);
    write_gzip(fixture, IMAGES_NAME ".gz", zeros, sizeof zeros);
    expect_unread(bytes_of(fixture, IMAGES_NAME ".gz", "images"), labels, COUNT, "/images",
                  "images: offset 4: expected a count of 1 to 3, found 4");
    zeros[7] = 3;
    write_gzip(fixture, IMAGES_NAME ".gz", zeros, sizeof zeros);
    expect_unread(bytes_of(fixture, IMAGES_NAME ".gz", "images"), labels, COUNT, "/images",
                  "images: offset 2368: expected the end of the file, found more bytes");
}

/* ---- What is wrong ------------------------------------------------------------------------------ */

static void create_refuses_no_images_and_bad_labels(void **state)
{
    struct fixture *fixture = *state;
    struct dataset *dataset = NULL;
    struct error err;
    uint8_t labels[COUNT] = {1, 10, 2};
    assert_int_equal(dataset_create(fixture->images, labels, 0, &dataset, &err), ERR_ARGUMENT);
    assert_int_equal(dataset_create(fixture->images, labels, 10000001, &dataset, &err), ERR_ARGUMENT);
    assert_int_equal(dataset_create(fixture->images, labels, COUNT, &dataset, &err), ERR_ARGUMENT);
    assert_string_equal(err.message, "label 1 is 10, expected 0 to 9");
    assert_null(dataset);
}

static void missing_files_are_not_found(void **state)
{
    struct fixture *fixture = *state;
    expect_refusal(fixture, ERR_NOT_FOUND, IMAGES_NAME, "no such file");
    write_plain(fixture, IMAGES_NAME, fixture->images, IMAGES_LENGTH);
    expect_refusal(fixture, ERR_NOT_FOUND, LABELS_NAME, "no such file");
}

static void a_folder_or_fifo_in_place_of_a_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(mkdir(path_in(fixture, IMAGES_NAME), 0700), 0);
    expect_refusal(fixture, ERR_FORMAT, IMAGES_NAME, "not a regular file");
    assert_int_equal(rmdir(path_in(fixture, IMAGES_NAME)), 0);
    assert_int_equal(mkfifo(path_in(fixture, IMAGES_NAME), 0600), 0);
    expect_refusal(fixture, ERR_FORMAT, IMAGES_NAME, "not a regular file");
}

struct spoiled_byte {
    bool in_labels;
    size_t offset;
    uint8_t value;
    const char *message;
};

static void every_wrong_byte_of_the_headers_is_named(void **state)
{
    struct fixture *fixture = *state;
    static const struct spoiled_byte cases[] = {
        {false, 0, 0x89, "offset 0: expected the magic 00 00 of an IDX file, found 89 00"},
        {false, 2, 0x0d, "offset 2: expected type 08 (unsigned bytes), found 0d"},
        {false, 3, 1, "offset 3: expected 3 dimensions, found 1"},
        {false, 11, 32, "offset 8: expected images of 28x28, found height 32"},
        {false, 12, 1, "offset 12: expected images of 28x28, found width 16777244"},
        {false, 7, 0, "offset 4: expected a count of 1 to 10000000, found 0"},
        {false, 4, 0xff, "offset 4: expected a count of 1 to 10000000, found 4278190083"},
        {false, 7, 4, "truncated: 2368 bytes stored, expected 3152 for a count of 4"},
        {true, 1, 1, "offset 0: expected the magic 00 00 of an IDX file, found 00 01"},
        {true, 2, 9, "offset 2: expected type 08 (unsigned bytes), found 09"},
        {true, 3, 3, "offset 3: expected 1 dimension, found 3"},
        {true, 7, 2, "offset 4: expected 3 labels, one an image, found 2"},
        {true, 9, 10, "offset 9: label 1 is 10, expected 0 to 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *byte = (cases[i].in_labels ? fixture->labels : fixture->images) + cases[i].offset;
        uint8_t right = *byte;
        *byte = cases[i].value;
        write_pair(fixture, IMAGES_LENGTH, LABELS_LENGTH);
        expect_refusal(fixture, ERR_FORMAT, cases[i].in_labels ? LABELS_NAME : IMAGES_NAME, cases[i].message);
        *byte = right;
    }
}

static void files_cut_anywhere_are_truncated(void **state)
{
    struct fixture *fixture = *state;
    static const size_t lengths[] = {0, 1, 15, 16, 17, IMAGES_LENGTH - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        write_pair(fixture, lengths[i], LABELS_LENGTH);
        expect_refusal(fixture, ERR_FORMAT, IMAGES_NAME, "truncated");
    }
    write_pair(fixture, IMAGES_LENGTH, LABELS_LENGTH - 1);
    expect_refusal(fixture, ERR_FORMAT, LABELS_NAME, "truncated: 10 bytes stored, expected 11");
}

static void trailing_bytes_are_refused(void **state)
{
    struct fixture *fixture = *state;
    write_pair(fixture, IMAGES_LENGTH + 1, LABELS_LENGTH);
    expect_refusal(fixture, ERR_FORMAT, IMAGES_NAME, "offset 2368: expected the end of the file");
    write_pair(fixture, IMAGES_LENGTH, LABELS_LENGTH + 1);
    expect_refusal(fixture, ERR_FORMAT, LABELS_NAME, "offset 11: expected the end of the file");
}

/* Cuts or overwrites one byte of an existing file. */
static void spoil_file(const char *path, off_t length, off_t spoiled)
{
    int descriptor = open(path, O_RDWR);
    assert_true(descriptor >= 0);
    uint8_t byte;
    if (spoiled >= 0) {
        assert_int_equal(pread(descriptor, &byte, 1, spoiled), 1);
        byte ^= 0xff;
        assert_int_equal(pwrite(descriptor, &byte, 1, spoiled), 1);
    }
    assert_int_equal(ftruncate(descriptor, length), 0);
    close(descriptor);
}

static off_t size_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void corrupt_gzip_streams_are_refused(void **state)
{
    struct fixture *fixture = *state;
    write_plain(fixture, LABELS_NAME, fixture->labels, LABELS_LENGTH);
    write_gzip(fixture, IMAGES_NAME ".gz", fixture->images, IMAGES_LENGTH);
    const char *path = path_in(fixture, IMAGES_NAME ".gz");
    off_t length = size_of(path);

    spoil_file(path, length, length - 6); /* the CRC-32 */
    expect_refusal(fixture, ERR_FORMAT, IMAGES_NAME ".gz", "gzip stream is corrupt");
    spoil_file(path_in(fixture, IMAGES_NAME ".gz"), length - 40, -1);
    expect_refusal(fixture, ERR_FORMAT, IMAGES_NAME ".gz", "truncated");
}

static void a_gzip_stream_cut_in_its_checksum_is_truncated(void **state)
{
    struct fixture *fixture = *state;
    write_plain(fixture, LABELS_NAME, fixture->labels, LABELS_LENGTH);
    write_gzip(fixture, IMAGES_NAME ".gz", fixture->images, IMAGES_LENGTH);
    const char *path = path_in(fixture, IMAGES_NAME ".gz");
    spoil_file(path, size_of(path) - 5, -1);
    expect_refusal(fixture, ERR_FORMAT, IMAGES_NAME ".gz", "expected the end of the gzip stream");
}

static void a_count_that_no_gzip_file_of_that_size_could_hold_is_refused_unread(void **state)
{
    struct fixture *fixture = *state;
    write_plain(fixture, LABELS_NAME, fixture->labels, LABELS_LENGTH);
    put_big_endian(fixture->images + 4, 9000000);
    write_gzip(fixture, IMAGES_NAME ".gz", fixture->images, IMAGES_LENGTH);
    expect_refusal(fixture, ERR_FORMAT, "bytes stored, expected 7056000016 decompressed",
                   "for a count of 9000000");
}

static void a_long_path_leaves_room_for_the_reason(void **state)
{
    (void)state;
    char folder[3000];
    memset(folder, 'x', sizeof folder);
    folder[sizeof folder - 1] = '\0';
    for (size_t i = 0; i < sizeof folder - 1; i += 100)
        folder[i] = '/';
    struct dataset *dataset = NULL;
    struct error err;
    assert_int_equal(dataset_load(folder, SPLIT_TEST, &dataset, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, IMAGES_NAME));
    assert_non_null(strstr(err.message, "no such file"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, remove_fixture)
    const struct CMUnitTest tests[] = {
        TEST(plain_files_load),
        TEST(gzip_files_load),
        TEST(a_plain_and_a_gzip_file_load_together),
        TEST(digest_is_sha256_of_images_then_labels),
        TEST(loaded_and_created_datasets_have_the_same_digest),
        TEST(dataset_lives_until_its_last_reference),
        TEST(files_in_memory_read_as_those_on_disk_do),
        TEST(what_is_wrong_in_memory_is_said_of_the_one_of_the_two),
        TEST(no_more_is_unpacked_than_may_be),
        TEST(create_refuses_no_images_and_bad_labels),
        TEST(missing_files_are_not_found),
        TEST(a_folder_or_fifo_in_place_of_a_file_is_refused),
        TEST(every_wrong_byte_of_the_headers_is_named),
        TEST(files_cut_anywhere_are_truncated),
        TEST(trailing_bytes_are_refused),
        TEST(corrupt_gzip_streams_are_refused),
        TEST(a_gzip_stream_cut_in_its_checksum_is_truncated),
        TEST(a_count_that_no_gzip_file_of_that_size_could_hold_is_refused_unread),
        TEST(a_long_path_leaves_room_for_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
