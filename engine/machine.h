/* Whether this machine multiplies matrices as it should. Any thread. */
#ifndef ENGINE_MACHINE_H
#define ENGINE_MACHINE_H

#include "engine/kernels/kernels.h"

/* Compares products of the shapes in use with a plain loop: those of `kernels`, or OpenBLAS's for NULL.
 * ERR_NUMERICS: they differ. ERR_MEMORY. */
MUST_CHECK enum status products_check(const struct kernels *kernels, struct error *err);

#endif
