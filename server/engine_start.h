/* Starts the engine on kernels that compute rightly.
 *
 * Some processors, and more often virtual machines, run wide vector instructions wrongly. OpenBLAS chooses its kernels
 * when the program is loaded, so when the engine's check finds wrong products the program executes itself again
 * with OPENBLAS_CORETYPE set to the next safe core type, which the engine's own kernels follow. A variable in the
 * environment marks how far it has got: each core type is tried once. */
#ifndef DIGITD_ENGINE_START_H
#define DIGITD_ENGINE_START_H

#include "engine/engine.h"

/* The program's own argv, for the case that it has to start again. For main. */
void engine_start_arguments(char **argv);

/* engine_init, before any thread and before anything was read from stdin. Wrong products: says so on stderr and does not
 * return, the program starts again. ERR_NUMERICS: no core type is left to try. */
MUST_CHECK enum status engine_start(struct error *err);

/* The safe core type that the program had to start again with; NULL when the first check was passed. */
const char *engine_start_fallback(void);

#endif
