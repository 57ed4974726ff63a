/* cblas_sgemm as on a processor that runs its vector instructions wrongly: it adds 1 to an element of each product, unless
 * OPENBLAS_CORETYPE is what RIGHT_CORE_TYPE says. LD_PRELOAD puts it before OpenBLAS's. */
#include <cblas.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef __typeof__(cblas_sgemm) product;

void cblas_sgemm(OPENBLAS_CONST enum CBLAS_ORDER order, OPENBLAS_CONST enum CBLAS_TRANSPOSE turn_a,
                 OPENBLAS_CONST enum CBLAS_TRANSPOSE turn_b, OPENBLAS_CONST blasint m,
                 OPENBLAS_CONST blasint n, OPENBLAS_CONST blasint k, OPENBLAS_CONST float alpha,
                 OPENBLAS_CONST float *a, OPENBLAS_CONST blasint a_row, OPENBLAS_CONST float *b,
                 OPENBLAS_CONST blasint b_row, OPENBLAS_CONST float beta, float *c,
                 OPENBLAS_CONST blasint c_row)
{
    product *right = (product *)dlsym(RTLD_NEXT, "cblas_sgemm");
    const char *core_type = getenv("OPENBLAS_CORETYPE"), *right_core_type = getenv("RIGHT_CORE_TYPE");
    right(order, turn_a, turn_b, m, n, k, alpha, a, a_row, b, b_row, beta, c, c_row);
    if (!core_type || !right_core_type || strcmp(core_type, right_core_type) != 0)
        c[0] += 1;
}
