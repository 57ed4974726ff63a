/* `digitd jobs` against a real server. */
#include "tests/cli/service.h"

#include <signal.h>

#define ENDLESS TINY "--epochs 1000 "

static char *start(const char *options)
{
    return service_begin("jobs", options);
}

static void assert_state(const char *id, const char *expected)
{
    assert_int_equal(service_run_on("jobs show --json %s", id), 0);
    char *state = out_text("state");
    assert_string_equal(state, expected);
    free(state);
}

static void cancel(const char *id)
{
    assert_int_equal(service_run_on("jobs cancel %s", id), 0);
}

/* As in ID=$(digitd jobs start). */
static void start_prints_the_id_alone(void **state)
{
    (void)state;
    char id[32], line[40];
    assert_int_equal(service_run("jobs start " TINY "--epochs 1"), 0);
    assert_int_equal(sscanf(program_out(), "%31s", id), 1);
    snprintf(line, sizeof line, "%s\n", id);
    assert_out(line);
    assert_int_equal(service_run_on("jobs watch %s", id), 0);
    assert_int_equal(service_run_on("jobs delete %s", id), 0);
}

/* ---- Starting and looking -------------------------------------------------------------------------- */

static void a_job_is_started_watched_and_shown(void **state)
{
    (void)state;
    assert_int_equal(service_run("jobs"), 0);
    assert_out("No jobs.\n");
    assert_int_equal(service_run("jobs start " TINY "--epochs 2 --seed 9 --name bars --priority 3 --watch"),
                     0);
    assert_err_has("\nrunning\n");
    assert_err_has("\nepoch 1/2  loss ");
    assert_err_has("\nepoch 2/2  loss ");
    assert_out_has("  succeeded: bars version 1, in production, test accuracy ");

    assert_int_equal(service_run("jobs"), 0);
    assert_out_has("JOB                   STATE      MODEL  EPOCHS");
    assert_out_has("  succeeded  bars      2/2  ");
    assert_int_equal(service_run("jobs show"), 0);
    assert_out_has("state              succeeded: version 1, promoted\n");
    assert_out_has("  seed             9\n");
    assert_out_has("EPOCH    LOSS  ACCURACY  VALIDATION LOSS  ACCURACY  SECONDS\n    1  ");

    assert_int_equal(service_run("jobs show --json"), 0);
    json_t *json = program_out_json();
    assert_int_equal(json_integer_value(json_object_get(json, "priority")), 3);
    assert_int_equal(json_array_size(json_object_get(json, "epochs")), 2);
    json_decref(json);
    assert_int_equal(service_run("jobs --json"), 0);
    json = program_out_json();
    assert_int_equal(json_array_size(json_object_get(json, "data")), 1);
    json_decref(json);
    assert_int_equal(service_run("jobs list --status failed"), 0);
    assert_out("No jobs.\n");
}

static void every_fault_of_a_request_is_named_by_its_option(void **state)
{
    (void)state;
    assert_int_equal(
        service_run("jobs start --dataset none --preset huge --epochs -1 --rotation 99 --name Ä"), 2);
    assert_out("");
    assert_err_has("digitd jobs start: --dataset: ");
    assert_err_has("digitd jobs start: --preset: no preset is called \"huge\"");
    assert_err_has("digitd jobs start: --epochs: expected a whole number from 1 to 1000, found -1\n");
    assert_err_has("digitd jobs start: --rotation: expected a number from 0 to 45, found 99\n");
    assert_err_has("digitd jobs start: --name: ");
    assert_int_equal(service_run("jobs start --init-from bars"), 2);
    assert_err(
        "digitd jobs start: --init-from: expected a model and its version, as digits:3, found \"bars\"\n");
    assert_int_equal(service_run("jobs start --preset small --model tiny.json"), 2);
    assert_int_equal(service_run("jobs start --model none.json"), 1);
    assert_err("digitd jobs start: none.json: No such file or directory\n");

    static const char wrong[] = "{\"layers\": [{\"type\": \"conv2d\", \"filters\": 0, \"kernel_size\": 3}]}";
    program_file_write("wrong.json", wrong, strlen(wrong));
    assert_int_equal(service_run("jobs start --model wrong.json"), 2);
    assert_err_has("digitd jobs start: --model /layers/0/filters: ");
}

