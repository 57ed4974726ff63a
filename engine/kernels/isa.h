/* Names of the kernels in each instruction set's version: winograd_input is winograd_input_avx2 where a file is compiled
 * with ISA=avx2. A new kernel is a member of struct kernels and a line in this list. */
#ifndef ENGINE_KERNELS_ISA_H
#define ENGINE_KERNELS_ISA_H

#include "engine/kernels/kernels.h"

#define KERNEL_LIST(X)                                                                                       \
    X(product)                                                                                               \
    X(product_few_rows)                                                                                      \
    X(winograd_input)                                                                                        \
    X(winograd_output)                                                                                       \
    X(winograd_output_pooled)                                                                                \
    X(winograd_output_gradient)                                                                              \
    X(winograd_pooled_gradient)                                                                              \
    X(winograd_input_gradient)                                                                               \
    X(winograd_kernel)                                                                                       \
    X(winograd_kernel_gradient)                                                                              \
    X(direct_forward)                                                                                        \
    X(direct_backward)                                                                                       \
    X(max_pool)                                                                                              \
    X(max_pool_gradient)                                                                                     \
    X(add_bias_activate)                                                                                     \
    X(activation_gradient)                                                                                   \
    X(sum_rows)                                                                                              \
    X(add)                                                                                                   \
    X(all_finite)                                                                                            \
    X(adam)                                                                                                  \
    X(average)

#define ISA_JOIN_(name, isa) name##_##isa
#define ISA_JOIN(name, isa)  ISA_JOIN_(name, isa)
#define KERNEL(name)         ISA_JOIN(name, ISA)

#define KERNEL_DECLARE(name) __typeof__(*((struct kernels *)0)->name) KERNEL(name);
KERNEL_LIST(KERNEL_DECLARE)

extern const struct kernels KERNEL(kernels);

#endif
