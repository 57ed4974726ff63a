/* Model files: what is written reads back to the bit, follows the safetensors layout, and damage is refused by name. */
#include "engine/safetensors.h"
#include "tests/engine/check.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_checkpoint_XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails if a temporary file was left */
}

static struct model *small_model(void)
{
    struct model_plan plan = plan_from_json("{\"preset\":\"small\"}");
    struct model *model = NULL;
    assert_int_equal(model_create(&plan, 3, &model, NULL), OK);
    return model;
}

struct file {
    uint8_t *bytes;
    size_t size;
};

static struct file read_file(void)
{
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    struct stat info;
    assert_int_equal(fstat(fileno(stream), &info), 0);
    struct file file = {.bytes = malloc((size_t)info.st_size + 1), .size = (size_t)info.st_size};
    assert_int_equal(fread(file.bytes, 1, file.size, stream), file.size);
    fclose(stream);
    return file;
}

static void write_file(const void *bytes, size_t size)
{
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static uint64_t header_length(struct file file)
{
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | file.bytes[i];
    return length;
}

static json_t *header_of(struct file file)
{
    json_t *header = json_loadb((char *)file.bytes + 8, header_length(file), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(header);
    return header;
}

static void write_with_header(json_t *header, const uint8_t *data, size_t size)
{
    char *text = json_dumps(header, JSON_COMPACT);
    uint64_t length = strlen(text);
    uint8_t *bytes = malloc(8 + length + size);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(length >> (8 * i));
    memcpy(bytes + 8, text, length);
    memcpy(bytes + 8 + length, data, size);
    write_file(bytes, 8 + length + size);
    free(bytes);
    free(text);
}

static void assert_refused(enum status expected, const char *text)
{
    struct model *model = NULL;
    struct error err = {0};
    assert_int_equal(model_load(path, &model, &err), expected);
    assert_null(model);
    if (!strstr(err.message, text) || !strstr(err.message, path))
        fail_msg("\"%s\" does not name \"%s\" and the file", err.message, text);
}

static void a_model_reads_back_to_the_bit(void **state)
{
    (void)state;
    struct model *model = small_model(), *loaded = NULL;
    json_t *metadata = json_pack("{s:s}", "note", "for a test");
    char before[65], after[65];
    assert_int_equal(model_save(model, metadata, path, NULL), OK);
    assert_int_equal(model_load(path, &loaded, NULL), OK);
    model_digest(model, before);
    model_digest(loaded, after);
    assert_string_equal(before, after);
    assert_int_equal(model_plan_of(loaded)->parameters, model_plan_of(model)->parameters);
    struct safetensors_file *file = NULL;
    assert_int_equal(safetensors_open(path, &file, NULL), OK);
    assert_string_equal(safetensors_metadata(file, "note"), "for a test");
    assert_non_null(safetensors_metadata(file, "core_type"));
    safetensors_close(file);
    json_decref(metadata);
    model_unref(model);
    model_unref(loaded);
}

/* A reader of its own, written from the format's description. */
static void the_file_follows_the_safetensors_layout(void **state)
{
    (void)state;
    struct model *model = small_model();
    assert_int_equal(model_save(model, NULL, path, NULL), OK);
    struct file file = read_file();
    uint64_t length = header_length(file);
    assert_int_equal(length % 8, 0);
    assert_int_equal(file.bytes[8], '{');
    json_t *header = header_of(file);
    size_t covered = 0;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            const char *key;
            json_t *value;
            json_object_foreach(entry, key, value) assert_true(json_is_string(value));
            continue;
        }
        assert_string_equal(json_string_value(json_object_get(entry, "dtype")), "F32");
        json_t *offsets = json_object_get(entry, "data_offsets"), *dimension;
        size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
        size_t end = (size_t)json_integer_value(json_array_get(offsets, 1)), count = 1, i;
        json_array_foreach(json_object_get(entry, "shape"), i, dimension) count *=
            (size_t)json_integer_value(dimension);
        assert_int_equal(end - begin, count * 4);
        assert_true(8 + length + end <= file.size);
        covered += end - begin;
    }
    assert_int_equal(covered, file.size - 8 - length);
    assert_int_equal(covered, model_plan_of(model)->parameters * 4);
    json_t *kernel = json_object_get(json_object_get(header, "conv2d/kernel"), "shape");
    assert_int_equal(json_integer_value(json_array_get(kernel, 0)), 3);
    assert_int_equal(json_integer_value(json_array_get(kernel, 3)), 16);
    json_decref(header);
    free(file.bytes);
    model_unref(model);
}