static void wrong_usage_says_where_help_is(void **state)
{
    (void)state;
    assert_int_equal(service_run("jobs pasue x"), 2);
    assert_err("digitd jobs: unknown action \"pasue\"; did you mean pause?\nTry 'digitd help jobs'.\n");
    assert_int_equal(service_run("jobs pause"), 2);
    assert_err_has("Try 'digitd help jobs pause'.\n");
    assert_int_equal(service_run("jobs pause ../version"), 2);
    assert_err_has("\"../version\" is not a job's id");
    assert_int_equal(service_run("jobs list --status no&limit=1"), 2);
    assert_int_equal(service_run("jobs list --status nothing"), 2);
    assert_err_has("--status: ");
    assert_int_equal(service_run("help jobs pause"), 0);
    assert_out_has("Usage: digitd jobs pause ");
    assert_int_equal(service_run("jobs show job_0123456789abcdef"), 1);
    assert_err_has("there is no job job_0123456789abcdef\n");
}

/* ---- Steering -------------------------------------------------------------------------------------- */

static void jobs_are_paused_resumed_cancelled_and_deleted(void **state)
{
    (void)state;
    char line[64], *id = start(ENDLESS), *second = start(ENDLESS);
    assert_int_equal(service_run_on("jobs pause %s", id), 0);
    snprintf(line, sizeof line, "%s  paused\n", id);
    assert_out(line);
    assert_int_equal(service_run_on("jobs pause %s", id), 0);
    assert_out_has("  paused (as it was)\n");
    assert_int_equal(service_run_on("jobs delete %s", id), 1);
    assert_state(id, "paused");
    assert_int_equal(service_run_on("jobs resume %s", id), 0);
    assert_int_equal(service_run_on("jobs cancel %s", id), 0);
    assert_int_equal(service_run_on("jobs cancel %s job_0123456789abcdef", second), 1);
    assert_out_has("  cancelled\n");
    assert_err_has("job_0123456789abcdef");

    assert_int_equal(service_run_on("jobs watch %s", id), 3);
    assert_out_has("  cancelled\n");
    assert_int_equal(service_run_on("jobs delete %s --json", id), 0);
    assert_string_equal(strstr(program_out(), "\"deleted\": true"), "\"deleted\": true\n}\n");
    assert_int_equal(service_run_on("jobs show %s", id), 1);
    free(second);
    free(id);
}

static void priorities_order_what_waits(void **state)
{
    (void)state;
    char *runs = start(ENDLESS), *first = start(ENDLESS), *second = start(ENDLESS);
    assert_int_equal(service_run_on("jobs priority %s 7 --json", second), 0);
    assert_true(out_number("position") == 1);
    assert_int_equal(service_run_on("jobs priority %s -- -7", second), 0);
    assert_out_has("  priority -7, number 2 in the queue\n");
    assert_int_equal(service_run_on("jobs priority %s 101", second), 2);
    assert_int_equal(service_run_on("jobs pause %s", first), 0);
    assert_int_equal(service_run_on("jobs priority %s 5", first), 0);
    assert_out_has("  priority 5, paused\n");
    cancel(first);
    cancel(second);
    cancel(runs);
    free(second);
    free(first);
    free(runs);
}

/* ---- Watching -------------------------------------------------------------------------------------- */

/* Many layers without a bend, each step ten times the weights: the outputs overflow within some steps. */
static void a_job_that_fails_ends_its_watch_with_failure(void **state)
{
    (void)state;
    char steep[4096] = "{\"layers\":[{\"type\":\"flatten\"}";
    for (int i = 0; i < 29; i++)
        strcat(steep, ",{\"type\":\"dense\",\"units\":32,\"activation\":\"linear\"}");
    strcat(steep, ",{\"type\":\"dense\",\"units\":10}]}");
    program_file_write("steep.json", steep, strlen(steep));
    assert_int_equal(
        service_run("jobs start --dataset bars --model steep.json --learning-rate 10 --epochs 50 --watch"),
        1);
    assert_out_has("  failed: ");
    assert_out_has("learning rate");
}

static void ctrl_c_ends_the_watch_and_not_the_job(void **state)
{
    (void)state;
    char *id = start(ENDLESS), words[64];
    snprintf(words, sizeof words, "jobs watch %s", id);
    pid_t watch = service_run_in_background(words);
    wait_for_text(".err", "epoch 1/1000");
    kill(watch, SIGINT);
    assert_int_equal(program_wait(watch), 130);
    assert_err_has("Stopped watching; the job goes on.");
    assert_state(id, "running");
    cancel(id);
    free(id);
}

