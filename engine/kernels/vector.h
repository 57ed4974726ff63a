/* Vectors of LANES floats, as wide as the instruction set that this file is compiled for.
 *
 * Every file in engine/kernels is compiled once an instruction set (see the Makefile), with ISA naming it; the
 * program picks one set when it starts (kernels.c). Only files in engine/kernels include this. */
#ifndef ENGINE_KERNELS_VECTOR_H
#define ENGINE_KERNELS_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t ivec __attribute__((vector_size(LANES * 4)));

INLINE vec vec_load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void vec_store(float *to, vec v)
{
    memcpy(to, &v, sizeof v);
}

INLINE ivec load_lanes(const int32_t *from)
{
    ivec v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void store_lanes(int32_t *to, ivec v)
{
    memcpy(to, &v, sizeof v);
}

INLINE vec vec_all(float value)
{
    return (vec){0} + value;
}

/* Lanes of `yes` where the mask is all ones, of `no` where it is zero. */
INLINE vec vec_select(ivec mask, vec yes, vec no)
{
    return (vec)(((ivec)yes & mask) | ((ivec)no & ~mask));
}

INLINE vec vec_max(vec a, vec b)
{
    return vec_select(a > b, a, b);
}

/* e^x within 2 ulp for -87 <= x <= 88, saturating outside: reduction by ln 2 and a polynomial of degree 6
 * (Cephes, expf). */
INLINE vec vec_exp(vec x)
{
    x = vec_select(x > vec_all(88.0f), vec_all(88.0f), x);
    x = vec_select(x < vec_all(-87.0f), vec_all(-87.0f), x);
    vec scaled = x * 1.44269504088896341f + 0.5f;
    ivec truncated = __builtin_convertvector(scaled, ivec);
    vec n = __builtin_convertvector(truncated, vec);
    n -= (vec)((ivec)vec_all(1.0f) & (n > scaled)); /* floor */
    x -= n * 0.693359375f;
    x -= n * -2.12194440e-4f;
    vec p = vec_all(1.9875691500e-4f);
    p = p * x + 1.3981999507e-3f;
    p = p * x + 8.3334519073e-3f;
    p = p * x + 4.1665795894e-2f;
    p = p * x + 1.6666665459e-1f;
    p = p * x + 5.0000001201e-1f;
    p = p * (x * x) + x + 1.0f;
    ivec power = (__builtin_convertvector(n, ivec) + 127) << 23;
    return p * (vec)power;
}

#endif
