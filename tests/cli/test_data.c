/* `digitd data` against a real server. */
#include "tests/cli/service.h"

#include <limits.h>
#include <zip.h>

static char seven[PATH_MAX];

static int make(void **state)
{
    assert_non_null(realpath("docs/seven.png", seven));
    return service_make(state);
}

static int add(const char *words, const char *file)
{
    char line[PATH_MAX + 64];
    snprintf(line, sizeof line, "data add %s %s", words, file);
    return service_run(line);
}

static void drawings_are_added_listed_and_removed(void **state)
{
    (void)state;
    assert_int_equal(service_run("data"), 0);
    assert_out_has("DATASET  TRAIN  TEST");
    assert_out_has("\nbars       640   100");
    assert_int_equal(add("mine 7", seven), 0);
    assert_out("mine  sample 1, a 7: 1 in all\n");
    assert_int_equal(add("mine 1 --json", seven), 0);
    assert_true(out_number("id") == 2);
    assert_int_equal(service_run("data"), 0);
    assert_out_has("\nmine         2     -  own\n");
    assert_int_equal(service_run("data samples mine --label 7"), 0);
    assert_out_has("SAMPLE  LABEL  CREATED\n     1      7  ");
    assert_int_equal(service_run("data remove mine 1 9"), 1);
    assert_out("1  deleted\n");
    assert_err("digitd data remove: mine has no sample 9\n");
    assert_int_equal(service_run("data samples mine --json"), 0);
    json_t *json = program_out_json();
    assert_int_equal(json_array_size(json_object_get(json, "data")), 1);
    json_decref(json);
    assert_int_equal(service_run("data delete mine"), 0);
    assert_int_equal(service_run("data samples mine"), 1);
}

static void what_cannot_be_added_is_named(void **state)
{
    (void)state;
    program_file_write("text.png", "no picture", 10);
    assert_int_equal(add("mine 7", "text.png"), 2);
    assert_err_has("not a readable PNG");
    assert_err_has("digitd data add: text.png was not added\n");
    assert_int_equal(add("mine 7", "none.png"), 1);
    assert_err_has("digitd data add: none.png: No such file or directory\n");
    assert_int_equal(add("mine 10", seven), 2);
    assert_err("digitd data add: \"10\" is no digit from 0 to 9\n");
    assert_int_equal(add("Mine 7", seven), 2);
    assert_int_equal(add("bars 7", seven), 1);
    assert_int_equal(service_run("data samples bars --label 10"), 2);
    assert_err_has("digitd data samples: --label: ");
}

/* ---- Many at once, and training on them ---------------------------------------------------------- */

#define BARS_IMAGES "data/bars/train-images-idx3-ubyte"
#define BARS_LABELS "data/bars/train-labels-idx1-ubyte"

/* A seven, and `bytes` as another file. */
static void make_archive(const char *name, const char *other, const char *bytes)
{
    int error;
    zip_t *zip = zip_open(program_file_path(name), ZIP_CREATE | ZIP_EXCL, &error);
    assert_non_null(zip);
    assert_true(zip_file_add(zip, "7/seven.png", zip_source_file(zip, seven, 0, 0), 0) >= 0);
    assert_true(zip_file_add(zip, other, zip_source_buffer(zip, bytes, strlen(bytes), 0), 0) >= 0);
    assert_int_equal(zip_close(zip), 0);
}

static void an_archive_is_imported_without_what_is_no_digit(void **state)
{
    (void)state;
    make_archive("whole.zip", "7/.hidden", "");
    make_archive("partly.zip", "3/three.png", "no picture");
    assert_int_equal(service_run("data import zipped whole.zip"), 0);
    assert_out("zipped  1 added: 1 in all\n");
    assert_err("");
    assert_int_equal(service_run("data import zipped partly.zip"), 1);
    assert_out("zipped  1 added: 2 in all\n");
    assert_err_has("digitd data import: 3/three.png ");
    assert_int_equal(service_run("data import zipped partly.zip --json"), 0);
    assert_true(out_number("rejected_count") == 1);
}

