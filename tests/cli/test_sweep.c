/* `digitd sweep` against a real server. */
#include "tests/cli/service.h"

#include <signal.h>

#define FILTERS "/model/blocks/filters=4,8 "
#define QUICK   "--dataset bars --epochs 1 "
#define ENDLESS "--dataset bars --epochs 1000 --batch-size 1 "

static char *start(const char *words)
{
    return service_begin("sweep", words);
}

/* As in ID=$(digitd sweep …). */
static void start_prints_the_id_alone(void **state)
{
    (void)state;
    char id[40], line[48];
    assert_int_equal(service_run("sweep " FILTERS QUICK), 0);
    assert_int_equal(sscanf(program_out(), "%39s", id), 1);
    snprintf(line, sizeof line, "%s\n", id);
    assert_out(line);
    assert_int_equal(service_run_on("sweep watch %s", id), 0);
    assert_int_equal(service_run_on("sweep delete %s", id), 0);
}

static void a_grid_is_watched_listed_and_promoted(void **state)
{
    (void)state;
    assert_int_equal(service_run("sweep"), 0);
    assert_out("No sweeps.\n");
    assert_int_equal(service_run("sweep " FILTERS QUICK "--name widths --watch"), 0);
    assert_err_has("2 trials: about ");
    assert_err_has("\ntrial 1  filters 4: succeeded  validation ");
    assert_err_has("\ntrial 2  filters 8: succeeded  validation ");
    assert_out_has("  succeeded\nBest: filters ");

    assert_int_equal(service_run("sweep list"), 0);
    assert_out_has("  widths  succeeded     2/2  ");
    assert_int_equal(service_run("sweep show"), 0);
    assert_out_has("trials             2 of 2 ended, 0 could not be built\n");
    assert_out_has("  /model/blocks/filters  [4,8]\n");
    assert_int_equal(service_run("sweep results"), 0);
    assert_out_has("TRIAL  STATE      filters  VALIDATION  ");
    assert_out_has("  best\n");
    assert_out_has("\nBest: filters ");
    assert_int_equal(service_run("sweep results --csv"), 0);
    assert_out_has("trial,combination,state,/model/blocks/filters,seed,");

    assert_int_equal(service_run("sweep list --json"), 0);
    json_t *json = program_out_json(), *sweep = json_array_get(json_object_get(json, "data"), 0);
    char *id = strdup(json_string_value(json_object_get(sweep, "id")));
    json_decref(json);
    assert_int_equal(service_run_on("sweep promote %s --trial 2 --model widest --alias none", id), 0);
    assert_out_has("widest:1  test ");
    assert_int_equal(service_run("models show widest:production"), 1); /* none: no alias moved */
    assert_int_equal(service_run_on("jobs --sweep %s --json", id), 0);
    json = program_out_json();
    assert_int_equal(json_array_size(json_object_get(json, "data")), 2);
    json_decref(json);
    free(id);
}

static void repeated_seeds_have_mean_and_spread(void **state)
{
    (void)state;
    char *id = start(FILTERS QUICK "--seeds 3,5");
    assert_int_equal(service_run_on("sweep watch %s --no-progress", id), 0);
    assert_int_equal(service_run_on("sweep results %s --top 1", id), 0);
    assert_out_has("TRIAL  STATE      filters  SEED  ");
    assert_out_has("  MEAN ");
    assert_out_has(" SPREAD ");
    assert_int_equal(service_run_on("sweep watch %s --json", id), 0); /* it is over: one line */
    assert_err("");
    char *state_name = out_text("state");
    assert_string_equal(state_name, "succeeded");
    free(state_name);
    free(id);
}

static void an_estimate_starts_nothing(void **state)
{
    (void)state;
    assert_int_equal(service_run("sweep --preset architecture " QUICK "--estimate"), 0);
    assert_out_has("64 trials, of which 40 can be built: about ");
    assert_int_equal(service_run("sweep --preset activations " QUICK "--estimate --json"), 0);
    assert_true(out_number("trials") == 3);
    assert_int_equal(service_run("sweep list --json"), 0);
    assert_null(strstr(program_out(), "architecture"));
}

static void ranges_are_drawn_from(void **state)
{
    (void)state;
    assert_int_equal(service_run("sweep --method random --trials 3 --draw-seed 7 "
                                 "/training/learning_rate=1e-4..1e-2:log " QUICK "--json"),
                     0);
    json_t *json = program_out_json(), *request = json_object_get(json, "request");
    json_t *range = json_object_get(json_object_get(request, "parameters"), "/training/learning_rate");
    assert_string_equal(json_string_value(json_object_get(range, "scale")), "log");
    assert_true(json_number_value(json_object_get(range, "max")) == 1e-2);
    assert_int_equal(json_integer_value(json_object_get(request, "trials")), 3);
    assert_int_equal(json_integer_value(json_object_get(request, "seed")), 7);
    json_decref(json);
    assert_int_equal(service_run("sweep watch"), 0);
}

