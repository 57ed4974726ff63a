/* cblas_sgemm as on a processor that runs its vector instructions wrongly: it adds 1 to an element of each product, unless
 * OPENBLAS_CORETYPE is what RIGHT_CORE_TYPE says. LD_PRELOAD puts it before OpenBLAS's. */
#include <cblas.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef __typeof__(cblas_sgemm) product;

void cblas_sgemm(OPENBLAS_CONST enum CBLAS_ORDER Order, OPENBLAS_CONST enum CBLAS_TRANSPOSE TransA,
                 OPENBLAS_CONST enum CBLAS_TRANSPOSE TransB, OPENBLAS_CONST blasint M,
                 OPENBLAS_CONST blasint N, OPENBLAS_CONST blasint K, OPENBLAS_CONST float alpha,
                 OPENBLAS_CONST float *A, OPENBLAS_CONST blasint lda, OPENBLAS_CONST float *B,
                 OPENBLAS_CONST blasint ldb, OPENBLAS_CONST float beta, float *C, OPENBLAS_CONST blasint ldc)
{
    product *right = (product *)dlsym(RTLD_NEXT, "cblas_sgemm");
    const char *core_type = getenv("OPENBLAS_CORETYPE"), *right_core_type = getenv("RIGHT_CORE_TYPE");
    right(Order, TransA, TransB, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
    if (!core_type || !right_core_type || strcmp(core_type, right_core_type) != 0)
        C[0] += 1;
}
