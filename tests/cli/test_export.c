/* export through the real program: which bytes go where, and what is refused. */
#include "engine/engine.h"
#include "tests/cli/program.h"

static uint8_t *onnx; /* what the engine makes of model.safetensors */
static size_t onnx_size;

static int make_model(void **state)
{
    struct model_spec spec;
    struct model_plan plan;
    struct problems problems = {0};
    struct model *model;
    program_folder_make(state);
    assert_int_equal(model_spec_preset("small", &spec, NULL), OK);
    assert_int_equal(model_plan_create(&spec, "", &plan, &problems), OK);
    assert_int_equal(model_create(&plan, 1, &model, NULL), OK);
    assert_int_equal(model_save(model, NULL, program_file_path("model.safetensors"), NULL), OK);
    assert_int_equal(model_to_onnx(model, &onnx, &onnx_size, NULL), OK);
    model_unref(model);
    return 0;
}

static int free_model(void **state)
{
    free(onnx);
    return program_folder_remove(state);
}

static void assert_file_is_onnx(const char *name)
{
    FILE *file = fopen(program_file_path(name), "rb");
    assert_non_null(file);
    uint8_t *bytes = malloc(onnx_size + 1);
    assert_int_equal(fread(bytes, 1, onnx_size + 1, file), onnx_size);
    assert_memory_equal(bytes, onnx, onnx_size);
    free(bytes);
    fclose(file);
}

static void a_model_is_exported_to_a_file(void **state)
{
    (void)state;
    assert_int_equal(program_run("export model.safetensors --onnx model.onnx"), 0);
    assert_out("");
    assert_err("");
    assert_file_is_onnx("model.onnx");
}

static void a_dash_is_stdout(void **state)
{
    (void)state;
    assert_int_equal(program_run_with("export --onnx - model.safetensors",
                                      (struct program_setup){.output = program_file_path("out.onnx")}),
                     0);
    assert_err("");
    assert_file_is_onnx("out.onnx");
    assert_int_equal(
        program_run_with("export --onnx - model.safetensors", (struct program_setup){.output = "/dev/full"}),
        1);
    assert_err("digitd: cannot write to stdout: No space left on device\n");
}

static void export_says_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(program_run("export model.safetensors"), 2);
    assert_err("digitd export: --onnx is missing\nTry 'digitd help export'.\n");
    assert_int_equal(program_run("export --onnx model.onnx"), 2);
    assert_int_equal(program_run("export none.safetensors --onnx model.onnx"), 1);
    assert_err("digitd export: cannot open none.safetensors: No such file or directory\n");
    assert_false(program_file_exists("model.onnx"));
    program_file_write("text.safetensors", "no tensors here", 15);
    assert_int_equal(program_run("export text.safetensors --onnx model.onnx"), 1);
    assert_err_has("digitd export: text.safetensors: not a safetensors file");
    assert_int_equal(program_run("export model.safetensors --onnx none/model.onnx"), 1);
    assert_err("digitd export: cannot create a file beside none/model.onnx: No such file or directory\n");
    assert_int_equal(program_run("export model.safetensors --onnx /dev/null"), 1);
    assert_err("digitd export: /dev/null is no regular file: it is not replaced\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_model, free_model)
    const struct CMUnitTest tests[] = {
        TEST(a_model_is_exported_to_a_file),
        TEST(a_dash_is_stdout),
        TEST(export_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
