/* Large products. */
#include "engine/gemm.h"
#include "tests/engine/check.h"

#include <math.h>

static void check_form(enum transpose form, size_t m, size_t n, size_t k, bool accumulate)
{
    float *a = random_floats(1, m * k, 1.0f), *b = random_floats(2, k * n, 1.0f),
          *c = random_floats(3, m * n, 1.0f);
    double *expected = calloc(m * n, sizeof *expected);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = accumulate ? (double)c[i * n + j] : 0;
            for (size_t p = 0; p < k; p++)
                sum += (double)(form == GEMM_TN ? a[p * m + i] : a[i * k + p]) *
                       (double)(form == GEMM_NT ? b[j * k + p] : b[p * n + j]);
            expected[i * n + j] = sum;
        }
    if (!accumulate)
        for (size_t i = 0; i < m * n; i++)
            c[i] = NAN; /* what C held before must not matter */
    gemm(form, m, n, k, a, form == GEMM_TN ? m : k, b, form == GEMM_NT ? k : n, accumulate, c, n);
    assert_close("gemm", c, expected, m * n, 1e-5);
    free(a);
    free(b);
    free(c);
    free(expected);
}

static void every_form_is_right_and_forgets_what_c_held(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1}, {1, 512, 64}, {64, 10, 33}, {17, 29, 3}, {40, 64, 128}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int form = GEMM_NN; form <= GEMM_NT; form++)
            for (int accumulate = 0; accumulate < 2; accumulate++)
                check_form((enum transpose)form, sizes[i][0], sizes[i][1], sizes[i][2], accumulate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_right_and_forgets_what_c_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