static void a_file_cut_at_any_length_is_refused(void **state)
{
    (void)state;
    struct model *model = small_model();
    assert_int_equal(model_save(model, NULL, path, NULL), OK);
    struct file file = read_file();
    size_t lengths[] = {0, 1, 7, 8, 9, 8 + header_length(file) - 1, 8 + header_length(file), file.size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        write_file(file.bytes, lengths[i]);
        assert_refused(ERR_FORMAT, "");
    }
    file.bytes = realloc(file.bytes, file.size + 1);
    file.bytes[file.size] = 0;
    write_file(file.bytes, file.size + 1);
    assert_refused(ERR_FORMAT, "the file has");
    free(file.bytes);
    model_unref(model);
}

/* Each change to the header of a good file, and what the refusal has to say. */
static void set_shape(json_t *header)
{
    json_object_set_new(json_object_get(header, "dense/bias"), "shape", json_pack("[i, i]", 4, 8));
}

static void set_type(json_t *header)
{
    json_object_set_new(json_object_get(header, "dense/bias"), "dtype", json_string("F16"));
}

static void shift_offsets(json_t *header)
{
    json_t *offsets = json_object_get(json_object_get(header, "conv2d/bias"), "data_offsets");
    for (size_t i = 0; i < 2; i++)
        json_array_set_new(offsets, i, json_integer(json_integer_value(json_array_get(offsets, i)) + 4));
}

static void negative_offset(json_t *header)
{
    json_object_set_new(json_object_get(header, "dense/bias"), "data_offsets", json_pack("[i, i]", -4, 124));
}

static void huge_shape(json_t *header)
{
    json_int_t huge = (json_int_t)1 << 62;
    json_object_set_new(json_object_get(header, "dense/bias"), "shape", json_pack("[I, I]", huge, huge));
}

static void rename_tensor(json_t *header)
{
    json_t *entry = json_incref(json_object_get(header, "dense/bias"));
    json_object_del(header, "dense/bias");
    json_object_set_new(header, "dense/offset", entry);
}

static void drop_spec(json_t *header)
{
    json_object_del(json_object_get(header, "__metadata__"), "spec");
}

static void break_spec(json_t *header)
{
    json_object_set_new(json_object_get(header, "__metadata__"), "spec", json_string("{\"layers\": 7}"));
}

static void another_spec(json_t *header)
{
    json_object_set_new(json_object_get(header, "__metadata__"), "spec",
                        json_string("{\"preset\": \"reference\"}"));
}

static void a_wrong_header_is_refused_by_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        void (*change)(json_t *header);
        enum status status;
        const char *text;
    } changes[] = {
        {set_shape, ERR_SHAPE, "\"dense/bias\" has shape [4,8]"},
        {set_type, ERR_FORMAT, "\"dense/bias\" is not F32"},
        {shift_offsets, ERR_FORMAT, "byte"},
        {negative_offset, ERR_FORMAT, "\"dense/bias\""},
        {huge_shape, ERR_FORMAT, "\"dense/bias\""},
        {rename_tensor, ERR_FORMAT, "no tensor \"dense/bias\""},
        {drop_spec, ERR_FORMAT, "no \"spec\""},
        {break_spec, ERR_FORMAT, "/spec/layers"},
        {another_spec, ERR_SHAPE, "does not fit the model"},
    };
    struct model *model = small_model();
    assert_int_equal(model_save(model, NULL, path, NULL), OK);
    struct file file = read_file();
    uint64_t start = 8 + header_length(file);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        json_t *header = header_of(file);
        changes[i].change(header);
        write_with_header(header, file.bytes + start, file.size - start);
        assert_refused(changes[i].status, changes[i].text);
        json_decref(header);
    }
    write_file("\x03\0\0\0\0\0\0\0[1]", 11);
    assert_refused(ERR_FORMAT, "not a JSON object");
    write_file("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    assert_refused(ERR_FORMAT, "not a safetensors file");
    free(file.bytes);
    model_unref(model);
}

static void a_failed_write_leaves_the_old_file_and_no_other(void **state)
{
    (void)state;
    struct model *model = small_model();
    assert_int_equal(model_save(model, NULL, path, NULL), OK);
    char nowhere[96];
    struct error err = {0};
    snprintf(nowhere, sizeof nowhere, "%s/none/model.safetensors", folder);
    assert_int_equal(model_save(model, NULL, nowhere, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, nowhere));
    struct model *loaded = NULL;
    assert_int_equal(model_load(path, &loaded, NULL), OK);
    model_unref(loaded);
    model_unref(model);
    unlink(path);
    assert_refused(ERR_NOT_FOUND, "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_reads_back_to_the_bit),
        cmocka_unit_test(the_file_follows_the_safetensors_layout),
        cmocka_unit_test(a_file_cut_at_any_length_is_refused),
        cmocka_unit_test(a_wrong_header_is_refused_by_what_is_wrong),
        cmocka_unit_test(a_failed_write_leaves_the_old_file_and_no_other),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
