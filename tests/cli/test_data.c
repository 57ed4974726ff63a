/* `digitd data` against a real server. */
#include "tests/cli/service.h"

#include <limits.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawings_are_added_listed_and_removed),
        cmocka_unit_test(what_cannot_be_added_is_named),
    };
    return cmocka_run_group_tests(tests, make, service_remove);
}
