/* The check at the start, and which kernels are computed with. */
#include "engine/machine.h"
#include "tests/engine/check.h"

#include <string.h>

static void the_check_at_start_passes_and_what_computes_has_a_name(void **state)
{
    (void)state;
    struct error err = {0};
    if (engine_init(&err) != OK)
        fail_msg("%s", err.message);
    assert_true(strlen(engine_core_type()) > 0);
    assert_non_null(strstr(engine_blas_version(), "OpenBLAS"));
    assert_string_equal(engine_instruction_set(), kernels_best()->name);
}

static void every_instruction_set_passes_the_check(void **state)
{
    (void)state;
    struct error err = {0};
    const struct kernels *kernels;
    for (size_t isa = 0; (kernels = kernels_at(isa)); isa++)
        if (products_check(kernels, &err) != OK)
            fail_msg("%s", err.message);
}

/* As a processor with a broken lane would. */
static void product_with_a_wrong_element(size_t m, size_t n, size_t k, const float *a, size_t a_row,
                                         size_t a_column, const float *b, size_t b_row, float *c,
                                         size_t c_row, bool accumulate)
{
    kernels_at(0)->product(m, n, k, a, a_row, a_column, b, b_row, c, c_row, accumulate);
    c[(m - 1) * c_row + n / 2] *= 1.01f;
}

static void few_rows_with_a_wrong_element(size_t m, size_t n, size_t k, const float *a, size_t a_row,
                                          const float *b, size_t b_row, float *c, size_t c_row)
{
    kernels_at(0)->product_few_rows(m, n, k, a, a_row, b, b_row, c, c_row);
    c[0] *= 1.01f;
}

static void a_wrong_product_is_found(void **state)
{
    (void)state;
    struct error err = {0};
    struct kernels broken = *kernels_at(0);
    broken.product = product_with_a_wrong_element;
    assert_int_equal(products_check(&broken, &err), ERR_NUMERICS);
    assert_non_null(strstr(err.message, broken.name));

    broken = *kernels_at(0);
    broken.product_few_rows = few_rows_with_a_wrong_element;
    assert_int_equal(products_check(&broken, &err), ERR_NUMERICS);
}

/* "avx2" if this processor runs it, else NULL. */
static const struct kernels *kernels_named(const char *name)
{
    const struct kernels *kernels;
    for (size_t isa = 0; (kernels = kernels_at(isa)); isa++)
        if (strcmp(kernels->name, name) == 0)
            return kernels;
    return NULL;
}

static void a_core_type_stands_for_an_instruction_set(void **state)
{
    (void)state;
    static const struct {
        const char *core_type, *kernels;
    } pairs[] = {
#if defined(__x86_64__)
        {"SkylakeX", "avx512"},
        {"Cooperlake", "avx512"},
        {"Haswell", "avx2"},
        {"Zen", "avx2"},
#endif
        {"Prescott", "baseline"},
        {"Nehalem", "baseline"},
        {"ARMV8", "baseline"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_ptr_equal(kernels_of_core_type(pairs[i].core_type), kernels_named(pairs[i].kernels));
}

static void the_widest_kernels_are_used_unless_a_core_type_is_asked_for(void **state)
{
    (void)state;
    const char *pinned = getenv("OPENBLAS_CORETYPE");
    char *kept = pinned ? strdup(pinned) : NULL;
    setenv("OPENBLAS_CORETYPE", "as if", true); /* OpenBLAS has chosen already */
    assert_ptr_equal(kernels_best(), kernels_of_core_type(engine_core_type()));
    setenv("OPENBLAS_CORETYPE", "", true);
    assert_ptr_equal(kernels_best(), kernels_at(0));
    unsetenv("OPENBLAS_CORETYPE");
    assert_ptr_equal(kernels_best(), kernels_at(0));
    if (kept)
        setenv("OPENBLAS_CORETYPE", kept, true);
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_at_start_passes_and_what_computes_has_a_name),
        cmocka_unit_test(every_instruction_set_passes_the_check),
        cmocka_unit_test(a_wrong_product_is_found),
        cmocka_unit_test(a_core_type_stands_for_an_instruction_set),
        cmocka_unit_test(the_widest_kernels_are_used_unless_a_core_type_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
