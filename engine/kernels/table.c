/* One instruction set's kernels as a table. */
#include "engine/kernels/isa.h"
#include "engine/kernels/vector.h"

#define STRING_(name)      #name
#define STRING(name)       STRING_(name)
#define KERNEL_ENTRY(name) .name = KERNEL(name),

const struct kernels KERNEL(kernels) = {.name = STRING(ISA), .lanes = LANES, KERNEL_LIST(KERNEL_ENTRY)};