static void a_watch_outlives_the_server(void **state)
{
    (void)state;
    char *id = start(ENDLESS), words[64];
    snprintf(words, sizeof words, "jobs watch %s", id);
    pid_t watch = service_run_in_background(words);
    wait_for_text(".err", "epoch 1/1000");
    service_kill();
    wait_for_text(".err", "the server is gone");
    service_restart();
    wait_for_text(".err", "queued\nrunning\nepoch "); /* again */
    char *seen = program_file_read(".err");
    const char *first = strstr(seen, "epoch 1/1000");
    assert_non_null(first);
    assert_null(strstr(first + 1, "epoch 1/1000")); /* told once */
    free(seen);
    kill(watch, SIGINT);
    assert_int_equal(program_wait(watch), 130);
    cancel(id);
    free(id);
}

static void events_are_lines_of_json(void **state)
{
    (void)state;
    assert_int_equal(service_run("jobs start " TINY "--epochs 1 --watch --json"), 0);
    assert_err("");
    char *copy = strdup(program_out()), *rest = NULL, last[16] = "";
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *event = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(event);
        const char *to = json_string_value(json_object_get(json_object_get(event, "data"), "to"));
        snprintf(last, sizeof last, "%s", to ? to : "");
        json_decref(event);
    }
    assert_string_equal(last, "succeeded");
    free(copy);
}

/* ---- Servers that are not there, or ask for a key --------------------------------------------------- */

static void without_a_server_there_is_advice(void **state)
{
    (void)state;
    assert_int_equal(program_run("jobs --server http://127.0.0.1:1"), 1);
    assert_err(
        "digitd jobs list: no server answers at http://127.0.0.1:1\nStart one with 'digitd serve', or say "
        "where it is with --server URL or DIGITD_SERVER.\n");
    assert_int_equal(program_run("jobs --server file:///etc/passwd"), 2);
    assert_out("");
}

static void keys_are_sent_and_never_shown(void **state)
{
    (void)state;
    static const char keys[] = "# name scopes key\nlaptop read,predict,write 0123456789abcdef-laptop\n";
    static const char lone[] = "0123456789abcdef-laptop\n", other[] = "0123456789abcdef-unknown\n";
    program_file_write("keys", keys, strlen(keys));
    program_file_write("key", lone, strlen(lone));
    program_file_write("other", other, strlen(other));
    program_file_write("none", "# no key\n", 9);
    service_end();
    service_start("--api-key-file keys");
    assert_int_equal(service_run("jobs"), 1);
    assert_err_has("Give one with --api-key-file FILE or DIGITD_API_KEY.\n");
    assert_int_equal(service_run("jobs --api-key-file other"), 1);
    assert_err_has("none of the server's");
    assert_null(strstr(program_err(), "unknown"));
    assert_int_equal(service_run("jobs --api-key-file none"), 1);
    assert_int_equal(service_run("jobs --api-key-file key"), 0);
    assert_int_equal(service_run("jobs --api-key-file keys"), 0);

    char words[128];
    const struct program_setup setup = {.variable = "DIGITD_API_KEY=0123456789abcdef-laptop"};
    snprintf(words, sizeof words, "jobs --server %s", service_url());
    assert_int_equal(program_run_with(words, setup), 0);
    assert_int_equal(program_run_with("help jobs list", setup), 0);
    assert_null(strstr(program_out(), "0123456789abcdef"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_started_watched_and_shown),
        cmocka_unit_test(start_prints_the_id_alone),
        cmocka_unit_test(every_fault_of_a_request_is_named_by_its_option),
        cmocka_unit_test(wrong_usage_says_where_help_is),
        cmocka_unit_test(jobs_are_paused_resumed_cancelled_and_deleted),
        cmocka_unit_test(priorities_order_what_waits),
        cmocka_unit_test(a_job_that_fails_ends_its_watch_with_failure),
        cmocka_unit_test(ctrl_c_ends_the_watch_and_not_the_job),
        cmocka_unit_test(a_watch_outlives_the_server),
        cmocka_unit_test(events_are_lines_of_json),
        cmocka_unit_test(without_a_server_there_is_advice),
        cmocka_unit_test(keys_are_sent_and_never_shown),
    };
    return cmocka_run_group_tests(tests, service_make, service_remove);
}