static void mnists_form_is_imported_and_mixed(void **state)
{
    (void)state;
    assert_int_equal(service_run("data import copy " BARS_IMAGES " " BARS_LABELS), 0);
    assert_out("copy  640 added: 640 in all\n");
    assert_int_equal(
        service_run("jobs start --dataset bars,copy:2 --model tiny.json --epochs 1 --name mixed --watch"), 0);
    assert_out_has("  succeeded: mixed version 1");
    assert_int_equal(service_run("jobs show"), 0);
    assert_out_has("\ndataset            bars,copy:2\n");
    assert_int_equal(service_run("jobs show --json"), 0);
    json_t *json = program_out_json(), *config = json_object_get(json, "config"),
           *part = json_array_get(json_object_get(config, "datasets"), 1);
    assert_int_equal(json_integer_value(json_object_get(part, "repeat")), 2);
    assert_true(json_integer_value(json_object_get(part, "revision")) > 0);
    json_decref(json);
    assert_int_equal(
        service_run("sweep /training/seed=1,2 --dataset copy,bars --model tiny.json --epochs 1 --watch"), 0);
    assert_int_equal(service_run("jobs list --all --limit 1 --json"), 0);
    json = program_out_json();
    config = json_object_get(json_array_get(json_object_get(json, "data"), 0), "config");
    assert_string_equal(json_string_value(json_object_get(config, "test_dataset")), "bars");
    json_decref(json);
}

static void what_cannot_be_imported_is_said_and_nothing_added(void **state)
{
    (void)state;
    assert_int_equal(service_run("data import none " BARS_LABELS " " BARS_IMAGES), 2);
    assert_err("digitd data import: /images: offset 3: expected 3 dimensions, found 1\n"
               "digitd data import: nothing was added\n");
    assert_int_equal(service_run("data import none " BARS_IMAGES " " BARS_LABELS " --mode drawing"), 2);
    assert_err_has("digitd data import: --mode: images in an IDX file are taken as they are\n");
    assert_int_equal(service_run("data import none tiny.json"), 2);
    assert_err_has("not a readable ZIP archive");
    assert_int_equal(service_run("data import none absent.zip"), 1);
    assert_err_has("digitd data import: absent.zip: No such file or directory\n");
    assert_int_equal(service_run("data import none data"), 1);
    assert_err_has("digitd data import: data: not a regular file\n");
    assert_int_equal(service_run("data import none"), 2);
    assert_int_equal(service_run("data samples none"), 1);
}

static void a_mix_that_cannot_be_is_a_fault_of_the_option(void **state)
{
    (void)state;
    static const struct {
        const char *words, *message;
    } cases[] = {
        {"bars,", "--dataset: expected names, each with 1 to 1000 repetitions"},
        {"bars:0", "found \"bars:0\"\n"},
        {"bars:1001", "found \"bars:1001\"\n"},
        {"bars:x", "found \"bars:x\"\n"},
        {"bars,absent:2", "--dataset: there is no dataset \"absent\""},
        {"bars,bars:2", "--dataset: bars is there twice"},
    };
    char line[128];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(line, sizeof line, "jobs start --model tiny.json --dataset %s", cases[i].words);
        assert_int_equal(service_run(line), 2);
        assert_err_has(cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawings_are_added_listed_and_removed),
        cmocka_unit_test(what_cannot_be_added_is_named),
        cmocka_unit_test(an_archive_is_imported_without_what_is_no_digit),
        cmocka_unit_test(mnists_form_is_imported_and_mixed),
        cmocka_unit_test(what_cannot_be_imported_is_said_and_nothing_added),
        cmocka_unit_test(a_mix_that_cannot_be_is_a_fault_of_the_option),
    };
    return cmocka_run_group_tests(tests, make, service_remove);
}
