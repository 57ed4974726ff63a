/* `digitd models` against a real server, whose model bars has the versions 1 and 2. */
#include "tests/cli/service.h"

static int make(void **state)
{
    service_make(state);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            service_run("jobs start " TINY "--epochs 1 --name bars --promotion always --watch --no-progress"),
            0);
    return 0;
}

static void models_and_versions_are_listed(void **state)
{
    (void)state;
    assert_int_equal(service_run("models"), 0);
    assert_out_has("MODEL  NEWEST  CREATED           ALIASES\nbars        2  ");
    assert_out_has("  production 2\n");
    assert_int_equal(service_run("models show bars"), 0);
    assert_out_has("VERSION  ");
    assert_out_has("\n      1  ");
    assert_int_equal(service_run("models show bars:production"), 0);
    assert_out_has("version            bars:2\naliases            production\n");
    assert_out_has("parameters         810\n");
    assert_int_equal(service_run("models --json"), 0);
    json_t *json = program_out_json();
    assert_int_equal(json_array_size(json_object_get(json, "data")), 1);
    json_decref(json);
    assert_int_equal(service_run("models show bars:2 --json"), 0);
    assert_true(out_number("version") == 2);

    assert_int_equal(service_run("models show none"), 1);
    assert_int_equal(service_run("models show bars:7"), 1);
    assert_int_equal(service_run("models show bars:candidate"), 1);
    assert_err("digitd models show: bars has no alias candidate; name a version, as bars:1\n");
    assert_int_equal(service_run("models show ../jobs"), 2);
    assert_int_equal(service_run("models show bars:1/evaluation"), 2);
    assert_int_equal(service_run("models show"), 2);
}

static void aliases_move_roll_back_and_tell_their_history(void **state)
{
    (void)state;
    assert_int_equal(service_run("models use bars:1"), 0);
    assert_out("production of bars  1 (before: 2)\n");
    assert_int_equal(service_run("models use bars:production --alias candidate --json"), 0);
    assert_true(out_number("version") == 1);
    assert_int_equal(service_run("models rollback bars"), 0);
    assert_out("production of bars  2 (before: 1)\n");
    assert_int_equal(service_run("models rollback bars --alias candidate"), 1);
    assert_err_has("no earlier version");
    assert_int_equal(service_run("models history bars --limit 2"), 0);
    assert_out_has("  rollback  -\n");
    assert_out_has("  client    -\n");
    assert_null(strstr(program_out(), "job_"));
    assert_int_equal(service_run("models unalias bars candidate"), 0);
    assert_out("candidate of bars  removed\n");
    assert_int_equal(service_run("models unalias bars candidate"), 1);
    assert_int_equal(service_run("models use bars:9"), 1);
    assert_int_equal(service_run("models use bars:1 --alias A"), 2);
}

static void versions_are_exported_imported_and_deleted(void **state)
{
    (void)state;
    assert_int_equal(service_run("models export bars"), 0);
    assert_out("bars-2.safetensors\n");
    assert_int_equal(program_run("evaluate bars-2.safetensors --data-dir data --dataset bars"), 0);
    assert_int_equal(service_run("models export bars:1 --format onnx --output bars.onnx --json"), 0);
    char *file = out_text("file");
    assert_string_equal(file, "bars.onnx");
    free(file);
    assert_true(program_file_exists("bars.onnx"));
    char words[160];
    snprintf(words, sizeof words, "models export bars:1 --output - --server %s", service_url());
    assert_int_equal(program_run_with(words, (struct program_setup){.output = "piped"}), 0);
    assert_int_equal(program_run("evaluate piped --data-dir data --dataset bars"), 0);
    assert_int_equal(service_run("models export bars:8 --output never"), 1);
    assert_false(program_file_exists("never"));
    assert_false(program_file_exists("never.part"));

    assert_int_equal(service_run("models import copy bars-2.safetensors"), 0);
    assert_out("copy:1  810 parameters\n");
    assert_int_equal(service_run("models import copy bars-2.safetensors --spec tiny.json --json"), 0);
    assert_true(out_number("version") == 2);
    assert_int_equal(service_run("models import copy tiny.json"), 2);
    assert_err_has("digitd models import: The file cannot be taken: ");
    assert_int_equal(service_run("models import copy none"), 1);
    assert_err("digitd models import: none: No such file or directory\n");

    assert_int_equal(service_run("models delete copy:1 copy:2"), 0);
    assert_out("copy:1  deleted\ncopy:2  deleted\n");
    assert_int_equal(service_run("models delete bars:2"), 1);
    assert_err_has("production");
    assert_int_equal(service_run("models delete bars"), 2);
}

static void an_evaluation_has_its_tables(void **state)
{
    (void)state;
    assert_int_equal(service_run("models evaluation bars"), 0);
    assert_out_has("version            bars:2\nimages             100 of bars, test\n");
    assert_out_has("TRUE  ");
    assert_out_has("DIGIT  IMAGES  PRECISION");
    assert_int_equal(service_run("models evaluation bars:1 --split train --json"), 0);
    assert_true(out_number("count") == BARS_TRAIN);
    assert_int_equal(service_run("models evaluation bars:1 --dataset none"), 1);
    assert_int_equal(service_run("models evaluation bars:1 --split all"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_and_versions_are_listed),
        cmocka_unit_test(aliases_move_roll_back_and_tell_their_history),
        cmocka_unit_test(versions_are_exported_imported_and_deleted),
        cmocka_unit_test(an_evaluation_has_its_tables),
    };
    return cmocka_run_group_tests(tests, make, service_remove);
}
