/* A processor that multiplies wrongly is found out at the start, and the program goes on with kernels that are right. */
#include "tests/cli/program.h"

#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#if defined(__aarch64__)
#define LAST_CORE_TYPE "ARMV8"
#else
#define LAST_CORE_TYPE "Prescott"
#endif

#define TRAIN "train --data-dir data --dataset bars --preset small --epochs 1 "

/* Products are wrong in every program that is started from here on. */
static int break_products(void **state)
{
    char path[PATH_MAX] = "", library[PATH_MAX + 32], sanitizer[256];
    const char *options = getenv("ASAN_OPTIONS");
    program_folder_make(state);
    program_make_bars();
    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        return -1;
    snprintf(library, sizeof library, "%s/preload/wrong_sgemm.so", dirname(path));
    if (access(library, R_OK) != 0)
        fail_msg("no %s", library);
    snprintf(sanitizer, sizeof sanitizer, "%s:verify_asan_link_order=0", options ? options : "");
    return setenv("LD_PRELOAD", library, true) || setenv("ASAN_OPTIONS", sanitizer, true);
}

static int mend_products(void **state)
{
    unsetenv("LD_PRELOAD");
    unsetenv("RIGHT_CORE_TYPE");
    return program_folder_remove(state);
}

static size_t restarts(void)
{
    size_t count = 0;
    for (const char *at = program_err(); (at = strstr(at, "starting again")); at++)
        count++;
    return count;
}

static void wrong_products_lead_to_the_core_type_that_is_right(void **state)
{
    (void)state;
    setenv("RIGHT_CORE_TYPE", LAST_CORE_TYPE, true);
    assert_int_equal(program_run(TRAIN), 0);
    assert_err_has("computes wrong products on this processor; starting again with OPENBLAS_CORETYPE=");
    assert_err_has("starting again with OPENBLAS_CORETYPE=" LAST_CORE_TYPE "\n");
    assert_err_has("core type " LAST_CORE_TYPE ", baseline kernels\n");
    assert_true(program_file_exists("model.safetensors"));
}

static void what_commands_read_and_write_survives_the_new_start(void **state)
{
    (void)state;
    setenv("RIGHT_CORE_TYPE", LAST_CORE_TYPE, true);
    assert_int_equal(program_run(TRAIN "--json"), 0);
    json_decref(program_out_json()); /* one result, not two */
    assert_int_equal(program_run("evaluate --data-dir data --dataset bars model.safetensors"), 0);
    assert_err_has("starting again");
    uint8_t image[28 * 28];
    bar_image(3, 1, image);
    program_file_write("three.raw", image, sizeof image);
    assert_int_equal(
        program_run_with("predict --model model.safetensors -", (struct program_setup){.input = "three.raw"}),
        1);
    assert_err_has("starting again");
    assert_err_has("digitd predict: -: "); /* it got to the picture, which is none */
}

static void when_no_core_type_is_right_every_command_gives_up(void **state)
{
    (void)state;
    static const char *const commands[] = {
        TRAIN,
        "evaluate --data-dir data --dataset bars model.safetensors",
        "predict --model model.safetensors -",
        "serve --listen 127.0.0.1:0 --data-dir data --store store",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        assert_int_equal(program_run(commands[i]), 1);
        assert_out("");
        assert_err_has(
            "computes wrong products on this processor; no core type of OpenBLAS is left to try\n");
        assert_in_range(restarts(), 1, 2);
        assert_false(program_file_exists("store"));
    }
}

static bool file_has(const char *name, const char *text)
{
    char content[4096] = "";
    FILE *file = fopen(program_file_path(name), "rb");
    if (!file)
        return false;
    size_t size = fread(content, 1, sizeof content - 1, file);
    fclose(file);
    content[size] = '\0';
    return strstr(content, text) != NULL;
}

static void the_service_starts_again_too_and_still_ends_when_told(void **state)
{
    (void)state;
    setenv("RIGHT_CORE_TYPE", LAST_CORE_TYPE, true);
    pid_t process = program_start("serve --listen 127.0.0.1:0 --data-dir data --store store --no-bootstrap",
                                  (struct program_setup){0});
    for (int looks = 0; looks < 6000 && !file_has(".out", "digitd is ready at "); looks++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    kill(process, SIGTERM);
    assert_int_equal(program_wait(process), 0);
    assert_out_has("digitd is ready at http://127.0.0.1:");
    assert_err_has("OpenBLAS core type " LAST_CORE_TYPE ", baseline kernels");
}

/* A core type that was asked for by name, whether or not this processor has what it needs. */
static void a_core_type_of_another_processor_does_not_end_in_a_crash(void **state)
{
    (void)state;
    assert_int_equal(
        program_run_with(TRAIN, (struct program_setup){.variable = "OPENBLAS_CORETYPE=SkylakeX"}), 0);
    if (restarts() == 0)
        assert_err_has("core type SkylakeX, avx512 kernels\n");
    else
        assert_err_has("core type SkylakeX needs instructions that this processor does not have; starting");
}

static void a_pinned_core_type_pins_the_kernels_too(void **state)
{
    (void)state;
    assert_int_equal(
        program_run_with("version --json",
                         (struct program_setup){.variable = "OPENBLAS_CORETYPE=" LAST_CORE_TYPE}),
        0);
    json_t *json = program_out_json();
    assert_string_equal(json_string_value(json_object_get(json, "core_type")), LAST_CORE_TYPE);
    assert_string_equal(json_string_value(json_object_get(json, "instruction_set")), "baseline");
    json_decref(json);
    assert_int_equal(program_run("version"), 0);
    assert_out_has("\ncore type ");
}

static int make_bars(void **state)
{
    program_folder_make(state);
    program_make_bars();
    return 0;
}

int main(void)
{
#define BROKEN(name) cmocka_unit_test_setup_teardown(name, break_products, mend_products)
#define TEST(name)   cmocka_unit_test_setup_teardown(name, make_bars, program_folder_remove)
    const struct CMUnitTest tests[] = {
        BROKEN(wrong_products_lead_to_the_core_type_that_is_right),
        BROKEN(what_commands_read_and_write_survives_the_new_start),
        BROKEN(when_no_core_type_is_right_every_command_gives_up),
        BROKEN(the_service_starts_again_too_and_still_ends_when_told),
        TEST(a_core_type_of_another_processor_does_not_end_in_a_crash),
        TEST(a_pinned_core_type_pins_the_kernels_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