static void faults_are_named_as_they_were_given(void **state)
{
    (void)state;
    assert_int_equal(service_run("sweep --preset none"), 2);
    assert_err_has("digitd sweep start: --preset: ");
    assert_int_equal(service_run("sweep " FILTERS ENDLESS "--learning-rate nought"), 2);
    assert_err_has("digitd sweep start: --learning-rate: ");
    assert_int_equal(service_run("sweep /training/epoch=1,2"), 2);
    assert_err_has("digitd sweep start: /training/epoch: ");
    assert_int_equal(service_run("sweep /name=a,b"), 2);
    assert_err_has("digitd sweep start: /name: ");
    assert_int_equal(service_run("sweep start filters=4"), 2);
    assert_err_has("\"filters=4\": expected a field of a job and values to try");
    assert_int_equal(service_run("sweep --method best"), 2);
    assert_int_equal(service_run("sweep reslts"), 2);
    assert_err("digitd sweep: unknown action \"reslts\"; did you mean results?\nTry 'digitd help sweep'.\n");
    assert_int_equal(service_run("sweep show sweep_0123456789abcdef"), 1);
}

static void sweeps_are_paused_cancelled_and_deleted(void **state)
{
    (void)state;
    char *id = start(FILTERS ENDLESS), words[64];
    snprintf(words, sizeof words, "sweep watch %s", id);
    pid_t watch = service_run_in_background(words);
    wait_for_text(".err", "running\n");
    kill(watch, SIGINT);
    assert_int_equal(program_wait(watch), 130);
    assert_err_has("Stopped watching; the sweep goes on.");
    assert_int_equal(service_run_on("sweep pause %s", id), 0);
    assert_out_has("  paused\n");
    assert_int_equal(service_run_on("sweep resume %s", id), 0);
    assert_int_equal(service_run_on("sweep delete %s", id), 1);
    assert_int_equal(service_run_on("sweep promote %s", id), 1);
    assert_int_equal(service_run_on("sweep cancel %s", id), 0);
    assert_out_has("  cancelled\n");
    assert_int_equal(service_run_on("sweep watch %s", id), 3);
    assert_int_equal(service_run_on("sweep delete %s", id), 0);
    assert_int_equal(service_run_on("sweep show %s", id), 1);
    free(id);
}

static void a_watch_tells_when_a_sweep_no_longer_waits(void **state)
{
    (void)state;
    char *job = service_begin("jobs", ENDLESS), *id = start(FILTERS ENDLESS), words[64];
    snprintf(words, sizeof words, "sweep watch %s", id);
    pid_t watch = service_run_in_background(words);
    wait_for_text(".err", "queued\n");
    assert_int_equal(service_run_on("jobs cancel %s", job), 0);
    wait_for_text(".err", "running\n");
    assert_int_equal(service_run_on("sweep cancel %s", id), 0);
    assert_int_equal(program_wait(watch), 3);
    free(job);
    free(id);
}

static void a_watch_outlives_the_server(void **state)
{
    (void)state;
    char *id = start(FILTERS ENDLESS), words[64];
    snprintf(words, sizeof words, "sweep watch %s", id);
    pid_t watch = service_run_in_background(words);
    wait_for_text(".err", "running\n");
    wait_for_text("serve.log", "/events: 200 after"); /* it is told, and does not ask again and again */
    service_kill();
    wait_for_text(".err", "the server is gone");
    service_restart();
    assert_int_equal(service_run_on("sweep cancel %s", id), 0);
    assert_int_equal(program_wait(watch), 3);
    free(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grid_is_watched_listed_and_promoted),
        cmocka_unit_test(start_prints_the_id_alone),
        cmocka_unit_test(repeated_seeds_have_mean_and_spread),
        cmocka_unit_test(an_estimate_starts_nothing),
        cmocka_unit_test(ranges_are_drawn_from),
        cmocka_unit_test(faults_are_named_as_they_were_given),
        cmocka_unit_test(sweeps_are_paused_cancelled_and_deleted),
        cmocka_unit_test(a_watch_tells_when_a_sweep_no_longer_waits),
        cmocka_unit_test(a_watch_outlives_the_server),
    };
    return cmocka_run_group_tests(tests, service_make, service_remove);
}
